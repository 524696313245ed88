//! `-training`: a consumer that computes on batches, and what it waits for.
//!
//! Each worker loads data for one accelerator. The accelerator's computation is only a pause, so it needs no task of
//! its own: when each batch begins and ends is arithmetic on the times at which batches became ready.

use crate::flags::units::{parse_duration, show_duration_ns};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A wait for data that is longer than this is a stall.
const STALL_MIN: Duration = Duration::from_millis(1);
const PREFETCH_DEFAULT: usize = 2;
/// More batches in memory than any loader keeps are a mistyped number.
const PREFETCH_MAX: usize = 1 << 16;

/// The training loop that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Training {
    /// Samples (objects) of a batch.
    pub batch_samples: u64,
    /// The accelerator's time for a batch.
    pub compute: Duration,
    /// Batches that may be loaded ahead of the one that is computed; 0: loading and computing take turns.
    pub prefetch_batches: usize,
}

impl Training {
    /// Reads `batch=64,compute=50ms,prefetch=2`, in any order; `prefetch` may be left out.
    ///
    /// # Errors
    /// The text is wrong; the error says why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut batch, mut compute, mut prefetch) = (None, None, Some(PREFETCH_DEFAULT));
        for item in text.split(',') {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            match key.trim() {
                "batch" => batch = value.parse::<u64>().ok().filter(|samples| *samples > 0),
                "compute" => compute = parse_duration(value),
                "prefetch" => {
                    prefetch = value.parse::<usize>().ok().filter(|batches| *batches <= PREFETCH_MAX)
                }
                _ => return Err(format!("{item:?} is not batch=, compute= or prefetch=")),
            }
        }
        match (batch, compute, prefetch) {
            (Some(batch_samples), Some(compute), Some(prefetch_batches)) => {
                Ok(Self { batch_samples, compute, prefetch_batches })
            }
            _ => Err(format!("{text:?} is not as in batch=64,compute=50ms,prefetch=2")),
        }
    }

    /// For people.
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "batches of {} samples, {} of computation each, {} batches ahead",
            self.batch_samples,
            show_duration_ns(nanoseconds(self.compute)),
            self.prefetch_batches
        )
    }
}

/// The work of accelerators. Adds up over workers and intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingStats {
    /// Batches that became ready.
    pub batches: u64,
    /// Their samples.
    pub samples: u64,
    /// Waits of more than a millisecond.
    pub stalls: u64,
    /// Their sum.
    pub stall_ns: u64,
    /// The longest of them.
    pub stall_max_ns: u64,
    /// All waits, short ones too; the wait for the first batch is a start, not a stall.
    pub wait_ns: u64,
    /// Time spent computing.
    pub compute_ns: u64,
}

impl TrainingStats {
    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.batches = self.batches.saturating_add(other.batches);
        self.samples = self.samples.saturating_add(other.samples);
        self.stalls = self.stalls.saturating_add(other.stalls);
        self.stall_ns = self.stall_ns.saturating_add(other.stall_ns);
        self.stall_max_ns = self.stall_max_ns.max(other.stall_max_ns);
        self.wait_ns = self.wait_ns.saturating_add(other.wait_ns);
        self.compute_ns = self.compute_ns.saturating_add(other.compute_ns);
    }

    /// Accelerator utilisation as MLPerf Storage defines it: the share of the time in which accelerators compute.
    /// `None` before the first batch.
    #[must_use]
    pub fn utilisation(&self) -> Option<f64> {
        let total = self.compute_ns.saturating_add(self.wait_ns);
        (total > 0).then(|| self.compute_ns as f64 / total as f64)
    }

    fn add_stall(&mut self, wait: Duration) {
        if wait > STALL_MIN {
            let wait_ns = nanoseconds(wait);
            self.stalls = self.stalls.saturating_add(1);
            self.stall_ns = self.stall_ns.saturating_add(wait_ns);
            self.stall_max_ns = self.stall_max_ns.max(wait_ns);
        }
    }
}

/// One accelerator and the batches on their way to it.
#[derive(Clone, Debug)]
pub struct Consumer {
    training: Training,
    /// Samples of the batch that is being loaded.
    loaded: u64,
    /// When the last `prefetch_batches` ready batches began or will begin to be computed.
    begins: VecDeque<Instant>,
    /// When all ready batches have been computed; `None` before the first.
    free_at: Option<Instant>,
    /// Time is accounted for up to here.
    seen: Option<Instant>,
    stats: TrainingStats,
}

impl Consumer {
    /// An accelerator that has nothing yet.
    #[must_use]
    pub fn new(training: Training) -> Self {
        Self {
            training,
            loaded: 0,
            begins: VecDeque::new(),
            free_at: None,
            seen: None,
            stats: TrainingStats::default(),
        }
    }

    /// When the next sample may be loaded; `None`: at once. Only the first sample of a batch ever has to wait, until
    /// there is room for one more batch.
    #[must_use]
    pub fn room_at(&self) -> Option<Instant> {
        if self.loaded > 0 {
            return None;
        }
        if self.training.prefetch_batches == 0 {
            return self.free_at;
        }
        let is_full = self.begins.len() >= self.training.prefetch_batches;
        self.begins.front().copied().filter(|_| is_full)
    }

    /// A sample is there; true when it completes a batch. `now` must not be before that of an earlier call.
    pub fn sample(&mut self, now: Instant) -> bool {
        self.loaded = self.loaded.saturating_add(1);
        let is_complete = self.loaded >= self.training.batch_samples;
        if is_complete {
            self.batch(now);
        }
        is_complete
    }

    /// The data has ended: the rest is a batch of its own, and all that is ready is computed.
    pub fn finish(&mut self, now: Instant) {
        if self.loaded > 0 {
            self.batch(now);
        }
        let end = self.free_at.map_or(now, |free| free.min(now));
        self.account(end);
        if let (Some(free), Some(seen)) = (self.free_at, self.seen) {
            let left = nanoseconds(free.saturating_duration_since(seen));
            self.stats.compute_ns = self.stats.compute_ns.saturating_add(left);
        }
    }

    /// The run has ended before the data: time counts up to `now`, also that of a stall that goes on.
    pub fn cut(&mut self, now: Instant) {
        self.account(now);
        if let Some(free) = self.free_at {
            self.stats.add_stall(now.saturating_duration_since(free));
        }
    }

    /// The work since this was last called.
    pub fn take_stats(&mut self) -> TrainingStats {
        std::mem::take(&mut self.stats)
    }

    fn batch(&mut self, now: Instant) {
        self.account(now);
        let begin = self.free_at.map_or(now, |free| free.max(now));
        if let Some(free) = self.free_at {
            self.stats.add_stall(now.saturating_duration_since(free));
        }
        self.free_at = Some(begin + self.training.compute);
        self.begins.push_back(begin);
        if self.begins.len() > self.training.prefetch_batches {
            self.begins.pop_front();
        }
        self.stats.batches = self.stats.batches.saturating_add(1);
        self.stats.samples = self.stats.samples.saturating_add(self.loaded);
        self.loaded = 0;
    }

    /// Splits the time since the last look into computing and waiting; before the first batch there is neither.
    fn account(&mut self, now: Instant) {
        let since = self.seen.replace(now).unwrap_or(now);
        let Some(free) = self.free_at else { return };
        let computed = free.min(now).saturating_duration_since(since);
        let waited = now.saturating_duration_since(free.max(since));
        self.stats.compute_ns = self.stats.compute_ns.saturating_add(nanoseconds(computed));
        self.stats.wait_ns = self.stats.wait_ns.saturating_add(nanoseconds(waited));
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "training_tests.rs"]
mod tests;
