//! When operations begin in an open loop: a clock that does not know how the server is doing.

use crate::workload::open_loop::Spacing;
use crate::workload::random::{Stream, draw};
use std::time::Duration;

const NS_PER_S: f64 = 1e9;

/// The arrivals of one core, as times since the begin of the run, in order and without end.
///
/// Uniform: the cores take turns, so that all together arrive at even distances. Poisson: each core has a process of its
/// own with its share of the rate; together they are a Poisson process of the whole rate.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    spacing: Spacing,
    seed: u64,
    core: u64,
    cores: u64,
    /// Mean distance between two arrivals of all cores.
    gap_ns: f64,
    /// The place of this loader's arrivals between two others, if they are even.
    phase: f64,
    count: u64,
    at_ns: f64,
}

impl Arrivals {
    /// The arrivals of `core`, one of `cores` that share `ops_per_s`.
    pub(crate) fn new(spacing: Spacing, seed: u64, ops_per_s: f64, core: usize, cores: usize) -> Self {
        let (core, cores) = (core as u64, cores.max(1) as u64);
        Self { spacing, seed, core, cores, gap_ns: NS_PER_S / ops_per_s, phase: 0.0, count: 0, at_ns: 0.0 }
    }

    /// The same for one of several loaders, whose even arrivals are not to coincide.
    pub(crate) fn with_phase(self, phase: f64) -> Self {
        Self { phase, ..self }
    }

    /// The next distance of an exponential distribution with mean 1.
    fn draw_exponential(&self) -> f64 {
        let bits = draw(self.seed, Stream::Arrival, self.core, self.count) >> 11;
        // In the middle of its cell, so that the logarithm never sees zero.
        -((bits as f64 + 0.5) / (1u64 << 53) as f64).ln()
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at_ns = match self.spacing {
            // Multiplied, not summed up: no error accumulates.
            Spacing::Uniform => {
                let place = self.count.wrapping_mul(self.cores).wrapping_add(self.core);
                (place as f64 + self.phase) * self.gap_ns
            }
            // A trace knows its times itself.
            Spacing::Trace => return None,
            Spacing::Poisson => self.at_ns + self.draw_exponential() * self.gap_ns * self.cores as f64,
        };
        self.count = self.count.wrapping_add(1);
        // A float beyond the range becomes the end of time: such an arrival never comes.
        Some(Duration::from_nanos(self.at_ns as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(spacing: Spacing, cores: usize, span_s: u64) -> Vec<f64> {
        let until = Duration::from_secs(span_s);
        let of_core = |core| Arrivals::new(spacing, 9, 1000.0, core, cores).take_while(move |at| *at < until);
        let mut all: Vec<f64> = (0..cores).flat_map(of_core).map(|at| at.as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    #[test]
    fn uniform_arrivals_of_all_cores_are_even() {
        for cores in [1, 2, 3, 7] {
            let all = merged(Spacing::Uniform, cores, 5);
            assert_eq!(all.len(), 5000);
            assert!(all.iter().zip(0..).all(|(at, place)| (at - f64::from(place) / 1000.0).abs() < 1e-8));
        }
    }

    #[test]
    fn uniform_arrivals_of_several_loaders_are_even() {
        let of = |phase| Arrivals::new(Spacing::Uniform, 9, 500.0, 0, 1).with_phase(phase).take(1000);
        let mut all: Vec<Duration> = of(0.0).chain(of(0.5)).collect();
        all.sort_unstable();
        assert!(all.iter().zip(0u64..).all(|(at, place)| at.as_micros() as u64 == place * 1000));
    }

    #[test]
    fn poisson_arrivals_of_all_cores_are_poisson() {
        for cores in [1, 4] {
            let all = merged(Spacing::Poisson, cores, 100);
            // 100,000 expected; the standard deviation is 316.
            assert!((all.len() as f64 - 100_000.0).abs() < 1500.0, "{}", all.len());
            let gaps: Vec<f64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // Kolmogorov and Smirnov: the greatest distance from the exponential distribution, at 1 in 1000.
            let mut sorted = gaps.clone();
            sorted.sort_by(f64::total_cmp);
            let n = sorted.len() as f64;
            let distance = |(gap, place): (&f64, u32)| {
                let want = 1.0 - (-gap * 1000.0).exp();
                (f64::from(place) / n - want).abs().max((f64::from(place) + 1.0) / n - want)
            };
            let worst = sorted.iter().zip(0..).map(distance).fold(0.0, f64::max);
            assert!(worst < 1.95 / n.sqrt(), "{worst}");
            // Successive gaps do not depend on each other.
            let covariance: f64 = gaps.windows(2).map(|pair| (pair[0] - 0.001) * (pair[1] - 0.001)).sum();
            assert!((covariance / n / 1e-6).abs() < 0.02);
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        let some = |seed, core| -> Vec<Duration> {
            Arrivals::new(Spacing::Poisson, seed, 10.0, core, 2).take(50).collect()
        };
        assert_eq!(some(1, 0), some(1, 0));
        assert_ne!(some(1, 0), some(2, 0));
        assert_ne!(some(1, 0), some(1, 1));
    }
}
