//! Cores: one pinned executor each, with a ring of its own. The only file that knows the executor.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;
pub use uring::Task;
use uring::{Driver, DriverConfig, Executor, PoolConfig};

/// The pause between looks at things that complete nothing, such as limits of time.
const TICK: Duration = Duration::from_millis(5);
/// Entries of our ring: a worker has at most three operations outstanding.
const RING_ENTRIES: u32 = 1024;

/// A running core, as its own tasks see it.
#[derive(Clone)]
pub struct Shard {
    driver: Driver,
}

/// A core, as the thread that started it sees it.
pub struct CoreHandle<T: Send + 'static>(JoinHandle<io::Result<T>>);

impl Shard {
    /// The ring.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Starts a task on this core.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        uring::spawn_local(future)
    }

    /// Completes at the next tick, a few milliseconds away.
    pub async fn tick(&self) {
        self.driver.sleep(TICK).await;
    }
}

impl<T: Send + 'static> CoreHandle<T> {
    /// Waits for the core's end.
    ///
    /// # Errors
    /// The reason why the core did not start, or the fault that broke its ring.
    pub fn join(self) -> io::Result<T> {
        self.0.join().map_err(|_| io::Error::other("a core panicked"))?
    }
}

/// The CPUs that this process may run on.
///
/// # Errors
/// The kernel does not tell.
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
    let thread = std::thread::Builder::new().name(format!("loader-{cpu}"));
    thread.spawn(move || on_core(cpu, pool_bytes, main)).map(CoreHandle)
}

fn on_core<F, T>(cpu: usize, pool_bytes: usize, main: impl FnOnce(Shard) -> F) -> io::Result<T>
where
    F: Future<Output = T> + 'static,
    T: 'static,
{
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set)?;
    let pool = PoolConfig { size_bytes_max: pool_bytes };
    let driver = Driver::new(DriverConfig { entries: RING_ENTRIES, pool })?;
    let executor = Executor::new(&driver)?;
    executor.run(main(Shard { driver }))
}
