//! The balance of a load over its places.

use serde::Serialize;

/// Evenness of a load; all figures are of the known places, idle ones included. Serialized figures have no unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Balance {
    /// The mean load.
    #[serde(skip)]
    pub mean: f64,
    /// Greatest over least load; infinite when a place is idle.
    pub max_over_min: f64,
    /// Standard deviation over mean.
    pub variation: f64,
    /// Jain's index: (sum)^2 / (n x sum of squares); 1 is perfectly even, 1/n is all in one place.
    pub jain: f64,
}

impl Balance {
    /// The balance of the loads of all places, none of them negative; `None` when there are none, or nothing is loaded.
    #[must_use]
    pub fn of(loads: &[f64]) -> Option<Self> {
        let count = loads.len() as f64;
        let sum: f64 = loads.iter().sum();
        let squares: f64 = loads.iter().map(|load| load * load).sum();
        if sum <= 0.0 || !squares.is_finite() || loads.iter().any(|load| *load < 0.0) {
            return None;
        }
        let mean = sum / count;
        let variance = loads.iter().map(|load| (load - mean).powi(2)).sum::<f64>() / count;
        let most = loads.iter().copied().fold(0.0, f64::max);
        let least = loads.iter().copied().fold(f64::INFINITY, f64::min);
        Some(Self {
            mean,
            max_over_min: most / least,
            variation: variance.sqrt() / mean,
            jain: sum * sum / (count * squares),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        let even = Balance::of(&[3.0; 8]).unwrap();
        assert_eq!((even.jain, even.variation, even.max_over_min), (1.0, 0.0, 1.0));
        let one = Balance::of(&[5.0, 0.0, 0.0, 0.0]).unwrap();
        assert!(one.max_over_min.is_infinite() && one.jain == 0.25);
        let two = Balance::of(&[1.0, 3.0]).unwrap();
        assert_eq!((two.mean, two.variation, two.jain, two.max_over_min), (2.0, 0.5, 0.8, 3.0));
        for nothing in [[].as_slice(), &[0.0, 0.0], &[2.0, -1.0], &[f64::INFINITY]] {
            assert_eq!(Balance::of(nothing), None);
        }
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
