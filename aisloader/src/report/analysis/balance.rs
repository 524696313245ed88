//! How even a load is over its places.

/// Evenness of a load; all figures are of the places that are known, idle ones included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// How many places there are.
    pub places: usize,
    /// The least load.
    pub least: f64,
    /// The greatest.
    pub most: f64,
    /// The mean.
    pub mean: f64,
    /// Standard deviation over mean.
    pub variation: f64,
    /// Jain's index: (sum)^2 / (n x sum of squares); 1 is perfectly even, 1/n is all in one place.
    pub jain: f64,
}

impl Balance {
    /// Of the loads of all places; `None` when there are none, or nothing is loaded.
    #[must_use]
    pub fn of(loads: &[f64]) -> Option<Self> {
        let places = loads.len();
        let count = places as f64;
        let sum: f64 = loads.iter().sum();
        let squares: f64 = loads.iter().map(|load| load * load).sum();
        if places == 0 || sum <= 0.0 || !squares.is_finite() {
            return None;
        }
        let mean = sum / count;
        let variance = loads.iter().map(|load| (load - mean).powi(2)).sum::<f64>() / count;
        Some(Self {
            places,
            least: loads.iter().copied().fold(f64::INFINITY, f64::min),
            most: loads.iter().copied().fold(0.0, f64::max),
            mean,
            variation: variance.sqrt() / mean,
            jain: sum * sum / (count * squares),
        })
    }

    /// Greatest over least load; infinite when a place is idle.
    #[must_use]
    pub fn most_over_least(&self) -> f64 {
        if self.least > 0.0 { self.most / self.least } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let even = Balance::of(&[3.0; 8]).unwrap();
        assert_eq!((even.jain, even.variation, even.most_over_least()), (1.0, 0.0, 1.0));
        let one = Balance::of(&[5.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(one.jain, 0.25);
        assert!(one.most_over_least().is_infinite());
        let two = Balance::of(&[1.0, 3.0]).unwrap();
        assert_eq!((two.mean, two.variation, two.jain, two.most_over_least()), (2.0, 0.5, 0.8, 3.0));
        assert_eq!(Balance::of(&[]), None);
        assert_eq!(Balance::of(&[0.0, 0.0]), None);
    }
}
