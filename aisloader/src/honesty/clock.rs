//! A watch for clocks that somebody sets while a run goes on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Compares the wall clock with the monotonic one, again and again.
#[derive(Clone, Copy, Debug)]
pub struct ClockWatch {
    begin: Instant,
    lead_s: f64,
    largest_s: f64,
}

impl ClockWatch {
    /// Begins to watch.
    #[must_use]
    pub fn new() -> Self {
        let begin = Instant::now();
        Self { begin, lead_s: lead_s(begin), largest_s: 0.0 }
    }

    /// Looks now.
    pub fn look(&mut self) {
        self.note(lead_s(self.begin));
    }

    fn note(&mut self, lead_s: f64) {
        self.largest_s = self.largest_s.max((lead_s - self.lead_s).abs());
        self.lead_s = lead_s;
    }

    /// The largest step between two looks.
    #[must_use]
    pub fn largest_step_s(&self) -> f64 {
        self.largest_s
    }
}

impl Default for ClockWatch {
    fn default() -> Self {
        Self::new()
    }
}

/// By how much the wall clock is ahead of the monotonic one. Being held up between the two readings looks like a step,
/// so the pair that was read fastest counts.
fn lead_s(begin: Instant) -> f64 {
    let read = |_| {
        let before = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (before.elapsed(), wall, before.saturating_duration_since(begin))
    };
    let best = (0..3).map(read).min_by_key(|(took, ..)| *took);
    let (_, wall, passed) = best.unwrap_or((Duration::ZERO, Duration::ZERO, Duration::ZERO));
    wall.as_secs_f64() - passed.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_step_is_seen_and_slewing_is_not() {
        let mut watch = ClockWatch { begin: Instant::now(), lead_s: 1000.0, largest_s: 0.0 };
        for lead_s in [1000.0005, 1000.0010, 1000.0015] {
            watch.note(lead_s);
        }
        assert!(watch.largest_step_s() < 0.001);
        watch.note(998.5);
        watch.note(998.5);
        assert!((watch.largest_step_s() - 1.5015).abs() < 1e-6);
    }
}
