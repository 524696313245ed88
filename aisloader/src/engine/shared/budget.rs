//! Bounds that all cores share.

use crate::settings::Bounds;
use crate::workload::OpKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts down what a run may still begin. Without bounds, nothing shared is touched.
pub(crate) struct Budget {
    bounds: Bounds,
    ops: AtomicU64,
    puts: AtomicU64,
    put_bytes: AtomicU64,
}

impl Budget {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let zero = || AtomicU64::new(0);
        Self { bounds, ops: zero(), puts: zero(), put_bytes: zero() }
    }

    /// True if one more operation may begin; it is then counted. Once false, the run is over.
    pub(crate) fn admit(&self, kind: OpKind, size_bytes: u64) -> bool {
        let below = |count: &AtomicU64, step: u64, most: u64| {
            most == 0 || count.fetch_add(step, Ordering::Relaxed) < most
        };
        if kind.sends_object()
            && !(below(&self.puts, 1, self.bounds.puts_max)
                && below(&self.put_bytes, size_bytes, self.bounds.put_bytes_max))
        {
            return false;
        }
        below(&self.ops, if kind.is_composite() { 2 } else { 1 }, self.bounds.ops_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_ends_the_run() {
        let admitted = |bounds: Bounds, kind| {
            let budget = Budget::new(bounds);
            (0..100).take_while(|_| budget.admit(kind, 10)).count()
        };
        let none = Bounds::default();
        assert_eq!(admitted(none, OpKind::Put), 100);
        assert_eq!(admitted(Bounds { ops_max: 7, ..none }, OpKind::Get), 7);
        assert_eq!(admitted(Bounds { puts_max: 7, ..none }, OpKind::Put), 7);
        assert_eq!(admitted(Bounds { puts_max: 7, ..none }, OpKind::Get), 100);
        assert_eq!(admitted(Bounds { puts_max: 7, ..none }, OpKind::Update), 7);
        // An UPDATE is a GET and a PUT.
        assert_eq!(admitted(Bounds { ops_max: 8, ..none }, OpKind::Update), 4);
        // 75 bytes: the eighth PUT begins below the bound and ends above it.
        assert_eq!(admitted(Bounds { put_bytes_max: 75, ..none }, OpKind::Put), 8);
    }
}
