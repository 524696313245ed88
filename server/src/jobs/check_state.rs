//! The check of the store that runs, or ran last: how far it is and what it has found.

use crate::store::{CheckCounts, Class, Finding};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Findings kept; more are only counted.
const KEPT_MAX: usize = 10_000;
/// Bytes of text in them: names can be long.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// A check of all cores, told from all of them.
#[derive(Debug)]
pub(crate) struct CheckState {
    id: String,
    running: AtomicBool,
    expected_bytes: AtomicU64,
    done_bytes: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    findings: Vec<Finding>,
    findings_bytes: usize,
    damaged: u64,
    leftover: u64,
    counts: CheckCounts,
    error: String,
}

/// The report of a check that a client gets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CheckReport {
    pub(crate) id: String,
    pub(crate) running: bool,
    /// Why it did not come to its end.
    pub(crate) error: String,
    pub(crate) expected_bytes: u64,
    pub(crate) done_bytes: u64,
    pub(crate) damaged: u64,
    pub(crate) leftover: u64,
    /// Known at the end.
    pub(crate) checked: CheckCounts,
    /// In the order they were found; only the first of many.
    pub(crate) findings: Vec<Finding>,
}

impl CheckState {
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            running: AtomicBool::new(true),
            expected_bytes: AtomicU64::new(0),
            done_bytes: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn found(&self, finding: Finding) {
        let mut told = self.lock();
        match finding.class {
            Class::Damaged => told.damaged += 1,
            Class::Leftover => told.leftover += 1,
        }
        let bytes = finding.text_bytes();
        if told.findings.len() < KEPT_MAX && told.findings_bytes + bytes <= KEPT_BYTES_MAX {
            told.findings_bytes += bytes;
            told.findings.push(finding);
        }
    }

    pub(crate) fn expect(&self, bytes: u64) {
        self.expected_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes the end; returns what is said of it in one line, empty when all is well.
    pub(crate) fn finish(&self, counts: CheckCounts, error: String) -> String {
        let mut told = self.lock();
        told.counts = counts;
        told.error.clone_from(&error);
        let (damaged, leftover) = (told.damaged, told.leftover);
        drop(told);
        self.running.store(false, Ordering::SeqCst);
        match (error.is_empty(), damaged + leftover) {
            (false, _) => error,
            (true, 0) => String::new(),
            (true, _) => format!("{damaged} damaged, {leftover} left over"),
        }
    }

    /// As of now, without the first `skip` findings.
    pub(crate) fn report(&self, skip: usize) -> CheckReport {
        let running = self.is_running();
        let told = self.lock();
        CheckReport {
            id: self.id.clone(),
            running,
            error: told.error.clone(),
            expected_bytes: self.expected_bytes.load(Ordering::Relaxed),
            done_bytes: self.done_bytes.load(Ordering::Relaxed),
            damaged: told.damaged,
            leftover: told.leftover,
            checked: told.counts,
            findings: told.findings.get(skip..).unwrap_or_default().to_vec(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Nothing can be left half-changed in here.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn findings_are_bounded_and_counted() {
        let state = CheckState::new("c1".to_owned());
        for _ in 0..100 {
            state.found(Finding::damaged(Path::new("/mp"), "x".repeat(KEPT_BYTES_MAX / 10)));
        }
        let report = state.report(0);
        assert_eq!((report.damaged, report.findings.len()), (100, 9));
    }

    #[test]
    fn a_report_goes_on_where_the_last_one_ended() {
        let state = CheckState::new("c1".to_owned());
        state.expect(10);
        state.found(Finding::damaged(Path::new("/mp"), "first"));
        state.found(Finding::leftover(Path::new("/mp"), "second"));
        let report = state.report(1);
        assert!(report.running && report.findings.len() == 1 && report.findings[0].what == "second");
        assert_eq!(state.finish(CheckCounts::default(), String::new()), "1 damaged, 1 left over");
        let report = state.report(2);
        assert_eq!((report.running, report.damaged, report.findings.len()), (false, 1, 0));
        let text = serde_json::to_string(&state.report(0)).unwrap();
        assert_eq!(serde_json::from_str::<CheckReport>(&text).unwrap().findings.len(), 2);
    }
}
