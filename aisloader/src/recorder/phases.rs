//! Where the time of an operation goes: `-trace-http`, and SIGHUP while a run goes on.
//!
//! The times are taken on the connections that the run uses anyway, so that tracing changes nothing that it measures.

use super::latency::Latency;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Phases of operations of one kind. Empty when nothing was traced.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phases {
    /// Until the server that answers was found: the redirects, where there were any.
    pub redirect: Latency,
    /// From the request to the head of its answer; for a PUT, the sending of its body included.
    pub answer: Latency,
    /// From the head of the answer to its last byte.
    pub body: Latency,
}

/// The instants of one operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// True when instants are taken.
    pub is_on: bool,
    request: Option<Instant>,
    head: Option<Instant>,
    redirects: u32,
}

impl Phases {
    /// Adds an operation that ran from `begin` to `end`.
    pub fn record(&mut self, marks: &Marks, begin: Instant, end: Instant) {
        let (Some(request), Some(head)) = (marks.request, marks.head) else { return };
        let between = |from: Instant, to: Instant| -> Duration { to.saturating_duration_since(from) };
        if marks.redirects > 0 {
            self.redirect.record(between(begin, request));
        }
        self.answer.record(between(request, head));
        self.body.record(between(head, end));
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.redirect.merge(&other.redirect);
        self.answer.merge(&other.answer);
        self.body.merge(&other.body);
    }

    /// True when nothing was traced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answer.count() == 0
    }

    /// The phases with their names, in order.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Latency); 3] {
        [("redirect", &self.redirect), ("answer", &self.answer), ("body", &self.body)]
    }
}

impl Marks {
    /// A new operation.
    pub fn start(&mut self, is_on: bool) {
        *self = Self { is_on, ..Self::default() };
    }

    /// A request goes out; all but the first follow a redirect.
    pub fn request(&mut self) {
        if self.is_on {
            self.redirects = self.redirects.saturating_add(u32::from(self.request.is_some()));
            self.request = Some(Instant::now());
        }
    }

    /// The head of an answer is there.
    pub fn head(&mut self) {
        if self.is_on {
            self.head = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_to_the_whole() {
        let mut marks = Marks::default();
        let begin = Instant::now();
        marks.start(true);
        for _ in 0..2 {
            marks.request();
            marks.head();
        }
        let end = Instant::now();
        let (mut phases, mut all) = (Phases::default(), Phases::default());
        phases.record(&marks, begin, end);
        all.merge(&phases);
        let sum: u64 = all.named().iter().map(|(_, latency)| latency.max_ns()).sum();
        assert_eq!(u128::from(sum), (end - begin).as_nanos());
        assert_eq!(all.named().map(|(_, latency)| latency.count()), [1, 1, 1]);
    }

    #[test]
    fn what_is_not_traced_costs_nothing_and_counts_nothing() {
        let mut marks = Marks::default();
        marks.start(false);
        marks.request();
        marks.head();
        let mut phases = Phases::default();
        phases.record(&marks, Instant::now(), Instant::now());
        assert!(phases.is_empty());
        marks.start(true);
        marks.request();
        marks.head();
        phases.record(&marks, Instant::now(), Instant::now());
        assert_eq!((phases.redirect.count(), phases.answer.count()), (0, 1));
    }
}
