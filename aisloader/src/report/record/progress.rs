//! The progress of a run, on a terminal: one line that is drawn anew every second, below the rows.

use crate::flags::units::{show_duration_ns, show_size};
use crate::recorder::{INTERVAL, Interval, Stats};
use crate::settings::Bounds;
use crate::workload::OpKind;
use std::io::{IsTerminal, Write};
use std::time::Duration;

const CELLS: usize = 24;
/// Goes to the begin of the line, and empties it.
const CLEAR: &str = "\r\x1b[K";

/// The line on the standard error; on anything but a terminal it does nothing.
pub struct Progress {
    bounds: Bounds,
    is_shown: bool,
    done: Stats,
}

impl Progress {
    /// The progress of a run towards its bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, is_shown: std::io::stderr().is_terminal(), done: Stats::default() }
    }

    /// Takes the line away before anything else is printed.
    pub fn clear(&self) {
        if self.is_shown {
            // A terminal that has gone away is nobody's loss.
            let _ = std::io::stderr().write_all(CLEAR.as_bytes());
        }
    }

    /// After a second.
    pub fn draw(&mut self, interval: &Interval) {
        if !self.is_shown {
            return;
        }
        self.done.merge(&interval.stats);
        let passed = INTERVAL.saturating_mul(u32::try_from(interval.number).unwrap_or(u32::MAX));
        let share = share(self.bounds, passed, &self.done);
        let line = format!("{CLEAR}{}  {}", bar(share, passed), figures(&interval.stats, &self.done));
        let mut out = std::io::stderr();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

/// The part of the run that is done, by the bound that is nearest; `None`: it has none.
fn share(bounds: Bounds, passed: Duration, done: &Stats) -> Option<f64> {
    let put = done.of(OpKind::Put);
    let part = |count: u64, most: u64| (most > 0).then(|| count as f64 / most as f64);
    let by_time =
        bounds.duration.map(|whole| passed.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE));
    let by_puts = part(put.ops, bounds.puts_max);
    let by_bytes = part(put.bytes, bounds.put_bytes_max);
    let shares = [by_time, by_puts, by_bytes, part(done.ops(), bounds.ops_max)];
    shares.into_iter().flatten().max_by(f64::total_cmp).map(|share| share.min(1.0))
}

fn bar(share: Option<f64>, passed: Duration) -> String {
    let Some(share) = share else { return format!("{} s, no end set", passed.as_secs()) };
    let full = ((share * CELLS as f64) as usize).min(CELLS);
    let (full, empty) = ("#".repeat(full), ".".repeat(CELLS.saturating_sub(full)));
    let left = if share > 0.0 {
        format!("{:.0} s left", passed.as_secs_f64() * (1.0 - share) / share)
    } else {
        "time left not known".to_owned()
    };
    format!("[{full}{empty}] {:.0} %, {left}", share * 100.0)
}

/// The figures of the last second, all kinds together; the latency of the kind that occurred most.
fn figures(now: &Stats, done: &Stats) -> String {
    let p99_ns = OpKind::ALL
        .into_iter()
        .map(|kind| now.of(kind))
        .max_by_key(|stats| stats.ops)
        .map_or(0, |stats| stats.latency.quantile_ns(0.99));
    let errors = match done.error_count() {
        0 => String::new(),
        count => format!("  {count} ERRORS"),
    };
    let (size, p99) = (show_size(now.bytes() as f64), show_duration_ns(p99_ns));
    format!("{size}/s  {} ops/s  p99 {p99}{errors}", now.ops())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::{Moved, Span};
    use std::time::Instant;

    #[test]
    fn the_nearest_bound_counts() {
        let mut done = Stats::default();
        let begin = Instant::now();
        for _ in 0..30 {
            let span = Span { due: None, begin, end: begin + Duration::from_millis(3), run_end: None };
            done.record(OpKind::Put, &span, Moved { bytes: 1 << 20, names: 0 });
        }
        let passed = Duration::from_secs(15);
        let of = |bounds| share(bounds, passed, &done);
        let timed = Bounds { duration: Some(Duration::from_secs(60)), ..Bounds::default() };
        assert_eq!(of(timed), Some(0.25));
        assert_eq!(of(Bounds { puts_max: 60, ..timed }), Some(0.5));
        assert_eq!(of(Bounds { put_bytes_max: 40 << 20, ..timed }), Some(0.75));
        assert_eq!(of(Bounds { ops_max: 10, ..timed }), Some(1.0));
        assert_eq!(of(Bounds::default()), None);
        assert_eq!(bar(Some(0.25), passed), format!("[######{}] 25 %, 45 s left", ".".repeat(18)));
        assert_eq!(bar(None, passed), "15 s, no end set");
        assert!(figures(&done, &done).starts_with("30.00MiB/s  30 ops/s  p99 3.0"));
    }
}
