//! Cores: one pinned executor each, with a ring of its own. The only file that knows the executor.

use glommio::io::PollableFd;
use glommio::timer::Timer;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement, PoolPlacement, spawn_local};
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use uring::{Driver, DriverConfig, Parker, PoolConfig};

/// How often things are looked at that complete nothing, such as limits of time. On our ring: a timer of the executor
/// keeps the core spinning for up to a millisecond before it fires (its wheel turns in milliseconds, its sleep does
/// not), which at this rate is an eighth of a core.
const TICK: Duration = Duration::from_millis(5);
/// How long the pump waits inside our own ring before it parks in the executor, where waking costs several times more.
/// Longer than a tick, so that it parks only at a start.
const LINGER: Duration = Duration::from_millis(20);
/// An executor of this family that is preempted before it has run anything takes that for "nothing to run" and parks,
/// although tasks are runnable. A single ticker does not help: when its own wake-up is what was lost, no timer is
/// armed any more. So there is a ladder of timers, all armed anew at every tick; as long as one rung is to come the core
/// wakes again, and as none ever fires on a healthy core they cost nothing.
const LADDER_MS: [u64; 6] = [15, 40, 90, 190, 400, 900];
/// The longer, the rarer is that preemption. Nothing here waits for the executor's own machinery.
const PREEMPT: Duration = Duration::from_millis(50);
/// The executor's own rings carry one doorbell and a timer.
const EXECUTOR_MEMORY_BYTES: usize = 64 << 10;
const EXECUTOR_RING_ENTRIES: usize = 128;
/// Entries of our ring: a worker has at most three operations outstanding.
const RING_ENTRIES: u32 = 1024;

/// A running core, as its own tasks see it.
#[derive(Clone)]
pub struct Shard {
    driver: Driver,
}

/// A task of a core.
pub struct Task<T>(glommio::Task<T>);

/// A core, as the thread that started it sees it.
pub struct CoreHandle<T: Send + 'static>(ExecutorJoinHandle<io::Result<T>>);

impl Shard {
    /// The ring.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Starts a task on this core.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        Task(spawn_local(uring::counted(future)))
    }

    /// Completes at the next tick, a few milliseconds away.
    pub async fn tick(&self) {
        self.driver.sleep(TICK).await;
    }
}

impl<T> Task<T> {
    /// Lets the task go on by itself.
    pub fn detach(self) {
        drop(self.0.detach());
    }

    /// Ends the task where it stands.
    pub async fn cancel(self) {
        self.0.cancel().await;
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T: Send + 'static> CoreHandle<T> {
    /// Waits for the core's end.
    ///
    /// # Errors
    /// What kept the core from starting, or broke its ring.
    pub fn join(self) -> io::Result<T> {
        self.0.join().map_err(other)?
    }
}

/// The CPUs that this process may run on.
///
/// # Errors
/// What the kernel says.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Starts an executor pinned to `cpu`, with a ring whose registered memory is at most `pool_bytes`, and runs `main`.
///
/// # Errors
/// When the executor cannot be started; the ring's errors come from [`CoreHandle::join`].
pub fn start<F, T>(
    cpu: usize,
    pool_bytes: usize,
    main: impl FnOnce(Shard) -> F + Send + 'static,
) -> io::Result<CoreHandle<T>>
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    LocalExecutorBuilder::new(Placement::Fixed(cpu))
        .name("loader")
        .io_memory(EXECUTOR_MEMORY_BYTES)
        .ring_depth(EXECUTOR_RING_ENTRIES)
        .preempt_timer(PREEMPT)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .spawn(move || on_core(pool_bytes, main))
        .map(CoreHandle)
        .map_err(other)
}

async fn on_core<F, T>(pool_bytes: usize, main: impl FnOnce(Shard) -> F) -> io::Result<T>
where
    F: Future<Output = T>,
{
    let pool = PoolConfig { size_bytes_max: pool_bytes };
    let shard = Shard { driver: Driver::new(DriverConfig { entries: RING_ENTRIES, pool })? };
    let bell = Bell(PollableFd::new(shard.driver.doorbell().try_clone_to_owned()?).map_err(other)?);
    let driver = shard.driver.clone();
    let mut pump = spawn_local(async move { uring::pump(&driver, &bell, LINGER, || false).await });
    let ladder = spawn_local(stay_wakeable(shard.driver.clone()));
    let mut main = pin!(uring::counted(main(shard)));
    // A pump that ends has a broken ring; without this race its core would wait for completions for ever.
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(value) = main.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut pump)
            .poll(cx)
            .map(|end| Err(end.err().unwrap_or_else(|| other("the ring's pump ended"))))
    })
    .await;
    if outcome.is_ok() {
        pump.cancel().await;
    }
    let _: Option<()> = ladder.cancel().await;
    outcome
}

/// Keeps timers armed; see [`LADDER_MS`].
async fn stay_wakeable(driver: Driver) {
    loop {
        let mut rungs = LADDER_MS.map(|ms| Timer::new(Duration::from_millis(ms)));
        let mut tick = driver.sleep(TICK);
        poll_fn(|cx| {
            // A timer is armed by its first poll. One that fires has done its work by waking the core.
            for rung in &mut rungs {
                let _ = Pin::new(rung).poll(cx);
            }
            Pin::new(&mut tick).poll(cx)
        })
        .await;
    }
}

struct Bell(PollableFd<OwnedFd>);

impl Parker for Bell {
    async fn park(&self, _doorbell: BorrowedFd<'_>) -> io::Result<()> {
        self.0.readable().await.map_err(other)
    }
}

fn other(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}
