//! The output of `store check`.

use super::Ending;
use super::progress::Progress;
use crate::store::{CheckCounts, Class, Finding, Observer};
use indicatif::HumanBytes;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Collects findings: lines are printed as they come, JSON at the end.
pub(super) struct Report {
    progress: Progress,
    json: bool,
    kept: RefCell<Vec<Finding>>,
    damaged: Cell<u64>,
    leftover: Cell<u64>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self {
            progress: Progress::new("check"),
            json,
            kept: RefCell::default(),
            damaged: Cell::new(0),
            leftover: Cell::new(0),
        }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Prints the end of it.
    pub(super) fn finish(self, counts: CheckCounts) -> Ending {
        let took = self.progress.finish();
        let (damaged, leftover) = (self.damaged.get(), self.leftover.get());
        if self.json {
            let document = json!({
                "findings": self.kept.take(),
                "damaged": damaged,
                "leftover": leftover,
                "checked": counts,
                "seconds": took.as_secs_f64(),
            });
            println!("{document:#}");
        } else {
            println!("{}", summary(&counts, damaged, leftover, took));
        }
        if damaged + leftover == 0 { Ending::Clean } else { Ending::Findings }
    }
}

fn summary(counts: &CheckCounts, damaged: u64, leftover: u64, took: Duration) -> String {
    let outcome = match (damaged, leftover) {
        (0, 0) => "clean".to_owned(),
        _ => format!("{damaged} damaged, {leftover} left over"),
    };
    format!(
        "checked {} objects: {} lanes, {} segments with {} records, {} files; {} in {:.1} s: {outcome}",
        counts.objects,
        counts.lanes,
        counts.segments,
        counts.records,
        counts.files,
        HumanBytes(counts.bytes),
        took.as_secs_f64(),
    )
}

impl Observer for Report {
    fn found(&self, finding: Finding) {
        let counter = match finding.class {
            Class::Damaged => &self.damaged,
            Class::Leftover => &self.leftover,
        };
        counter.set(counter.get() + 1);
        if self.json {
            self.kept.borrow_mut().push(finding);
        } else {
            self.progress.aside(|| println!("{finding}"));
        }
    }

    fn expect(&self, bytes: u64) {
        self.progress.expect(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}
