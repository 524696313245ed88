//! A core's part of a run, and the memory that it takes.

use crate::settings::Config;

/// Where answers are received in a closed loop: few turns for a large object, and small enough that a core's workers
/// stay in its cache.
pub(crate) const RECEIVE_BYTES: usize = 256 << 10;
/// Room of a core's pool beside its workers' buffers.
const POOL_SPARE_BYTES: usize = 1 << 20;
/// Large buffers up to this many workers a core: many workers have many small objects, and memory is not for free.
const WORKERS_LARGE_BUF_MAX: usize = 256;
const RECEIVE_LARGE_BYTES: usize = 256 << 10;
const RECEIVE_SMALL_BYTES: usize = 64 << 10;

/// The part of the run that one core does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) core: usize,
    pub(crate) cores: usize,
}

impl Part {
    /// The number, over all cores, of this core's worker `at`.
    pub(crate) fn number(self, at: usize) -> u64 {
        at.saturating_mul(self.cores).saturating_add(self.core) as u64
    }

    /// This core's part of a whole number; the parts of all cores add up to it.
    pub(crate) fn of(&self, whole: usize) -> usize {
        let rest = whole.saturating_sub(self.core);
        rest.div_ceil(self.cores.max(1))
    }
}

/// Size of a worker's receive buffer where a core has up to so many.
pub(crate) fn receive_bytes(workers_max: usize) -> usize {
    if workers_max <= WORKERS_LARGE_BUF_MAX { RECEIVE_LARGE_BYTES } else { RECEIVE_SMALL_BYTES }
}

/// Registered memory that a core needs for its part of a run.
pub(crate) fn pool_bytes(config: &Config, part: Part) -> usize {
    let (workers, buf_bytes) = match &config.open {
        None => (part.of(config.workers), RECEIVE_BYTES),
        Some(open) => (part.of(open.inflight_max), receive_bytes(part.of(open.inflight_max))),
    };
    workers.saturating_mul(buf_bytes).saturating_add(POOL_SPARE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        for (whole, cores) in [(4096, 2), (7, 3), (1, 4), (0, 2), (10, 1)] {
            let sum: usize = (0..cores).map(|core| Part { core, cores }.of(whole)).sum();
            assert_eq!(sum, whole, "{whole} over {cores}");
        }
    }
}
