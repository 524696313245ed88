//! The progress of a tool: a bar on a terminal, a line now and then elsewhere. Always on standard error.

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR: &str =
    "{prefix} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";

/// Bytes done of bytes in all.
pub(super) struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    begun: Instant,
    told: Cell<Instant>,
    done: Cell<u64>,
    all: Cell<u64>,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0).with_prefix(what);
            // Only a template that is wrong cannot be used: then the bar is a plain one.
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style);
            }
            bar
        });
        Self { what, bar, begun: now, told: Cell::new(now), done: Cell::new(0), all: Cell::new(0) }
    }

    /// So many bytes more than was known before.
    pub(super) fn expect(&self, bytes: u64) {
        self.all.set(self.all.get() + bytes);
        if let Some(bar) = &self.bar {
            bar.set_length(self.all.get());
        }
    }

    /// So many bytes are done in all, of so many.
    pub(super) fn set(&self, done: u64, all: u64) {
        self.all.set(all);
        if let Some(bar) = &self.bar {
            bar.set_length(all);
        }
        self.done.set(done);
        self.advance(0);
    }

    /// So many bytes more are done.
    pub(super) fn advance(&self, bytes: u64) {
        // The estimate may have been too small.
        let done = self.done.get() + bytes;
        self.done.set(done);
        if done > self.all.get() {
            self.expect(done - self.all.get());
        }
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None if self.told.get().elapsed() >= LINE_EVERY => {
                self.told.set(Instant::now());
                eprintln!("{}", self.line());
            }
            None => {}
        }
    }

    fn line(&self) -> String {
        let (done, all) = (self.done.get(), self.all.get());
        let left = self.begun.elapsed().as_secs_f64() * all.saturating_sub(done) as f64 / done.max(1) as f64;
        let left = HumanDuration(Duration::from_secs_f64(left.min(1e9)));
        format!("{}: {} of {}, {left} left", self.what, HumanBytes(done), HumanBytes(all))
    }

    /// Prints something without tearing the bar.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// The time that it took; the bar goes away.
    pub(super) fn finish(&self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.begun.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = Progress::new("check");
        progress.expect(1 << 20);
        progress.advance(1 << 19);
        let line = progress.line();
        assert!(line.starts_with("check: 512.00 KiB of 1.00 MiB, ") && line.ends_with(" left"), "{line}");
        progress.advance(1 << 20);
        assert_eq!((progress.done.get(), progress.all.get()), (3 << 19, 3 << 19));
    }
}
