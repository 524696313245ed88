//! The runnable tasks of one thread: a queue of its own, and a second one for wake-ups from elsewhere.

use super::pulse::{LoopStats, Pulse, Shared};
use super::pump::Tasks;
use async_task::Runnable;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The clock is looked at after so many polls.
const POLLS_PER_LOOK: usize = 8;
/// Tasks run for so long before the ring has its turn.
const SLICE: Duration = Duration::from_micros(500);

thread_local! {
    /// Wake-ups on the executor's own thread go here without a lock. Behind the marks is the thread's executor: a waker
    /// of another one, or of one that is no more, goes the other way.
    static LOCAL: Local = const { Local { owner: Cell::new(std::ptr::null()), ready: RefCell::new(VecDeque::new()) } };
}

struct Local {
    owner: Cell<*const Remote>,
    ready: RefCell<VecDeque<Runnable>>,
}

/// Tasks that other threads have woken.
struct Remote {
    shared: Arc<Shared>,
    ready: Mutex<VecDeque<Runnable>>,
}

impl Remote {
    fn push(&self, task: Runnable) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
        self.shared.gate.say_work();
        if self.shared.gate.must_ring() {
            self.shared.ring_bell();
        }
    }
}

/// A started task. Dropping it ends the task; see [`Task::detach`].
#[must_use = "a task that nobody holds ends at once"]
pub struct Task<T>(async_task::Task<T>);

impl<T> Task<T> {
    /// Lets the task go on by itself.
    pub fn detach(self) {
        self.0.detach();
    }

    /// Ends the task where it stands, and returns when it is gone.
    pub async fn cancel(self) {
        self.0.cancel().await;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The queue, as its own thread sees it.
pub(super) struct RunQueue {
    remote: Arc<Remote>,
    /// The same bell in the form that operations keep alive.
    bell: Rc<OwnedFd>,
    /// One waker for each task there is, by which those that are left are found at the end.
    tasks: Rc<RefCell<Slab<Waker>>>,
    stats: Cell<LoopStats>,
}

impl RunQueue {
    pub(super) fn new() -> io::Result<Rc<Self>> {
        use rustix::event::{EventfdFlags, eventfd};
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Shared {
            gate: super::gate::Gate::default(),
            bell: bell.try_clone()?,
            turns: 0.into(),
            thread_id: rustix::thread::gettid().as_raw_nonzero().get(),
        };
        let remote = Arc::new(Remote { shared: Arc::new(shared), ready: Mutex::default() });
        LOCAL.with(|local| local.owner.set(Arc::as_ptr(&remote)));
        let (tasks, stats) = Default::default();
        Ok(Rc::new(Self { remote, bell: Rc::new(bell), tasks, stats }))
    }

    pub(super) fn pulse(&self) -> Pulse {
        Pulse(Arc::clone(&self.remote.shared))
    }

    pub(super) fn stats(&self) -> LoopStats {
        LoopStats { turns: self.remote.shared.turns.load(Ordering::Relaxed), ..self.stats.get() }
    }

    pub(super) fn bell(&self) -> &Rc<OwnedFd> {
        &self.bell
    }

    /// Empties the bell's counter.
    pub(super) fn silence_bell(&self) {
        // An empty counter answers EAGAIN, which is what "silent" means.
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8]);
    }

    /// Makes a task and puts it behind the runnable ones.
    pub(super) fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        let remote = Arc::clone(&self.remote);
        let schedule = move |task| {
            let mut task = Some(task);
            LOCAL.with(|local| {
                if std::ptr::eq(local.owner.get(), Arc::as_ptr(&remote)) {
                    local.ready.borrow_mut().extend(task.take());
                }
            });
            if let Some(task) = task {
                remote.push(task);
            }
        };
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let leaving = Leaving { tasks: Rc::clone(&self.tasks), key: entry.key() };
        let future = async move {
            let _leaving = leaving;
            future.await
        };
        let (runnable, task) = async_task::spawn_local(future, schedule);
        entry.insert(runnable.waker());
        drop(tasks);
        runnable.schedule();
        Task(task)
    }

    /// Drops all tasks that there are, and those that their end starts or wakes.
    pub(super) fn drop_tasks(&self) {
        loop {
            let wakers: Vec<Waker> = self.tasks.borrow().iter().map(|(_, waker)| waker.clone()).collect();
            wakers.into_iter().for_each(Waker::wake);
            self.take_remote();
            let ready = LOCAL.with(|local| local.ready.take());
            if ready.is_empty() {
                break;
            }
            // Dropping a runnable task drops its future.
            drop(ready);
        }
        LOCAL.with(|local| local.owner.set(std::ptr::null()));
    }

    /// Counts what the thread did since it last looked at the clock.
    pub(super) fn note_step(&self, took: Duration) {
        let mut stats = self.stats.get();
        stats.note_step(took);
        self.stats.set(stats);
    }

    fn take_remote(&self) {
        if !self.remote.shared.gate.has_work() {
            return;
        }
        self.remote.shared.gate.take_work();
        let mut brought =
            std::mem::take(&mut *self.remote.ready.lock().unwrap_or_else(PoisonError::into_inner));
        LOCAL.with(|local| local.ready.borrow_mut().append(&mut brought));
    }
}

impl Tasks for RunQueue {
    fn run_ready(&self) {
        let shared = &self.remote.shared;
        shared.turns.store(shared.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.take_remote();
        let mut left = LOCAL.with(|local| local.ready.borrow().len());
        if left == 0 {
            return;
        }
        let begun = Instant::now();
        let mut looked = begun;
        while left > 0 && looked.duration_since(begun) < SLICE {
            let step = left.min(POLLS_PER_LOOK);
            for _ in 0..step {
                let next = LOCAL.with(|local| local.ready.borrow_mut().pop_front());
                let Some(task) = next else { break };
                // The answer only says whether it has been scheduled again.
                task.run();
            }
            left -= step;
            let now = Instant::now();
            self.note_step(now.duration_since(looked));
            looked = now;
        }
    }

    fn has_ready(&self) -> bool {
        LOCAL.with(|local| !local.ready.borrow().is_empty()) || self.remote.shared.gate.has_work()
    }

    fn say_asleep(&self) {
        self.remote.shared.gate.say_asleep();
    }

    fn say_awake(&self) {
        self.remote.shared.gate.say_awake();
    }
}

/// Takes a task off the list when its future goes.
struct Leaving {
    tasks: Rc<RefCell<Slab<Waker>>>,
    key: usize,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let waker = self.tasks.borrow_mut().try_remove(self.key);
        // Outside of the borrow: a waker may be the last to keep a task.
        drop(waker);
    }
}
