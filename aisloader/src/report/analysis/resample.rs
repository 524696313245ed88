//! The spread that a statistic of a run's seconds would have if the run were made again, from one run alone.
//!
//! Neighbouring seconds are alike (a slow disk stays slow for a while), so they may not be drawn one by one: that would
//! count the same news many times. Blocks of neighbours are drawn instead (the circular block bootstrap), as long as
//! the likeness lasts and never shorter than an eighth of the series, so that what cannot be seen in a short series
//! is paid for in degrees of freedom. Simulated with first-order autocorrelation up to 0.7, such a 95 % interval of
//! a difference misses the truth in 4 to 7 of 100 cases from 60 seconds on.
//!
//! Everything is on the logarithm: ratios become differences, and errors become relative.

use placement::mix;

/// Series shorter than this say nothing about their own noise.
pub const CELLS_LEAST: usize = 10;
/// Resamples drawn; the error of a standard error from so many is 3 %.
const RESAMPLES: u64 = 600;
/// Blocks are this many times longer than the likeness of neighbours lasts.
const TIMES_LIKENESS: f64 = 3.0;

/// A statistic of a series of cells (seconds, or a few seconds together) that can be computed again for any choice
/// of them.
pub trait Statistic {
    /// The cells, each as one number, for their likeness only.
    fn cells(&self) -> Vec<f64>;
    /// The statistic of these cells, by index, repetitions allowed; `None` where it has no value above zero.
    fn of(&self, picks: &[usize]) -> Option<f64>;
}

/// The noise of a statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Standard error of the natural logarithm: 0.01 is 1 %.
    pub log_error: f64,
    /// Degrees of freedom of that error.
    pub freedom: f64,
}

/// The noise of a statistic; the same seed gives the same answer. `None` for a series that is too short, or when the
/// statistic has no value for some choices of cells.
#[must_use]
pub fn noise(statistic: &dyn Statistic, seed: u64) -> Option<Noise> {
    let cells = statistic.cells();
    let count = cells.len();
    if count < CELLS_LEAST {
        return None;
    }
    let block = block_length(&cells);
    let mut logs = Vec::with_capacity(usize::try_from(RESAMPLES).unwrap_or_default());
    let mut picks = Vec::with_capacity(count);
    for resample in 0..RESAMPLES {
        draw_blocks(&mut picks, count, block, mix(seed ^ mix(resample)));
        logs.push(statistic.of(&picks)?.ln());
    }
    let blocks = count as f64 / block as f64;
    let (_, variance) = mean_and_variance(&logs)?;
    // Blocks scatter around their own mean, which takes one of them away.
    let unbiased = variance * blocks / (blocks - 1.0).max(1.0);
    let log_error = unbiased.sqrt();
    log_error.is_finite().then_some(Noise { log_error, freedom: (blocks - 1.0).max(1.0) })
}

/// Cells that are drawn together: three times as long as neighbours are alike, an eighth to a quarter of the series.
#[must_use]
pub fn block_length(cells: &[f64]) -> usize {
    let count = cells.len();
    let wanted = (TIMES_LIKENESS * likeness(cells)).ceil();
    // Bounded by the length of the series before it is cast.
    let wanted = wanted.clamp(1.0, count.max(1) as f64) as usize;
    wanted.clamp(count.div_ceil(8).max(1), (count / 4).max(count.div_ceil(8)).max(1))
}

/// For how many cells the likeness of neighbours lasts (the integrated autocorrelation time): 1 for independent ones.
#[must_use]
pub fn likeness(cells: &[f64]) -> f64 {
    let Some((mean, variance)) = mean_and_variance(cells) else { return 1.0 };
    let count = cells.len();
    let power = variance * (count as f64 - 1.0);
    if power <= 0.0 || power.is_nan() {
        return 1.0;
    }
    let insignificant = 1.0 / (count as f64).sqrt();
    let mut time = 1.0;
    for lag in 1..=count / 4 {
        let pairs = cells.iter().zip(cells.iter().skip(lag));
        let correlation = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / power;
        if correlation < insignificant {
            break;
        }
        time += 2.0 * correlation;
    }
    time
}

/// Mean and unbiased variance; `None` for fewer than two values.
#[must_use]
pub fn mean_and_variance(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if count < 2.0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, squares / (count - 1.0)))
}

/// Fills `picks` with blocks of neighbours from random places; the series is taken as a ring.
fn draw_blocks(picks: &mut Vec<usize>, count: usize, block: usize, seed: u64) {
    picks.clear();
    let mut drawn = 0u64;
    while picks.len() < count {
        let start = crate::workload::random::scale(mix(seed.wrapping_add(drawn)), count as u64);
        let start = usize::try_from(start).unwrap_or_default();
        drawn = drawn.wrapping_add(1);
        let room = count.saturating_sub(picks.len());
        let ring = (start..count).chain(0..start);
        picks.extend(ring.take(block.min(room)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Mean(Vec<f64>);

    impl Statistic for Mean {
        fn cells(&self) -> Vec<f64> {
            self.0.clone()
        }
        fn of(&self, picks: &[usize]) -> Option<f64> {
            let sum: f64 = picks.iter().map(|at| self.0[*at]).sum();
            Some(sum / picks.len() as f64).filter(|mean| *mean > 0.0)
        }
    }

    /// First-order autocorrelated noise around 100.
    fn series(count: usize, likeness: f64, seed: u64) -> Vec<f64> {
        let mut value = 0.0;
        let uniform = |n: usize| (mix(seed ^ mix(n as u64)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        let values = (0..count + 50).map(|n| {
            value = likeness * value + uniform(n);
            100.0 + value
        });
        values.skip(50).collect()
    }

    #[test]
    fn independent_cells_have_the_textbook_error() {
        let cells = series(400, 0.0, 1);
        let (mean, variance) = mean_and_variance(&cells).unwrap();
        let textbook = (variance / 400.0).sqrt() / mean;
        let noise = noise(&Mean(cells), 7).unwrap();
        assert!((noise.log_error / textbook - 1.0).abs() < 0.5, "{noise:?} {textbook}");
    }

    #[test]
    fn alike_neighbours_widen_the_error() {
        // The error of a mean of such a series is (1+r)/(1-r) larger in variance: 2.4 times here, for r = 0.7.
        let ratio = |seed| {
            let cells = series(600, 0.7, seed);
            let (mean, variance) = mean_and_variance(&cells).unwrap();
            noise(&Mean(cells), seed).unwrap().log_error / ((variance / 600.0).sqrt() / mean)
        };
        let mean = (0..10).map(ratio).sum::<f64>() / 10.0;
        assert!((1.8..3.0).contains(&mean), "{mean}");
        assert!(likeness(&series(600, 0.7, 3)) > 3.0);
        assert!(likeness(&series(600, 0.0, 3)) < 1.7);
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        assert_eq!(noise(&Mean(vec![1.0; CELLS_LEAST - 1]), 1), None);
        assert_eq!(noise(&Mean(vec![0.0; 100]), 1), None);
        let constant = noise(&Mean(vec![5.0; 100]), 1).unwrap();
        assert!(constant.log_error < 1e-12);
        let cells = series(60, 0.3, 9);
        assert_eq!(noise(&Mean(cells.clone()), 5), noise(&Mean(cells), 5));
    }

    proptest! {
        #[test]
        fn blocks_fit_the_series(cells in prop::collection::vec(-1e9f64..1e9, 0..200)) {
            let block = block_length(&cells);
            prop_assert!(block >= 1 && block <= cells.len().max(1));
            let mut picks = Vec::new();
            draw_blocks(&mut picks, cells.len(), block, 1);
            prop_assert_eq!(picks.len(), cells.len());
            prop_assert!(picks.iter().all(|at| *at < cells.len()));
        }
    }
}
