//! How evenly disks are loaded, before and after what placement itself costs is taken out.

use serde::Serialize;

/// How even some values are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Balance {
    /// Largest over smallest; infinite when one is zero.
    pub max_over_min: f64,
    /// Standard deviation over mean.
    pub variation: f64,
    /// Jain's index: 1 when all are equal, 1/N when one has everything.
    pub jain: f64,
}

impl Balance {
    /// Of values that are not negative; `None` when they are all zero or there is none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let sum: f64 = values.iter().sum();
        let squares: f64 = values.iter().map(|value| value * value).sum();
        if sum <= 0.0 || values.iter().any(|value| *value < 0.0) {
            return None;
        }
        let mean = sum / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let largest = values.iter().copied().fold(0.0, f64::max);
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
        Some(Self {
            max_over_min: largest / smallest,
            variation: variance.sqrt() / mean,
            jain: sum * sum / (count * squares),
        })
    }
}

/// What each disk would have moved if placement had given every disk the same share.
///
/// `shares` add up to 1; a disk without share keeps its value.
#[must_use]
pub fn without_skew(moved: &[f64], shares: &[f64]) -> Vec<f64> {
    let disks = moved.len() as f64;
    let even = |(value, share): (&f64, &f64)| if *share > 0.0 { value / (share * disks) } else { *value };
    moved.iter().zip(shares).map(even).collect()
}

/// Max/min to be expected when chance alone sends each of `draws` requests to one of `disks` disks: imbalance of that
/// order says nothing about the server.
#[must_use]
pub fn chance(disks: usize, draws: f64) -> f64 {
    if disks < 2 || draws <= 0.0 {
        return 1.0;
    }
    let disks = disks as f64;
    // Two disks' counts differ as those of independent draws do, with a variance of N / draws of the mean.
    let spread = (disks / draws).sqrt();
    // The expected range of N normal values in standard deviations, within 5 % for N up to 16.
    let range = 1.128 + 2.0 * (disks / 2.0).log2() * 0.43;
    1.0 + range * spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::random::{Stream, draw, scale};
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        let even = Balance::of(&[5.0, 5.0, 5.0]).unwrap();
        assert_eq!((even.max_over_min, even.variation, even.jain), (1.0, 0.0, 1.0));
        let odd = Balance::of(&[1.0, 3.0]).unwrap();
        assert_eq!((odd.max_over_min, odd.variation, odd.jain), (3.0, 0.5, 0.8));
        let one = Balance::of(&[4.0, 0.0, 0.0, 0.0]).unwrap();
        assert!(one.max_over_min.is_infinite() && (one.jain - 0.25).abs() < 1e-12);
        assert_eq!(Balance::of(&[]), None);
        assert_eq!(Balance::of(&[0.0, 0.0]), None);
    }

    #[test]
    fn two_percent_of_skew_is_seen_and_taken_out() {
        let shares = [0.255, 0.25, 0.245, 0.25];
        let moved: Vec<f64> = shares.iter().map(|share| share * 1e9).collect();
        assert!(Balance::of(&moved).unwrap().max_over_min > 1.039);
        let even = Balance::of(&without_skew(&moved, &shares)).unwrap();
        assert!((even.max_over_min - 1.0).abs() < 1e-9, "{even:?}");
    }

    #[test]
    fn chance_is_what_dice_give() {
        for disks in [2usize, 4, 8] {
            let (draws, worlds) = (10_000u64, 60u64);
            let range = |world: u64| {
                let mut moved = vec![0.0; disks];
                for at in 0..draws {
                    moved[scale(draw(3, Stream::Pick, world, at), disks as u64) as usize] += 1.0;
                }
                Balance::of(&moved).unwrap().max_over_min
            };
            let mean = (0..worlds).map(range).sum::<f64>() / worlds as f64;
            let expected = chance(disks, draws as f64);
            assert!(((mean - 1.0) / (expected - 1.0) - 1.0).abs() < 0.2, "{disks}: {mean} {expected}");
        }
        assert_eq!(chance(1, 5.0), 1.0);
    }

    proptest! {
        #[test]
        fn jain_lies_between_one_over_n_and_one(values in prop::collection::vec(0.0..1e9f64, 1..17)) {
            if let Some(balance) = Balance::of(&values) {
                prop_assert!(balance.jain <= 1.0 + 1e-9 && balance.jain >= 1.0 / values.len() as f64 - 1e-9);
                prop_assert!(balance.max_over_min >= 1.0);
            }
        }
    }
}
