//! The clock that generations come from.
//!
//! It is wall time as long as that goes forward, and goes on by itself otherwise: no reading is below one that was given or
//! seen before, so a clock that was set back, or a node that returns, does not make an old version win. A core has its own; the
//! last bits of a reading are the core's number, so that no two cores of a node ever give the same one.

use std::cell::Cell;
use wire::lom::Generation;

/// Readings of one core are so many nanoseconds apart, which is also the most cores that there may be.
const STEP: u64 = 1 << 10;

/// The clock of one core.
#[derive(Debug)]
pub(crate) struct HybridClock {
    node: u64,
    core: u64,
    last: Cell<u64>,
}

impl HybridClock {
    /// A clock of this core of a node.
    pub(crate) fn new(node: u64, core: usize) -> Self {
        let core = core as u64;
        assert!(core < STEP, "core {core} has no number of its own in the clock");
        Self { node, core, last: Cell::new(core) }
    }

    /// A reading above all before.
    pub(crate) fn next(&self) -> Generation {
        self.next_at(crate::clock::unix_ns())
    }

    fn next_at(&self, unix_ns: i64) -> Generation {
        let wall = self.mine(u64::try_from(unix_ns).unwrap_or(0));
        let last = self.last.get();
        let clock = if wall > last { wall } else { last.saturating_add(STEP) };
        assert!(clock > last, "the clock has come to its end, at {last}");
        self.last.set(clock);
        Generation { clock, node: self.node }
    }

    /// Goes on from what was seen, if that is later.
    pub(crate) fn observe(&self, seen: Generation) {
        self.last.set(self.last.get().max(self.mine(seen.clock)));
    }

    /// Nanoseconds that it is ahead of wall time.
    pub(crate) fn ahead_ns(&self) -> u64 {
        self.last.get().saturating_sub(u64::try_from(crate::clock::unix_ns()).unwrap_or(0))
    }

    /// The reading of this core at a time.
    fn mine(&self, clock: u64) -> u64 {
        clock / STEP * STEP + self.core
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn readings_go_up_and_are_unique(
            events in prop::collection::vec((0usize..3, 0i64..50_000, prop::option::of(0usize..3)), 1..200),
        ) {
            let clocks = [HybridClock::new(7, 0), HybridClock::new(7, 1), HybridClock::new(9, 1)];
            let mut given: Vec<(usize, Generation)> = Vec::new();
            let mut all = HashSet::new();
            for (who, wall, seen) in events {
                let clock = &clocks[who];
                let seen = seen.and_then(|other| given.iter().rev().find(|(by, _)| *by == other));
                if let Some((_, seen)) = seen {
                    clock.observe(*seen);
                    prop_assert!(clock.next_at(wall) > *seen);
                }
                let now = clock.next_at(wall);
                prop_assert!(given.iter().filter(|(by, _)| *by == who).all(|(_, before)| *before < now));
                prop_assert!(all.insert(now));
                given.push((who, now));
            }
        }
    }

    #[test]
    fn it_is_wall_time_where_that_goes_forward() {
        let clock = HybridClock::new(1, 3);
        let now = 1_800_000_000_000_000_000;
        let read = clock.next_at(now).clock;
        assert!(read.abs_diff(now as u64) <= STEP);
        assert_eq!(clock.next_at(now - 1_000_000).clock, read + STEP);
        clock.observe(Generation { clock: u64::MAX - 3 * STEP, node: 0 });
        assert!(clock.ahead_ns() > 0 && clock.next_at(now).clock > u64::MAX - 3 * STEP);
    }
}
