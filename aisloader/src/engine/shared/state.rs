//! A run as its cores and the main thread share it: what is decided, and how far it is.

use super::budget::Budget;
use super::known::Listed;
use super::plan::Plan;
use super::tracing::Tracing;
use crate::client::DirectMap;
use crate::content::{Verify, Versions};
use crate::recorder::INTERVAL;
use crate::settings::Config;
use crate::workload::OpKind;
use crate::workload::pick::{Epochs, Popularity};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// State that cores and the main thread share.
pub(crate) struct Run {
    pub(crate) config: Arc<Config>,
    pub(crate) listed: Arc<Listed>,
    pub(crate) direct: Option<DirectMap>,
    pub(crate) budget: Budget,
    /// The walk over the names, when it is in passes.
    pub(crate) epochs: Option<Epochs>,
    /// The versions that have been written, for verification.
    pub(crate) versions: Versions,
    /// Set when all cores are ready.
    begin: OnceLock<Instant>,
    ended_at: OnceLock<Instant>,
    cut_at: OnceLock<Instant>,
    is_stopping: AtomicBool,
    is_interrupted: AtomicBool,
    tracing: Tracing,
}

impl Run {
    /// A run that has not begun; `seats`: more than any worker's number, over all cores.
    pub(crate) fn new(plan: Plan, seats: usize) -> io::Result<Self> {
        let is_deleting = plan.config.mix.pct_delete > 0;
        Ok(Self {
            epochs: epochs(&plan),
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
        })
    }

    /// Lets all cores begin; says when that was.
    pub(crate) fn start(&self) -> Instant {
        *self.begin.get_or_init(Instant::now)
    }

    /// Ends the run as of `at`, unless that was done already; operations in flight are cut `drain` later.
    pub(crate) fn end_at(&self, at: Instant, drain: Duration) {
        // Both are set once only.
        let _ = self.ended_at.set(at);
        let _ = self.cut_at.set(at + drain);
        self.stop();
    }

    /// The user wants the end.
    pub(crate) fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
    }

    /// Looks whether tracing was turned on or off.
    pub(crate) fn look_for_tracing(&self) {
        self.tracing.look();
    }

    /// Waits, with the whole thread, until all cores are ready.
    pub(crate) fn wait_for_begin(&self) {
        self.begin.wait();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// No operation begins after this.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// When the run began; `None` before.
    pub(crate) fn begin(&self) -> Option<Instant> {
        self.begin.get().copied()
    }

    /// True when the run was stopped, but not by the clock: arrivals due before its end shall not begin either.
    pub(crate) fn is_halted(&self) -> bool {
        self.is_stopping() && self.ended_at.get().is_none()
    }

    pub(crate) fn is_tracing(&self) -> bool {
        self.tracing.is_on()
    }

    /// When the run ends by its duration.
    pub(crate) fn planned_end(&self) -> Option<Instant> {
        Some(*self.begin.get()? + self.config.bounds.duration?)
    }

    /// When the run ended or will end, as far as that is known.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.ended_at.get().copied().or_else(|| self.planned_end())
    }

    /// True when the passes over the names are complete and nothing else has ended the run.
    pub(crate) fn is_read_to_the_end(&self) -> bool {
        !self.is_interrupted() && self.epochs.as_ref().is_some_and(Epochs::is_over)
    }

    /// When operations that are still in flight are cut.
    pub(crate) fn cut_at(&self) -> Option<Instant> {
        self.cut_at.get().copied()
    }

    pub(crate) fn is_cutting(&self) -> bool {
        self.cut_at().is_some_and(|at| Instant::now() >= at)
    }

    /// Whole intervals since the begin.
    pub(crate) fn intervals_passed(&self, now: Instant) -> u64 {
        let Some(begin) = self.begin.get() else { return 0 };
        let passed = now.saturating_duration_since(*begin).as_nanos().checked_div(INTERVAL.as_nanos());
        passed.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
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
