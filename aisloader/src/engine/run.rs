//! A run over all cores, as the main thread sees it.

use super::budget::Budget;
use super::core::{pool_bytes, run_core};
use super::known::Listed;
use super::open::Part;
use super::tapes::Tapes;
use super::tracing::Tracing;
use crate::client::DirectMap;
use crate::content::{Verify, Versions};
use crate::recorder::cpu::CpuSample;
use crate::recorder::{INTERVAL, Interval, OpError, Passes, RunEnd, Stats};
use crate::settings::Config;
use crate::shard::{CoreHandle, allowed_cpus, start};
use crate::workload::OpKind;
use crate::workload::names::NameList;
use crate::workload::pick::{Epochs, Popularity};
use crate::workload::range::RangeRead;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How often the main thread looks at the time and at Ctrl-C.
const LOOK: Duration = Duration::from_millis(20);
/// What operations in flight are given at the end of a run, at most.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// The same when the user has interrupted it.
const DRAIN_INTERRUPTED: Duration = Duration::from_secs(2);

/// Everything a run needs.
pub struct Plan {
    /// The flags, resolved.
    pub config: Arc<Config>,
    /// Names to read.
    pub names: NameList,
    /// Where objects live, for `-direct`.
    pub direct: Option<DirectMap>,
    /// Set by Ctrl-C.
    pub interrupted: Arc<AtomicBool>,
}

/// What cores post.
pub(super) enum Letter {
    /// The core can begin.
    Ready,
    /// The core has ended, or could not even be set up.
    Gone,
    /// One interval.
    Interval(Box<Interval>),
    /// The rest, after the last worker.
    End { stats: Box<Stats>, last_end: Option<Instant> },
}

/// What cores and the main thread share.
pub(super) struct Run {
    pub(super) config: Arc<Config>,
    pub(super) listed: Arc<Listed>,
    pub(super) direct: Option<DirectMap>,
    pub(super) budget: Budget,
    /// The walk over the names, when it is in passes.
    pub(super) epochs: Option<Epochs>,
    /// What has been written, for those who verify.
    pub(super) versions: Versions,
    /// Set when all cores are ready.
    begin: OnceLock<Instant>,
    ended_at: OnceLock<Instant>,
    cut_at: OnceLock<Instant>,
    is_stopping: AtomicBool,
    is_interrupted: AtomicBool,
    tracing: Tracing,
}

/// The way from a core to the main thread. Dropping it says that the core is gone, however that came about, so that
/// the main thread never waits for a core that failed.
pub(super) struct Outbox(Sender<Letter>);

impl Outbox {
    /// Posts a letter. Nobody listens any more once the main thread has given up, and then it does not matter.
    pub(super) fn post(&self, letter: Letter) {
        let _ = self.0.send(letter);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.post(Letter::Gone);
    }
}

impl Run {
    /// Waits, with the whole thread, until all cores are ready.
    pub(super) fn wait_for_begin(&self) {
        self.begin.wait();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// No operation begins after this.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// When the run began; `None` before.
    pub(super) fn begin(&self) -> Option<Instant> {
        self.begin.get().copied()
    }

    /// True when the run was stopped, but not by the clock: what is due before its end shall not begin either.
    pub(super) fn is_halted(&self) -> bool {
        self.is_stopping() && self.ended_at.get().is_none()
    }

    pub(super) fn is_tracing(&self) -> bool {
        self.tracing.is_on()
    }

    /// When the run ends by its duration.
    pub(super) fn planned_end(&self) -> Option<Instant> {
        Some(*self.begin.get()? + self.config.bounds.duration?)
    }

    /// When the run ended or will end, as far as that is known.
    pub(super) fn end(&self) -> Option<Instant> {
        self.ended_at.get().copied().or_else(|| self.planned_end())
    }

    /// True when the passes over the names are complete and nothing else has ended the run.
    pub(super) fn is_read_to_the_end(&self) -> bool {
        !self.is_interrupted() && self.epochs.as_ref().is_some_and(Epochs::is_over)
    }

    /// When operations that are still in flight are cut.
    pub(super) fn cut_at(&self) -> Option<Instant> {
        self.cut_at.get().copied()
    }

    pub(super) fn is_cutting(&self) -> bool {
        self.cut_at().is_some_and(|at| Instant::now() >= at)
    }

    /// Whole intervals since the begin.
    pub(super) fn intervals_passed(&self, now: Instant) -> u64 {
        let Some(begin) = self.begin.get() else { return 0 };
        let passed = now.saturating_duration_since(*begin).as_nanos().checked_div(INTERVAL.as_nanos());
        passed.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
    }
}

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
/// Those of [`run`].
pub fn run_when(
    plan: Plan,
    start: &mut dyn FnMut() -> bool,
    on_interval: &mut dyn FnMut(&Interval),
) -> io::Result<RunEnd> {
    check_sizes(&plan)?;
    let cpus = allowed_cpus()?;
    let at_once = plan.config.open.map_or(plan.config.workers, |open| open.inflight_max);
    let cores = cpus.len().min(at_once).max(1);
    let mut tapes = Tapes::open(&plan.config, cores)?;
    let interrupted = Arc::clone(&plan.interrupted);
    // Workers are numbered core by core, and no core has more than one above its part.
    let seats = at_once.saturating_add(cores);
    let is_deleting = plan.config.mix.pct_delete > 0;
    let epochs = epochs(&plan);
    let run = Arc::new(Run {
        epochs,
        budget: Budget::new(plan.config.bounds),
        versions: versions(&plan.config),
        listed: Arc::new(Listed::new(plan.names, seats, is_deleting)),
        direct: plan.direct,
        begin: OnceLock::new(),
        ended_at: OnceLock::new(),
        cut_at: OnceLock::new(),
        is_stopping: AtomicBool::new(false),
        is_interrupted: AtomicBool::new(false),
        tracing: Tracing::new(plan.config.is_traced)?,
        config: plan.config,
    });
    let (outbox, inbox) = channel();
    let handles = start_cores(&run, &cpus, cores, &outbox, &mut tapes);
    drop(outbox);
    let are_all_ready = handles.is_ok() && await_ready(&inbox, cores);
    if !(are_all_ready && start()) {
        // Those that are ready wait for the begin; let them begin, and end at once.
        run.stop();
    }
    let before = CpuSample::now();
    let begin = *run.begin.get_or_init(Instant::now);
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

/// Parts at random places need to know how large objects are.
fn check_sizes(plan: &Plan) -> io::Result<()> {
    let needs_sizes = plan.config.range.as_ref().is_some_and(RangeRead::needs_sizes);
    match needs_sizes && (0..plan.names.len()).any(|at| plan.names.size_bytes(at).is_none()) {
        true => Err(io::Error::other("-range-mode: the sizes of the objects are not known")),
        false => Ok(()),
    }
}

/// The passes that are asked for.
fn epochs(plan: &Plan) -> Option<Epochs> {
    let (choices, seed) = (&plan.config.choices, plan.config.mix.own_seed);
    let is_shuffled = plan.config.mix.popularity != Popularity::Seq;
    let walk = || Epochs::new(seed, plan.names.len(), choices.epochs, choices.epoch_start, is_shuffled);
    (choices.epochs > 0).then(walk)
}

/// The versions that are written, remembered when they are read again.
fn versions(config: &Config) -> Versions {
    let is_verified = config.content.verify == Verify::Content;
    let is_mixed = config.mix.has(OpKind::sends_object) && config.mix.has(OpKind::needs_name);
    let is_read_back = is_mixed || config.trace.is_some();
    Versions::new(config.content.loader, is_verified && is_read_back, config.timeout)
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
        let (run, outbox, pool) = (Arc::clone(run), Outbox(outbox.clone()), pool_bytes(&run.config, part));
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
    /// What cores posted at their end.
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
        self.run.tracing.look();
        let now = Instant::now();
        let timeout = self.run.config.timeout.unwrap_or(DRAIN_MAX);
        if self.interrupted.load(Ordering::Relaxed) && !self.run.is_interrupted() {
            self.run.is_interrupted.store(true, Ordering::Relaxed);
            self.end(now, timeout.min(DRAIN_INTERRUPTED));
        }
        if let Some(end) = self.run.planned_end().filter(|end| now >= *end) {
            self.end(end, timeout.min(DRAIN_MAX));
        }
    }

    fn end(&mut self, at: Instant, drain: Duration) {
        if self.ended_cpu.is_none() {
            self.ended_cpu = Some(CpuSample::now());
            // Both are set once only.
            let _ = self.run.ended_at.set(at);
            let _ = self.run.cut_at.set(at + drain);
        }
        self.run.stop();
    }
}
