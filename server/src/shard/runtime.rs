//! The executor of a core. Every use of glommio is in this file.
//!
//! glommio schedules; it does no I/O and keeps no time for us: the core sleeps inside our own ring, where `uring::pump`
//! waits. glommio-ng 0.12 has one fault to live with: preempted before it has run anything, it takes that for "nothing
//! to run" and parks, although tasks are runnable. So it is preempted rarely, and a ladder of its timers is always
//! armed, so that such a core wakes again; as they are armed anew before they fire, they cost nothing.

use glommio::io::PollableFd;
use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement, PoolPlacement};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::thread::JoinHandle;
use std::time::Duration;
use uring::{Driver, Parker};

/// Memory for glommio's own file I/O, which we do not use; its smallest useful size.
const IO_MEMORY_BYTES: usize = 64 << 10;
const RING_DEPTH: usize = 128;
/// How long a queue may run before glommio looks at its own rings. We need nothing from them.
const PREEMPT: Duration = Duration::from_millis(50);
/// How long the pump waits inside our own ring before it would park in glommio; longer than a tick, so that it never
/// does on a running core.
const LINGER: Duration = Duration::from_millis(200);
/// Granularity of deadlines and of the coarse clock.
const TICK: Duration = Duration::from_millis(50);
/// Two timers beyond the next tick, and one far beyond a stall of the machine.
const LADDER: [Duration; 3] =
    [Duration::from_millis(120), Duration::from_millis(400), Duration::from_secs(2)];

/// Starts a thread pinned to a CPU with an executor on it, and runs the future that `body` makes there.
pub(crate) fn spawn_core<F>(
    cpu: usize,
    body: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<io::Result<()>>>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let builder = LocalExecutorBuilder::new(Placement::Fixed(cpu))
        .name("shard")
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_DEPTH)
        .preempt_timer(PREEMPT)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1));
    std::thread::Builder::new().name(format!("shard-{cpu}")).spawn(move || {
        // A panic in any task ends the executor and the thread; tasks that it had may never be dropped.
        let _alarm = PanicAlarm;
        let executor = builder.make().map_err(to_io)?;
        // As a task: wake-ups of the executor's outermost future do not keep it from parking.
        executor.run(async move { glommio::spawn_local(async move { body().await }).await })
    })
}

struct PanicAlarm;

impl Drop for PanicAlarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            stop_node();
        }
    }
}

/// Has the main thread stop the node, as the operator would: a core that goes alone leaves requests without an answer.
pub(crate) fn stop_node() {
    tracing::error!("a core has ended without order: the node stops");
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}

/// Runs a task on this core beside the others.
pub(crate) fn spawn_local(task: impl Future<Output = ()> + 'static) {
    glommio::spawn_local(uring::counted(task)).detach();
}

/// Drives the core's ring until told to stop.
pub(crate) async fn drive(driver: &Driver, stopped: impl Fn() -> bool) -> io::Result<()> {
    let bell = Bell(PollableFd::new(driver.doorbell().try_clone_to_owned()?).map_err(to_io)?);
    uring::pump(driver, &bell, LINGER, stopped).await
}

/// The next tick of the core's clock, keeping the ladder armed until then.
pub(crate) async fn tick(driver: &Driver) {
    let mut rungs = LADDER.map(Timer::new);
    let mut tick = driver.sleep(TICK);
    poll_fn(|cx| {
        for rung in &mut rungs {
            // A timer is armed by its first poll. One that fires has done its work by waking the core.
            let _ = Pin::new(rung).poll(cx);
        }
        Pin::new(&mut tick).poll(cx)
    })
    .await;
}

struct Bell(PollableFd<OwnedFd>);

impl Parker for Bell {
    async fn park(&self, _doorbell: BorrowedFd<'_>) -> io::Result<()> {
        self.0.readable().await.map_err(to_io)
    }
}

fn to_io(error: glommio::GlommioError<()>) -> io::Error {
    io::Error::other(error.to_string())
}
