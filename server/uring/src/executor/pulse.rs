//! The view that other threads, and metrics, have of a core's loop.

use super::gate::Gate;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Classes of durations, each twice as long as the one before.
pub const STEP_BUCKETS: usize = 20;
/// The first class ends here.
const FIRST_BUCKET_NS: u64 = 4096;

/// Upper end of a class in nanoseconds; the last one has none.
#[must_use]
pub fn step_bucket_ns(bucket: usize) -> Option<u64> {
    (bucket + 1 < STEP_BUCKETS).then(|| FIRST_BUCKET_NS << bucket)
}

/// The class that a duration belongs to.
fn bucket_of(ns: u64) -> usize {
    let doublings = u64::BITS - (ns / FIRST_BUCKET_NS).leading_zeros();
    (doublings as usize).min(STEP_BUCKETS - 1)
}

/// Counts of what a loop has done since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopStats {
    /// Rounds of the loop.
    pub turns: u64,
    /// Steps by their duration, see [`step_bucket_ns`]. A step is what the thread does before it looks at the clock
    /// again: a few polls, or one entry into the ring without waiting.
    pub steps: [u64; STEP_BUCKETS],
    /// Sum of the durations of all steps.
    pub steps_ns: u64,
    /// The longest step.
    pub step_ns_max: u64,
}

impl LoopStats {
    pub(super) fn note_step(&mut self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.steps.get_mut(bucket_of(ns)) {
            *count += 1;
        }
        self.steps_ns = self.steps_ns.saturating_add(ns);
        self.step_ns_max = self.step_ns_max.max(ns);
    }
}

/// The part of an executor that other threads share.
pub(super) struct Shared {
    pub(super) gate: Gate,
    pub(super) bell: OwnedFd,
    pub(super) turns: AtomicU64,
    pub(super) thread_id: i32,
}

impl Shared {
    pub(super) fn ring_bell(&self) {
        // A full counter has been rung already.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }
}

/// A look at a core's loop from any thread.
#[derive(Clone)]
pub struct Pulse(pub(super) Arc<Shared>);

impl Pulse {
    /// Rounds of the loop so far. They go on while the core is idle, because every sleep ends by itself.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.0.turns.load(Ordering::Relaxed)
    }

    /// True if the thread waits in the ring, or is on its way there.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.0.gate.is_asleep()
    }

    /// The kernel's number of the thread.
    #[must_use]
    pub fn thread_id(&self) -> i32 {
        self.0.thread_id
    }

    /// Wakes the thread if it sleeps in its ring.
    pub fn wake(&self) {
        self.0.ring_bell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_double_and_cover_everything() {
        for (ns, bucket) in [(0, 0), (4095, 0), (4096, 1), (8191, 1), (8192, 2), (u64::MAX, STEP_BUCKETS - 1)]
        {
            assert_eq!(bucket_of(ns), bucket, "{ns}");
        }
        for bucket in 0..STEP_BUCKETS - 1 {
            let end = step_bucket_ns(bucket).unwrap();
            assert_eq!((bucket_of(end - 1), bucket_of(end)), (bucket, bucket + 1));
        }
        assert_eq!(step_bucket_ns(STEP_BUCKETS - 1), None);
    }

    #[test]
    fn steps_are_counted_in_their_classes() {
        let mut stats = LoopStats::default();
        stats.note_step(Duration::from_nanos(10));
        stats.note_step(Duration::from_millis(3));
        assert_eq!((stats.steps[0], stats.steps.iter().sum::<u64>()), (1, 2));
        assert_eq!((stats.steps_ns, stats.step_ns_max), (3_000_010, 3_000_000));
    }
}
