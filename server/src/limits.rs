//! All memory as a sum of named needs, computed once and checked at the start; and descriptors in the same way.
//!
//! Resident memory stays under the sum that is promised here: registered buffers, caches, connection buffers, the
//! index, messages. A need that does not fit is an error at the start, not a surprise under load. Needs that nobody has
//! set are made to fit, so that a node starts in a small container too.

use std::fmt;
use std::ops::RangeInclusive;
use wire::http1::HeadLimits;

const MIB: usize = 1 << 20;

/// Program, allocator slack, control plane. Less is left of it where there is little.
const BASE_BYTES: RangeInclusive<usize> = 24 * MIB..=96 * MIB;
const BASE_SHARE: usize = 8;
/// Bytes of each core: its thread and its helpers, its ring, the allocator's pages.
const CORE_BYTES: usize = 6 * MIB;
/// Messages, their parsed form and answers that are made in memory; see `message_budget`.
const MESSAGES_BYTES: RangeInclusive<usize> = 4 * MIB..=128 * MIB;
const MESSAGES_SHARE: usize = 16;
/// Bytes of each connection: its buffers (see `Stream`), its task, its tables.
const CONNECTION_BYTES: usize = 24 << 10;
/// Unless they are set, connections get this part of the memory.
const CONNECTIONS_SHARE: usize = 8;
const CONNECTIONS: RangeInclusive<usize> = 64..=4096;
/// The least registered memory that a core can work with: one segment of the pool, 32 chunks in flight.
const IO_BYTES_MIN: usize = 16 * MIB;
/// The least that an index can work with.
const INDEX_BYTES_MIN: usize = 6 * MIB;
/// Shares of what is left when the fixed needs are met, in sixteenths; the cache gets the rest.
const IO_SHARE: usize = 5;
const INDEX_SHARE: usize = 6;
/// The least memory that a node takes of its own accord, if that is at most half of all there is.
const TOTAL_BYTES_MIN: usize = 96 * MIB;
/// A quarter of what there is, unless it is set.
const TOTAL_SHARE: usize = 4;
/// The kernel's own memory for sockets and files, and the page cache of what is written, beside the budget.
pub(crate) const BESIDE_BYTES: usize = 64 * MIB;

/// The budget of a node: its memory and the parts of it. Bytes; `*_core` are for each core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) total_bytes: usize,
    pub(crate) cores: usize,
    pub(crate) base_bytes: usize,
    pub(crate) connections_max: usize,
    pub(crate) connections_bytes: usize,
    pub(crate) messages_bytes: usize,
    /// Buffers of reads and writes in flight.
    pub(crate) io_bytes_core: usize,
    /// Small objects kept in registered memory.
    pub(crate) cache_bytes_core: usize,
    pub(crate) index_bytes_core: usize,
}

/// The budget of a node that is told none, out of the memory that there is, and why it is so much.
pub(crate) fn default_total(limit_bytes: u64) -> (usize, &'static str) {
    let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    match limit / TOTAL_SHARE {
        quarter if quarter < TOTAL_BYTES_MIN && limit / 2 >= TOTAL_BYTES_MIN => {
            (TOTAL_BYTES_MIN, "the least that a node works with, out of")
        }
        quarter => (quarter, "a quarter of"),
    }
}

/// Connections of a node that is told none.
pub(crate) fn default_connections(total_bytes: usize) -> usize {
    (total_bytes / CONNECTIONS_SHARE / CONNECTION_BYTES).clamp(*CONNECTIONS.start(), *CONNECTIONS.end())
}

/// Cores of a node that is told none: as many of these as there is memory for.
pub(crate) fn default_cores(total_bytes: usize, connections_max: usize, most: usize) -> usize {
    let fits = |cores: &usize| Budget::divide(total_bytes, *cores, connections_max).is_ok();
    (1..=most).rev().find(fits).unwrap_or(1)
}

impl Budget {
    /// Divides `total_bytes` over the needs of `cores` cores.
    ///
    /// # Errors
    /// A text that names the need that does not fit.
    pub(crate) fn divide(total_bytes: usize, cores: usize, connections_max: usize) -> Result<Self, String> {
        let cores = cores.max(1);
        let within = |share: usize, bounds: RangeInclusive<usize>| {
            (total_bytes / share).clamp(*bounds.start(), *bounds.end())
        };
        let base_bytes = within(BASE_SHARE, BASE_BYTES).saturating_add(CORE_BYTES.saturating_mul(cores));
        let messages_bytes = within(MESSAGES_SHARE, MESSAGES_BYTES);
        let connections_bytes = connections_max.saturating_mul(CONNECTION_BYTES);
        let fixed = base_bytes.saturating_add(messages_bytes).saturating_add(connections_bytes);
        let rest = total_bytes.saturating_sub(fixed) / cores;
        if rest < IO_BYTES_MIN + INDEX_BYTES_MIN {
            return Err(format!(
                "a memory budget of {} MiB is too small: {} MiB base, {} MiB for {connections_max} connections, {} MiB \
                 for messages, and {} MiB of buffers and {} MiB of index for each of {cores} cores are needed",
                total_bytes / MIB,
                base_bytes / MIB,
                connections_bytes.div_ceil(MIB),
                messages_bytes / MIB,
                IO_BYTES_MIN / MIB,
                INDEX_BYTES_MIN / MIB,
            ));
        }
        let io_bytes_core = (rest / 16 * IO_SHARE).max(IO_BYTES_MIN);
        let index_bytes_core = (rest / 16 * INDEX_SHARE).clamp(INDEX_BYTES_MIN, rest - io_bytes_core);
        let budget = Self {
            total_bytes,
            cores,
            base_bytes,
            connections_max,
            connections_bytes,
            messages_bytes,
            io_bytes_core,
            cache_bytes_core: rest - io_bytes_core - index_bytes_core,
            index_bytes_core,
        };
        assert!(budget.sum() <= total_bytes, "the needs add up to more than the budget");
        Ok(budget)
    }

    /// Registered memory of one core: what is in flight and what is cached.
    pub(crate) fn pool_bytes_core(&self) -> usize {
        // Whole segments, rounded down: the pool rounds up.
        let segment = 16 * MIB;
        (self.io_bytes_core + self.cache_bytes_core) / segment * segment
    }

    fn sum(&self) -> usize {
        let core = self.io_bytes_core + self.cache_bytes_core + self.index_bytes_core;
        self.base_bytes + self.connections_bytes + self.messages_bytes + core * self.cores
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes / MIB;
        write!(
            f,
            "{} MiB = base {} + {} connections {} + messages {} + {} cores x (I/O {} + cache {} + index {})",
            mib(self.total_bytes),
            mib(self.base_bytes),
            self.connections_max,
            mib(self.connections_bytes),
            mib(self.messages_bytes),
            self.cores,
            mib(self.io_bytes_core),
            mib(self.cache_bytes_core),
            mib(self.index_bytes_core),
        )
    }
}

/// Files that a core keeps open for reading, and as many segments.
const OPEN_FILES_CORE: RangeInclusive<usize> = 64..=2048;
/// Rings, markers and doorbells of a core, and what each lane keeps open of its index.
const DESCRIPTORS_CORE: usize = 64;
const DESCRIPTORS_LANE: usize = 16;
/// Directories, listeners, the log and whatever else there is once.
const DESCRIPTORS_NODE: usize = 128;
const CONNECTIONS_MIN: usize = 16;

/// Files and connections that the node may keep open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    pub(crate) open_files_core: usize,
    pub(crate) connections_max: usize,
    /// The limit of the process must be at least this.
    pub(crate) needed: usize,
}

impl Descriptors {
    /// The number of descriptors that a node would like to have.
    pub(crate) fn wanted(cores: usize, lanes: usize, connections_max: usize) -> Self {
        Self::with(*OPEN_FILES_CORE.end(), cores, lanes, connections_max)
    }

    fn with(open_files_core: usize, cores: usize, lanes: usize, connections_max: usize) -> Self {
        let core = DESCRIPTORS_CORE.saturating_add(open_files_core.saturating_mul(2));
        let fixed = DESCRIPTORS_NODE.saturating_add(DESCRIPTORS_LANE.saturating_mul(lanes));
        let needed = fixed.saturating_add(core.saturating_mul(cores)).saturating_add(connections_max);
        Self { open_files_core, connections_max, needed }
    }

    /// The same with at most `limit` descriptors: first fewer files stay open, then there are fewer connections.
    ///
    /// # Errors
    /// A text for the operator when it is not enough for any work.
    pub(crate) fn within(self, limit: usize, cores: usize, lanes: usize) -> Result<Self, String> {
        if self.needed <= limit {
            return Ok(self);
        }
        let least = Self::with(*OPEN_FILES_CORE.start(), cores, lanes, CONNECTIONS_MIN);
        let Some(spare) = limit.checked_sub(least.needed) else {
            return Err(format!(
                "a limit of {limit} open files is too small: {} are needed for {cores} cores, {lanes} lanes and a few \
                 connections; raise LimitNOFILE (ulimit -n)",
                least.needed
            ));
        };
        // Half of what there is beyond the least for files, unless the connections leave more.
        let connections_max = self.connections_max.min(CONNECTIONS_MIN + spare.div_ceil(2)).max(1);
        let left = (limit - least.needed + CONNECTIONS_MIN).saturating_sub(connections_max);
        let open_files_core = (least.open_files_core + left / 2 / cores.max(1)).min(self.open_files_core);
        Ok(Self::with(open_files_core, cores, lanes, connections_max))
    }
}

/// Bounds of a request's head. A name of the greatest length fits into its target with each byte escaped.
pub(crate) const HEAD_LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: 24 << 10, headers_max: 100, uri_bytes_max: 14 << 10 };
const _: () = assert!(3 * wire::lom::MAX_NAME + 1024 <= HEAD_LIMITS.uri_bytes_max);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIB: usize = 1 << 40;

    fn assert_sound(budget: &Budget) {
        assert!(budget.sum() <= budget.total_bytes, "{budget}");
        assert!(budget.pool_bytes_core() <= budget.io_bytes_core + budget.cache_bytes_core, "{budget}");
        assert!(budget.pool_bytes_core() >= IO_BYTES_MIN && budget.index_bytes_core >= INDEX_BYTES_MIN);
    }

    proptest! {
        #[test]
        fn needs_never_exceed_the_budget(total in 0..=TIB, cores in 1usize..=512, connections in 1usize..1_000_000) {
            match Budget::divide(total, cores, connections) {
                Ok(budget) => assert_sound(&budget),
                Err(text) => prop_assert!(text.contains("too small"), "{}", text),
            }
        }

        #[test]
        fn what_nobody_has_set_is_made_to_fit(total in TOTAL_BYTES_MIN..=TIB, most in 1usize..=512) {
            let connections = default_connections(total);
            let cores = default_cores(total, connections, most);
            let budget = Budget::divide(total, cores, connections).unwrap();
            assert_sound(&budget);
            prop_assert!(cores >= 1 && cores <= most && connections >= 64);
            // One core more would not fit.
            prop_assert!(cores == most || Budget::divide(total, cores + 1, connections).is_err());
        }

        #[test]
        fn descriptors_stay_within_their_limit(
            limit in 0usize..100_000, cores in 1usize..=128, lanes in 1usize..2000, connections in 1usize..100_000,
        ) {
            let wanted = Descriptors::wanted(cores, lanes, connections);
            match wanted.within(limit, cores, lanes) {
                Ok(got) => {
                    prop_assert!(got.needed <= limit, "{:?}", got);
                    prop_assert!(got.connections_max <= connections && got.connections_max >= 1);
                    prop_assert!(got.open_files_core >= *OPEN_FILES_CORE.start());
                    prop_assert!(got.needed < wanted.needed || got == wanted);
                }
                Err(text) => prop_assert!(text.contains("LimitNOFILE"), "{}", text),
            }
        }
    }

    #[test]
    fn a_container_of_512_mib_starts_with_defaults() {
        assert_eq!(default_total(512 << 20), (128 << 20, "a quarter of"));
        let connections = default_connections(128 << 20);
        assert!(connections >= 512, "{connections}");
        for machine_cores in [1, 2, 64] {
            let cores = default_cores(128 << 20, connections, machine_cores);
            assert_eq!(cores, machine_cores.min(2));
            assert_sound(&Budget::divide(128 << 20, cores, connections).unwrap());
        }
    }

    #[test]
    fn little_memory_is_used_to_the_half() {
        assert_eq!(default_total(256 << 20).0, TOTAL_BYTES_MIN);
        assert_eq!(default_total(192 << 20).0, TOTAL_BYTES_MIN);
        // Nothing works here: the error names what is needed.
        let (total, _) = default_total(128 << 20);
        assert!(Budget::divide(total, 1, default_connections(total)).is_err());
        assert_eq!(default_total(24 << 30), (6 << 30, "a quarter of"));
    }

    #[test]
    fn a_large_machine_has_what_it_had() {
        let budget = Budget::divide(6 << 30, 2, default_connections(6 << 30)).unwrap();
        assert_eq!(budget.connections_max, 4096);
        assert!(budget.cache_bytes_core > 880 * MIB && budget.io_bytes_core > 880 * MIB, "{budget}");
    }

    #[test]
    fn too_little_memory_is_said_plainly() {
        let refused = Budget::divide(96 << 20, 4, 4096).unwrap_err();
        assert!(refused.contains("96 MiB is too small") && refused.contains("4096 connections"), "{refused}");
    }

    #[test]
    fn a_low_limit_of_descriptors_lowers_connections() {
        let wanted = Descriptors::wanted(2, 16, 4096);
        assert_eq!(wanted.within(20_000, 2, 16), Ok(wanted));
        let got = wanted.within(1024, 2, 16).unwrap();
        assert!(got.connections_max > 100 && got.connections_max < 400, "{got:?}");
        assert!(wanted.within(256, 2, 16).unwrap_err().contains("256 open files"));
        // Few connections leave the rest to files.
        let few = Descriptors::wanted(2, 16, 20).within(2000, 2, 16).unwrap();
        assert!(few.connections_max == 20 && few.open_files_core > 300, "{few:?}");
    }
}
