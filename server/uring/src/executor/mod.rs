//! The executor of a core: a queue of runnable tasks, the ring, and one place where the thread sleeps.
//!
//! The thread sleeps in the ring's system call and nowhere else. It does so only when no task is runnable, and it says
//! so first, so that a wake-up from another thread either finds it awake or rings its bell, which the ring watches. What
//! the kernel has left undone of its own deferred work is not read from completions: an entry that brings none is
//! followed by the next one. Every sleep ends by itself after [`SLEEP_MAX`].
//!
//! * [`gate`] is the agreement between the sleeper and those who wake it.
//! * [`queue`] holds the runnable tasks of one thread.
//! * [`pump`](self::pump()) is the loop, written against two small traits, so that a model can run it in every order of
//!   events (`model`).
//! * [`pulse`] is what another thread can see of the loop.

mod gate;
#[cfg(test)]
mod model;
mod pulse;
mod pump;
mod queue;

pub use pulse::{LoopStats, Pulse, STEP_BUCKETS, step_bucket_ns};
pub use queue::Task;

use crate::driver::Driver;
use pump::{Ring, pump};
use queue::RunQueue;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The longest sleep. Nothing relies on its end: it bounds what a fault of the kernel or of ours could cost.
pub const SLEEP_MAX: Duration = Duration::from_millis(250);

thread_local! {
    static CURRENT: RefCell<Option<Rc<RunQueue>>> = const { RefCell::new(None) };
}

/// The executor of the calling thread, not running yet.
pub struct Executor {
    driver: Driver,
    queue: Rc<RunQueue>,
}

impl Executor {
    /// Makes the executor of this thread.
    ///
    /// # Errors
    /// When no eventfd can be made.
    ///
    /// # Panics
    /// When the thread has one already: tasks would not know which of them is theirs.
    pub fn new(driver: &Driver) -> io::Result<Self> {
        let queue = RunQueue::new()?;
        CURRENT.with_borrow_mut(|current| {
            assert!(current.is_none(), "a thread has one executor");
            *current = Some(Rc::clone(&queue));
        });
        Ok(Self { driver: driver.clone(), queue })
    }

    /// The view of it for other threads.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.queue.pulse()
    }

    /// Runs a future to its end, and the tasks that it starts until then. Those that are left are dropped.
    ///
    /// # Errors
    /// Only for a broken ring.
    pub fn run<T: 'static>(self, main: impl Future<Output = T> + 'static) -> io::Result<T> {
        spawn_local(listen_to_bell(self.driver.clone(), Rc::clone(&self.queue))).detach();
        let mut main = spawn_local(main);
        let ring = TimedRing { driver: &self.driver, queue: &self.queue };
        pump(&ring, &*self.queue, || main.is_finished())?;
        match Pin::new(&mut main).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => Err(io::Error::other("a task that has ended has no result")),
        }
    }
}

impl Drop for Executor {
    /// Tasks may own operations of the ring and buffers of the pool, so they go while both are there.
    fn drop(&mut self) {
        self.queue.drop_tasks();
        CURRENT.set(None);
    }
}

/// The ring with a clock: the time that a turn takes is a step of the loop.
struct TimedRing<'a> {
    driver: &'a Driver,
    queue: &'a RunQueue,
}

impl Ring for TimedRing<'_> {
    fn turn(&self) -> io::Result<()> {
        let begun = Instant::now();
        let turned = self.driver.turn();
        self.queue.note_step(begun.elapsed());
        turned.map(drop)
    }

    fn wait(&self) -> io::Result<()> {
        self.driver.turn_waiting(SLEEP_MAX).map(drop)
    }
}

/// Starts a task on this thread's executor, behind those that are runnable.
///
/// # Panics
/// On a thread without an executor.
pub fn spawn_local<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    match CURRENT.with_borrow(Clone::clone) {
        Some(queue) => queue.spawn(future),
        None => no_executor(),
    }
}

#[expect(clippy::panic, reason = "a task outside of an executor is a mistake in the program, not an input")]
fn no_executor() -> ! {
    panic!("a task was started on a thread without an executor")
}

/// Counts of what the loop of this thread has done so far; zeros on a thread without an executor.
#[must_use]
pub fn loop_stats() -> LoopStats {
    CURRENT.with_borrow(|current| current.as_ref().map(|queue| queue.stats()).unwrap_or_default())
}

/// Keeps the ring watching the bell, which makes a wake-up from another thread a completion.
async fn listen_to_bell(driver: Driver, queue: Rc<RunQueue>) {
    loop {
        if driver.readable(queue.bell()).await.is_err() {
            // Without the bell, wake-ups from other threads are noticed when a sleep ends.
            driver.sleep(SLEEP_MAX).await;
        }
        queue.silence_bell();
    }
}

/// Goes to the back of the run queue once, so that other tasks of the thread have a turn.
pub fn yield_now() -> impl Future<Output = ()> {
    YieldOnce(false)
}

struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
