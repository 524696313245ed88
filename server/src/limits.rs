//! All memory as a sum of named needs, computed once and checked at the start.
//!
//! What is promised here is what resident memory stays under: registered buffers, caches, connection buffers, the
//! index. A need that does not fit is an error at the start, not a surprise under load.

use std::fmt;
use wire::http1::HeadLimits;

const MIB: usize = 1 << 20;

/// Program, stacks, allocator slack, control plane.
const BASE_BYTES: usize = 96 * MIB;
/// Per connection: its buffers (see `Stream`), its task, its tables.
const CONNECTION_BYTES: usize = 24 << 10;
/// The least registered memory that a core can work with: 64 chunks in flight.
const POOL_BYTES_MIN: usize = 32 * MIB;
/// Shares of what is left when the fixed needs are met, in sixteenths.
const POOL_SHARE: usize = 5;
const CACHE_SHARE: usize = 5;
const INDEX_SHARE: usize = 6;

/// What the node may use and for what. Bytes; `*_core` are for each core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) total_bytes: usize,
    pub(crate) cores: usize,
    pub(crate) base_bytes: usize,
    pub(crate) connections_max: usize,
    pub(crate) connections_bytes: usize,
    /// Buffers of reads and writes in flight.
    pub(crate) io_bytes_core: usize,
    /// Small objects kept in registered memory.
    pub(crate) cache_bytes_core: usize,
    pub(crate) index_bytes_core: usize,
}

impl Budget {
    /// Divides `total_bytes` over the needs of `cores` cores.
    ///
    /// # Errors
    /// A text that names the need that does not fit.
    pub(crate) fn divide(total_bytes: usize, cores: usize, connections_max: usize) -> Result<Self, String> {
        let connections_bytes = connections_max * CONNECTION_BYTES;
        let fixed = BASE_BYTES + connections_bytes;
        let rest = total_bytes.saturating_sub(fixed) / cores.max(1);
        let io_bytes_core = rest / 16 * POOL_SHARE;
        if io_bytes_core < POOL_BYTES_MIN {
            return Err(format!(
                "a memory budget of {} MiB is too small: {} MiB base, {} MiB for {connections_max} connections, and \
                 {} MiB of buffers for each of {cores} cores are needed",
                total_bytes / MIB,
                BASE_BYTES / MIB,
                connections_bytes / MIB,
                POOL_BYTES_MIN * 16 / POOL_SHARE / MIB,
            ));
        }
        let budget = Self {
            total_bytes,
            cores,
            base_bytes: BASE_BYTES,
            connections_max,
            connections_bytes,
            io_bytes_core,
            cache_bytes_core: rest / 16 * CACHE_SHARE,
            index_bytes_core: rest / 16 * INDEX_SHARE,
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
        self.base_bytes + self.connections_bytes + core * self.cores
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes / MIB;
        write!(
            f,
            "{} MiB = base {} + {} connections {} + {} cores x (I/O {} + cache {} + index {})",
            mib(self.total_bytes),
            mib(self.base_bytes),
            self.connections_max,
            mib(self.connections_bytes),
            self.cores,
            mib(self.io_bytes_core),
            mib(self.cache_bytes_core),
            mib(self.index_bytes_core),
        )
    }
}

/// Bounds of a request's head.
pub(crate) const HEAD_LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: 16 << 10, headers_max: 100, uri_bytes_max: 8 << 10 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_never_exceed_the_budget() {
        for cores in [1, 2, 16, 64] {
            for gib in [1usize, 4, 6, 64, 512] {
                if let Ok(budget) = Budget::divide(gib << 30, cores, 4096) {
                    assert!(budget.sum() <= budget.total_bytes);
                    assert!(budget.pool_bytes_core() <= budget.io_bytes_core + budget.cache_bytes_core);
                }
            }
        }
    }

    #[test]
    fn too_little_memory_is_said_plainly() {
        let refused = Budget::divide(256 << 20, 4, 4096).unwrap_err();
        assert!(refused.contains("256 MiB is too small"), "{refused}");
    }
}
