//! The thread of a core: pinned to its processor, with a ring and an executor on it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;
use uring::Driver;

/// Granularity of deadlines and of the coarse clock.
const TICK: Duration = Duration::from_millis(50);

/// Starts a thread pinned to a CPU and runs `body` on it. A core that ends by an error or a panic ends the node: half of
/// all requests would wait for it.
pub(crate) fn spawn_core(
    core: usize,
    cpu: usize,
    body: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name(format!("shard-{core}")).spawn(move || {
        let mut ended_well = EndsNode { core, armed: true };
        let outcome = pin_to(cpu).and_then(|()| body());
        if let Err(e) = &outcome {
            tracing::error!(core, error = %e, "a core has failed");
        }
        ended_well.armed = outcome.is_err();
        outcome
    })
}

/// Tells the process to stop when it is dropped armed, which a panic does too.
struct EndsNode {
    core: usize,
    armed: bool,
}

impl Drop for EndsNode {
    fn drop(&mut self) {
        if self.armed {
            tracing::error!(core = self.core, "the node stops, because a core has ended");
            // Only refused to a process that may not signal itself, which there is none of.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        }
    }
}

fn pin_to(cpu: usize) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Runs a task on this core beside the others.
pub(crate) fn spawn_local(task: impl Future<Output = ()> + 'static) {
    uring::spawn_local(task).detach();
}

/// The next tick of the core's clock.
pub(crate) async fn tick(driver: &Driver) {
    driver.sleep(TICK).await;
}

/// The end of a core: said once, awaited by the future that its executor runs.
#[derive(Clone, Default)]
pub(crate) struct Ending(Rc<RefCell<EndingState>>);

#[derive(Default)]
struct EndingState {
    outcome: Option<io::Result<()>>,
    waiting: Option<Waker>,
}

impl Ending {
    /// The core is to end with this outcome; the first one counts.
    pub(crate) fn end(&self, outcome: io::Result<()>) {
        let mut state = self.0.borrow_mut();
        state.outcome.get_or_insert(outcome);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Returns when the end has been said.
    pub(crate) async fn wait(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            match state.outcome.take() {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    state.waiting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
