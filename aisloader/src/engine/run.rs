//! A run over all cores, as the main thread sees it.

use super::shared::mail::{Letter, Outbox};
use super::shared::part::{Part, pool_bytes};
use super::shared::plan::Plan;
use super::shared::state::Run;
use super::shared::tapes::Tapes;
use super::work::shift::run_core;
use crate::recorder::cpu::CpuSample;
use crate::recorder::{Interval, OpError, Passes, RunEnd, Stats};
use crate::shard::{CoreHandle, allowed_cpus, start};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// The main thread looks at the time and at Ctrl-C this often.
const LOOK: Duration = Duration::from_millis(20);
/// Operations in flight at the end of a run are given this time, at most.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// The same when the user has interrupted it.
const DRAIN_INTERRUPTED: Duration = Duration::from_secs(2);

/// Runs a plan to its end; `on_interval` gets every interval when all cores have passed it, in order.
///
/// # Errors
/// When a core cannot be started or its ring breaks. Failed operations are no error here.
pub fn run(plan: Plan, on_interval: &mut dyn FnMut(&Interval)) -> io::Result<RunEnd> {
    run_when(plan, &mut || true, on_interval)
}

/// The same, but when all cores are ready the run begins only when `start` returns, and not at all when that is false.
///
/// # Errors
/// The same as for [`run`].
pub fn run_when(
    plan: Plan,
    start: &mut dyn FnMut() -> bool,
    on_interval: &mut dyn FnMut(&Interval),
) -> io::Result<RunEnd> {
    plan.check_sizes()?;
    let cpus = allowed_cpus()?;
    let at_once = plan.config.open.map_or(plan.config.workers, |open| open.inflight_max);
    let cores = cpus.len().min(at_once).max(1);
    let mut tapes = Tapes::open(&plan.config, cores)?;
    let interrupted = Arc::clone(&plan.interrupted);
    // Workers are numbered core by core, and no core has more than one above its part.
    let seats = at_once.saturating_add(cores);
    let run = Arc::new(Run::new(plan, seats)?);
    let (outbox, inbox) = channel();
    let handles = start_cores(&run, &cpus, cores, &outbox, &mut tapes);
    drop(outbox);
    let are_all_ready = handles.is_ok() && await_ready(&inbox, cores);
    if !(are_all_ready && start()) {
        // The cores that are ready wait for the begin; let them begin, and end at once.
        run.stop();
    }
    let before = CpuSample::now();
    let begin = run.start();
    let handles = handles?;
    let mut collector = Collector::new(&run, &interrupted, cores);
    let last_end = collector.collect(&inbox, on_interval);
    let ended_cpu = collector.ended_cpu.unwrap_or_else(CpuSample::now);
    let (stats, rest) = collector.finish();
    for handle in handles {
        handle.join()?.map_err(|e| io::Error::other(format!("{}: {}", e.kind, e.text)))?;
    }
    tapes.finish()?;
    // An open loop may have nothing to do in the end, and lasts all the same; but a trace has an end of its own.
    let is_lasting = run.config.open.is_some() && run.config.trace.is_none() && !run.is_halted();
    let has_lasted = |end: &Instant| is_lasting || last_end.is_none_or(|last| *end <= last);
    let end = run.end().filter(has_lasted).or(last_end).unwrap_or(begin);
    Ok(RunEnd {
        stats,
        rest,
        window: end.saturating_duration_since(begin),
        cpu: ended_cpu.since(&before),
        is_interrupted: run.is_interrupted(),
        cores,
        passes: run.epochs.as_ref().map(|walk| Passes { names: walk.names(), resume_at: walk.resume_at() }),
    })
}

/// False when a core is gone before all are ready.
fn await_ready(inbox: &Receiver<Letter>, cores: usize) -> bool {
    (0..cores).all(|_| matches!(inbox.recv(), Ok(Letter::Ready)))
}

type Handle = CoreHandle<Result<(), OpError>>;

fn start_cores(
    run: &Arc<Run>,
    cpus: &[usize],
    cores: usize,
    outbox: &Sender<Letter>,
    tapes: &mut Tapes,
) -> io::Result<Vec<Handle>> {
    let mut handles = Vec::with_capacity(cores);
    for (core, cpu) in cpus.iter().take(cores).enumerate() {
        let part = Part { core, cores };
        let (run, outbox, pool) =
            (Arc::clone(run), Outbox::new(outbox.clone()), pool_bytes(&run.config, part));
        let tape = tapes.of_core(core);
        handles.push(start(*cpu, pool, move |shard| run_core(shard, run, part, tape, outbox))?);
    }
    Ok(handles)
}

struct Collector<'a> {
    run: &'a Run,
    interrupted: &'a AtomicBool,
    cores: usize,
    /// Processor time at the run's end, before stragglers are waited for.
    ended_cpu: Option<CpuSample>,
    total: Stats,
    /// Intervals that not all cores have passed, and how many have.
    open: BTreeMap<u64, (Interval, usize)>,
    /// The figures that cores posted at their end.
    rest: Interval,
}

impl<'a> Collector<'a> {
    fn new(run: &'a Run, interrupted: &'a AtomicBool, cores: usize) -> Self {
        let (total, open, rest) = (Stats::default(), BTreeMap::new(), Interval::default());
        Self { run, interrupted, cores, ended_cpu: None, total, open, rest }
    }

    /// The whole, and the part of it that is in no interval that all cores passed.
    fn finish(mut self) -> (Stats, Interval) {
        for (number, (interval, _)) in &self.open {
            self.rest.merge(interval);
            self.rest.number = *number;
        }
        self.rest.inflight = 0;
        (self.total, self.rest)
    }

    fn collect(
        &mut self,
        inbox: &Receiver<Letter>,
        on_interval: &mut dyn FnMut(&Interval),
    ) -> Option<Instant> {
        let mut last_end = None;
        loop {
            self.look();
            match inbox.recv_timeout(self.wait()) {
                Ok(Letter::Interval(interval)) => self.take(&interval, on_interval),
                Ok(Letter::End { stats, last_end: last }) => {
                    self.total.merge(&stats);
                    self.rest.stats.merge(&stats);
                    last_end = last_end.max(last);
                }
                Ok(Letter::Ready | Letter::Gone) | Err(RecvTimeoutError::Timeout) => {}
                // Every core has ended.
                Err(RecvTimeoutError::Disconnected) => return last_end,
            }
        }
    }

    fn take(&mut self, interval: &Interval, on_interval: &mut dyn FnMut(&Interval)) {
        self.total.merge(&interval.stats);
        let (open, posted) = self.open.entry(interval.number).or_default();
        open.merge(interval);
        open.number = interval.number;
        *posted = posted.saturating_add(1);
        // A core posts its intervals in order, so they are completed in order.
        if *posted >= self.cores
            && let Some((whole, _)) = self.open.remove(&interval.number)
        {
            on_interval(&whole);
        }
    }

    fn wait(&self) -> Duration {
        let until_end = self.run.planned_end().filter(|_| self.ended_cpu.is_none());
        until_end.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()).min(LOOK))
    }

    /// Ends the run when it is time, or when the user wants.
    fn look(&mut self) {
        self.run.look_for_tracing();
        let now = Instant::now();
        let timeout = self.run.config.timeout.unwrap_or(DRAIN_MAX);
        if self.interrupted.load(Ordering::Relaxed) && !self.run.is_interrupted() {
            self.run.interrupt();
            self.end(now, timeout.min(DRAIN_INTERRUPTED));
        }
        if let Some(end) = self.run.planned_end().filter(|end| now >= *end) {
            self.end(end, timeout.min(DRAIN_MAX));
        }
    }

    fn end(&mut self, at: Instant, drain: Duration) {
        if self.ended_cpu.is_none() {
            self.ended_cpu = Some(CpuSample::now());
        }
        self.run.end_at(at, drain);
    }
}
