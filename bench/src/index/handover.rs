//! The extra cost of a read if a helper thread did it: a job to the helper over a channel, its answer back over a
//! channel, and an eventfd that wakes the caller, as a core sleeps in its ring.

use super::meters::{Latencies, clock};
use crate::error::Result;
use crate::figures::Figures;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::ClockId;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

const TRIPS: u64 = 30_000;
const TIME: Duration = Duration::from_secs(3);

/// The way in which the caller waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It sleeps until the eventfd is written.
    Asleep,
    /// It looks all the time, as a core with other work does.
    Polling,
}

/// Measures from a pinned caller to a helper on another core, and to one on the caller's own: where every core is a
/// shard's, there is no other. The figures of two cores are missing where there is one.
pub(super) fn measure() -> Result<Figures> {
    let all = sched_getaffinity(None).map_err(|e| format!("affinity: {e}"))?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
    let own = cores.next().ok_or("no core")?;
    let other = cores.next();
    let mut figures = trips(
        Wait::Asleep,
        [own, own],
        ["shared_p50_us", "shared_p99_us", "shared_cpu_us_per_trip", "shared_helper_cpu_us_per_trip"],
    )?;
    if let Some(other) = other {
        figures.extend(trips(
            Wait::Asleep,
            [own, other],
            ["asleep_p50_us", "asleep_p99_us", "asleep_cpu_us_per_trip", "asleep_helper_cpu_us_per_trip"],
        )?);
        figures.extend(trips(
            Wait::Polling,
            [own, other],
            ["polling_p50_us", "polling_p99_us", "polling_cpu_us_per_trip", "polling_helper_cpu_us_per_trip"],
        )?);
    }
    sched_setaffinity(None, &all).map_err(|e| format!("affinity: {e}"))?;
    Ok(figures)
}

fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|e| format!("core {core}: {e}"))
}

fn trips(wait: Wait, [own, other]: [usize; 2], names: [&'static str; 4]) -> Result<Figures> {
    pin(own)?;
    let event = eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| format!("eventfd: {e}"))?;
    let event = Arc::new(event);
    let ((jobs, their_jobs), (their_answers, answers)) = (channel(), channel());
    let theirs = Arc::clone(&event);
    let helper = std::thread::spawn(move || {
        pin(other)?;
        help(&their_jobs, &their_answers, &theirs)
    });
    let mut latencies = Latencies::with_room(usize::try_from(TRIPS).unwrap_or_default());
    let until = Instant::now() + TIME;
    let before = clock(ClockId::ProcessCPUTime);
    for job in 0..TRIPS {
        let start = Instant::now();
        trip(wait, job, &jobs, &answers, &event)?;
        latencies.add(start.elapsed());
        if start > until {
            break;
        }
    }
    let cpu = clock(ClockId::ProcessCPUTime) - before;
    drop(jobs);
    let helper_cpu = helper.join().map_err(|_| "the helper has panicked")??;
    let per_trip = 1e6 / latencies.count() as f64;
    let figures = [latencies.us(0.5), latencies.us(0.99), cpu * per_trip, helper_cpu * per_trip];
    Ok(names.into_iter().zip(figures).collect())
}

fn trip(wait: Wait, job: u64, jobs: &Sender<u64>, answers: &Receiver<u64>, event: &OwnedFd) -> Result<()> {
    jobs.send(job).map_err(|e| format!("helper: {e}"))?;
    let mut count = [0; 8];
    let answer = loop {
        if wait == Wait::Asleep {
            rustix::io::read(event, &mut count).map_err(|e| format!("eventfd: {e}"))?;
        }
        match answers.try_recv() {
            Ok(answer) => break answer,
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
            Err(TryRecvError::Disconnected) => return Err("the helper is gone".to_owned()),
        }
    };
    if wait == Wait::Polling {
        // The bell rings all the same: the helper cannot know.
        rustix::io::read(event, &mut count).map_err(|e| format!("eventfd: {e}"))?;
    }
    if answer == job { Ok(()) } else { Err(format!("answer {answer} to job {job}")) }
}

/// Answers until there are no more jobs; gives its processor seconds.
fn help(jobs: &Receiver<u64>, answers: &Sender<u64>, event: &OwnedFd) -> Result<f64> {
    while let Ok(job) = jobs.recv() {
        answers.send(job).map_err(|e| format!("caller: {e}"))?;
        rustix::io::write(event, &1_u64.to_ne_bytes()).map_err(|e| format!("eventfd: {e}"))?;
    }
    Ok(clock(ClockId::ThreadCPUTime))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::legend;

    #[test]
    fn all_trips_come_back() {
        let figures = measure().unwrap();
        assert!(matches!(figures.len(), 4 | 12));
        for (name, figure) in figures {
            assert!(legend::name(name).is_some() && figure > 0.0, "{name}: {figure}");
        }
    }
}
