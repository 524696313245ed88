//! A thread that looks whether the cores go on.
//!
//! A core's loop turns at least every [`uring::SLEEP_MAX`], also when it is idle. One that does not, although the kernel
//! says that its thread sleeps, sleeps on a wake-up that never came: it is woken and counted, and the count is 0 on a
//! sound node. One that is kept by a system call or by work of its own is counted as stalled. A thread that waits for a
//! processor is neither: the machine is busy.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uring::Pulse;

/// Time between two looks: several sleeps of a core.
const PERIOD: Duration = Duration::from_secs(1);
/// A look this late says nothing: the whole process did not run.
const LATE: Duration = Duration::from_secs(2);

/// Counters of the watchdog, for metrics.
#[derive(Debug, Default)]
pub(crate) struct WatchdogCounts {
    /// Cores that slept beyond the end of their sleep and were woken.
    pub(crate) wakeups: AtomicU64,
    /// Times that a core's loop stood still for a second or longer, outside of its sleep.
    pub(crate) stalls: AtomicU64,
}

/// Starts the thread; it lives as long as the process.
pub(crate) fn watch_cores(pulses: Vec<Pulse>, counts: Arc<WatchdogCounts>) -> std::io::Result<()> {
    let mut cores: Vec<Watched> = pulses.into_iter().map(Watched::new).collect();
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        loop {
            let begun = Instant::now();
            std::thread::sleep(PERIOD);
            let on_time = begun.elapsed() < LATE;
            for (number, core) in cores.iter_mut().enumerate() {
                match core.look(on_time) {
                    Verdict::GoesOn => {}
                    Verdict::SleepsOn => {
                        counts.wakeups.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(core = number, "a core slept beyond the end of its sleep: woken");
                        core.pulse.wake();
                    }
                    Verdict::Stalls => {
                        counts.stalls.fetch_add(1, Ordering::Relaxed);
                        let at = core.kernel_function();
                        tracing::warn!(core = number, at, "a core's loop has stood still for a second");
                    }
                }
            }
        }
    })?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    GoesOn,
    /// It should have woken by itself.
    SleepsOn,
    /// It is held up by a system call or by a task. Said once for each time.
    Stalls,
}

/// A thread's state as the kernel gives it: `S` sleeps, `R` runs or waits for a processor, `D` waits for a disk.
type ThreadState = u8;

struct Watched {
    pulse: Pulse,
    turns: u64,
    state: ThreadState,
    stalled: bool,
}

impl Watched {
    fn new(pulse: Pulse) -> Self {
        Self { turns: pulse.turns(), state: b'R', stalled: false, pulse }
    }

    fn look(&mut self, on_time: bool) -> Verdict {
        let (turns, asleep, state) = (self.pulse.turns(), self.pulse.is_asleep(), self.thread_state());
        self.judge(turns, asleep, state, on_time)
    }

    /// Compares a look with the one before.
    fn judge(&mut self, turns: u64, asleep: bool, state: ThreadState, on_time: bool) -> Verdict {
        let stands = turns == self.turns && on_time;
        let slept_before = self.state == b'S';
        (self.turns, self.state) = (turns, state);
        if !stands {
            self.stalled = false;
            return Verdict::GoesOn;
        }
        match state {
            b'S' if slept_before && asleep => Verdict::SleepsOn,
            b'R' | b't' | b'T' => Verdict::GoesOn,
            _ if asleep || std::mem::replace(&mut self.stalled, true) => Verdict::GoesOn,
            _ => Verdict::Stalls,
        }
    }

    fn task_file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/task/{}/{name}", self.pulse.thread_id()))
    }

    /// A thread that cannot be looked at is taken for a busy one.
    fn thread_state(&self) -> ThreadState {
        let stat = std::fs::read_to_string(self.task_file("stat")).unwrap_or_default();
        state_in(&stat).unwrap_or(b'R')
    }

    fn kernel_function(&self) -> String {
        std::fs::read_to_string(self.task_file("wchan")).unwrap_or_default()
    }
}

/// The state field of a `stat` file. The name before it is in brackets and may hold anything.
fn state_in(stat: &str) -> Option<ThreadState> {
    stat.rsplit_once(") ")?.1.bytes().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uring::{Driver, DriverConfig, Executor, PoolConfig};

    fn watched() -> Watched {
        std::thread::spawn(|| {
            let pool = PoolConfig { size_bytes_max: 16 << 20 };
            let driver = Driver::new(DriverConfig { entries: 4, pool }).unwrap();
            Watched::new(Executor::new(&driver).unwrap().pulse())
        })
        .join()
        .unwrap()
    }

    #[test]
    fn a_sleep_that_does_not_end_is_told_from_a_busy_machine() {
        let mut core = watched();
        assert_eq!(core.judge(0, true, b'S', true), Verdict::GoesOn, "it has just fallen asleep");
        assert_eq!(core.judge(0, true, b'S', true), Verdict::SleepsOn);
        assert_eq!(core.judge(0, true, b'R', true), Verdict::GoesOn, "it waits for a processor");
        assert_eq!(core.judge(0, true, b'S', false), Verdict::GoesOn, "the process was stopped");
        assert_eq!(core.judge(1, true, b'S', true), Verdict::GoesOn, "it turns");
    }

    #[test]
    fn a_stall_is_said_once() {
        let mut core = watched();
        assert_eq!(core.judge(0, false, b'D', true), Verdict::Stalls);
        assert_eq!(core.judge(0, false, b'D', true), Verdict::GoesOn);
        assert_eq!(core.judge(5, false, b'R', true), Verdict::GoesOn);
        assert_eq!(core.judge(5, false, b'S', true), Verdict::Stalls, "a lock or a pipe");
    }

    #[test]
    fn the_state_is_found_behind_any_name() {
        assert_eq!(state_in("12 (shard-0) S 1 2"), Some(b'S'));
        assert_eq!(state_in("12 (a) b) D 1 2"), Some(b'D'));
        assert_eq!(state_in(""), None);
    }
}
