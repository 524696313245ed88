//! The seconds of a run, so that a warm-up that is known only afterwards can still be left out.

use crate::recorder::cpu::CpuUse;
use crate::recorder::{Interval, Stats};

/// Histograms are kept for so many blocks of seconds at most; then blocks are joined in pairs.
const BLOCKS_MAX: usize = 64;

/// Some seconds together.
#[derive(Clone, Debug, Default)]
struct Block {
    stats: Stats,
    cpu: CpuUse,
}

/// All seconds so far.
#[derive(Debug)]
pub struct Series {
    /// Payload of each second, in bytes; operations when they have no payload.
    bytes: Vec<f64>,
    ops: Vec<f64>,
    blocks: Vec<Block>,
    /// Seconds of a block; the last one may have fewer.
    block_s: usize,
}

/// The part of a run that counts.
#[derive(Debug)]
pub struct Part {
    /// Seconds that were left out at the begin; a few more than asked for when blocks were joined.
    pub left_out_s: usize,
    /// The figures after them.
    pub stats: Stats,
    /// The cost of these seconds.
    pub cpu: CpuUse,
}

impl Series {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: Vec::new(), ops: Vec::new(), blocks: Vec::new(), block_s: 1 }
    }

    /// Adds a second.
    pub fn push(&mut self, interval: &Interval, cpu: CpuUse) {
        let second = self.ops.len();
        let stats = &interval.stats;
        self.ops.push(stats.ops() as f64);
        self.bytes.push(stats.bytes() as f64);
        if second.checked_rem(self.block_s) == Some(0) {
            if self.blocks.len() >= BLOCKS_MAX {
                self.join();
            }
            self.blocks.push(Block::default());
        }
        if let Some(block) = self.blocks.last_mut() {
            block.stats.merge(stats);
            block.cpu.add(&cpu);
        }
    }

    /// Payload bytes of each second, or operations where there is no payload.
    #[must_use]
    pub fn rates(&self) -> &[f64] {
        if self.bytes.iter().any(|bytes| *bytes > 0.0) { &self.bytes } else { &self.ops }
    }

    /// The cost of all seconds.
    #[must_use]
    pub fn cpu(&self) -> CpuUse {
        let mut all = CpuUse::default();
        self.blocks.iter().for_each(|block| all.add(&block.cpu));
        all
    }

    /// Everything from a second on, and `rest`, which came after the last whole one.
    #[must_use]
    pub fn from(&self, second: usize, rest: &Interval, rest_cpu: CpuUse) -> Part {
        let first = second.div_ceil(self.block_s);
        let mut part = Part {
            left_out_s: first.saturating_mul(self.block_s).min(self.ops.len()),
            stats: Stats::default(),
            cpu: CpuUse::default(),
        };
        for block in self.blocks.iter().skip(first) {
            part.stats.merge(&block.stats);
            part.cpu.add(&block.cpu);
        }
        part.stats.merge(&rest.stats);
        part.cpu.add(&rest_cpu);
        part
    }

    fn join(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        for (at, block) in blocks.into_iter().enumerate() {
            match self.blocks.last_mut().filter(|_| at % 2 == 1) {
                Some(pair) => {
                    pair.stats.merge(&block.stats);
                    pair.cpu.add(&block.cpu);
                }
                None => self.blocks.push(block),
            }
        }
        self.block_s = self.block_s.saturating_mul(2);
    }
}

impl Default for Series {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::{Moved, Span};
    use crate::workload::OpKind;
    use std::time::{Duration, Instant};

    fn second(number: u64) -> Interval {
        let begin = Instant::now();
        let mut interval = Interval { number, ..Interval::default() };
        for _ in 0..number {
            let span = Span { due: None, begin, end: begin + Duration::from_millis(number), run_end: None };
            interval.stats.record(OpKind::Get, &span, Moved { bytes: 10, names: 0 });
        }
        interval
    }

    #[test]
    fn any_begin_can_be_left_out_and_nothing_else_is_lost() {
        for whole_s in [10u64, 64, 65, 300] {
            let mut series = Series::new();
            let cpu = CpuUse { own_s: 0.5, machine_s: Some(1.0), stolen_s: None };
            (1..=whole_s).for_each(|number| series.push(&second(number), cpu));
            assert_eq!(series.rates().len() as u64, whole_s);
            assert!(series.blocks.len() <= BLOCKS_MAX);
            for cut in [0usize, 1, 5] {
                let part = series.from(cut, &second(1000), cpu);
                let left_out = part.left_out_s as u64;
                assert!(left_out >= cut as u64 && left_out < cut as u64 + 8, "{whole_s} {cut}: {left_out}");
                let want = (left_out + 1..=whole_s).sum::<u64>() + 1000;
                assert_eq!(part.stats.ops(), want);
                assert_eq!(part.stats.of(OpKind::Get).latency.count(), want);
                let seconds = (whole_s - left_out + 1) as f64;
                assert!((part.cpu.own_s - 0.5 * seconds).abs() < 1e-9);
            }
        }
    }
}
