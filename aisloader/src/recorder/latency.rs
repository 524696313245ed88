//! A distribution of latencies.

use super::cells::{Cell, cells, filled};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Latencies are kept between a microsecond and an hour, to three digits.
const LEAST_NS: u64 = 1_000;
const MOST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// A distribution of latencies. Empty ones cost nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Latency {
    histogram: Option<Histogram<u64>>,
    sum_ns: u128,
    min_ns: Option<u64>,
    max_ns: u64,
}

impl Latency {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns = self.sum_ns.saturating_add(u128::from(ns));
        self.min_ns = Some(self.min_ns.map_or(ns, |least| least.min(ns)));
        self.max_ns = self.max_ns.max(ns);
        if self.histogram.is_none() {
            self.histogram = empty();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(ns.max(LEAST_NS));
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.min_ns = [self.min_ns, other.min_ns].into_iter().flatten().min();
        self.max_ns = self.max_ns.max(other.max_ns);
        match (&mut self.histogram, &other.histogram) {
            (Some(mine), Some(theirs)) => {
                // Same bounds on both sides, so every value fits.
                let _ = mine.add(theirs);
            }
            (None, Some(theirs)) => self.histogram = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// All of them in nanoseconds; `None` when there are none.
    #[must_use]
    pub fn histogram(&self) -> Option<&Histogram<u64>> {
        self.histogram.as_ref()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The latency that the share `quantile` of all does not exceed.
    #[must_use]
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let value = self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile));
        // A bucket's upper edge may lie beyond what was ever measured.
        value.min(self.max_ns)
    }

    /// The number of samples beyond a quantile: under 100, the quantile is a guess.
    #[must_use]
    pub fn samples_beyond(&self, quantile: f64) -> u64 {
        (self.count() as f64 * (1.0 - quantile)).round() as u64
    }

    /// The least.
    #[must_use]
    pub fn min_ns(&self) -> u64 {
        self.min_ns.unwrap_or(0)
    }

    /// The greatest.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The mean, exact.
    #[must_use]
    pub fn mean_ns(&self) -> u64 {
        let mean = self.sum_ns.checked_div(u128::from(self.count())).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}

/// A distribution on its way between programs.
#[derive(Serialize, Deserialize)]
struct Form {
    sum_ns: u64,
    min_ns: Option<u64>,
    max_ns: u64,
    cells: Vec<Cell>,
}

impl From<Latency> for Form {
    fn from(latency: Latency) -> Self {
        Self {
            // A second has too few nanoseconds of waiting to come near the bound, on any number of workers.
            sum_ns: u64::try_from(latency.sum_ns).unwrap_or(u64::MAX),
            min_ns: latency.min_ns,
            max_ns: latency.max_ns,
            cells: latency.histogram.as_ref().map(cells).unwrap_or_default(),
        }
    }
}

impl From<Form> for Latency {
    fn from(form: Form) -> Self {
        Self {
            histogram: filled(empty(), &form.cells),
            sum_ns: u128::from(form.sum_ns),
            min_ns: form.min_ns,
            max_ns: form.max_ns,
        }
    }
}

fn empty() -> Option<Histogram<u64>> {
    // The bounds are constants that fit; were they wrong, counts and sums would still be right.
    Histogram::new_with_bounds(LEAST_NS, MOST_NS, DIGITS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut latency = Latency::default();
        for ms in 1..=1000 {
            latency.record(Duration::from_millis(ms));
        }
        for (quantile, want_ms) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let got = latency.quantile_ns(quantile) as f64 / 1e6;
            assert!((got / want_ms - 1.0).abs() < 0.002, "{quantile}: {got}");
        }
        assert_eq!(latency.mean_ns(), 500_500_000);
        assert_eq!((latency.min_ns(), latency.max_ns()), (1_000_000, 1_000_000_000));
        assert_eq!(latency.samples_beyond(0.99), 10);
    }

    #[test]
    fn merging_is_the_same_as_recording_together() {
        let (mut a, mut b, mut all) = (Latency::default(), Latency::default(), Latency::default());
        for n in 0..10_000u64 {
            let latency = Duration::from_nanos(placement::mix(n) >> 36);
            if n % 3 == 0 {
                a.record(latency)
            } else {
                b.record(latency)
            };
            all.record(latency);
        }
        a.merge(&b);
        for quantile in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            assert_eq!(a.quantile_ns(quantile), all.quantile_ns(quantile));
        }
        assert_eq!(
            (a.count(), a.mean_ns(), a.min_ns(), a.max_ns()),
            (10_000, all.mean_ns(), all.min_ns(), all.max_ns())
        );
        let mut from_nothing = Latency::default();
        from_nothing.merge(&all);
        assert_eq!(from_nothing.quantile_ns(0.5), all.quantile_ns(0.5));
        assert_eq!(Latency::default().quantile_ns(0.5), 0);
    }

    #[test]
    fn what_travels_arrives() {
        let mut latency = Latency::default();
        for n in 0..10_000u64 {
            latency.record(Duration::from_nanos(placement::mix(n) >> 20));
        }
        let text = serde_json::to_string(&latency).unwrap();
        let back: Latency = serde_json::from_str(&text).unwrap();
        assert_eq!(back.histogram(), latency.histogram());
        assert_eq!(
            (back.count(), back.mean_ns(), back.min_ns(), back.max_ns()),
            (10_000, latency.mean_ns(), latency.min_ns(), latency.max_ns())
        );
        let none: Latency =
            serde_json::from_str(&serde_json::to_string(&Latency::default()).unwrap()).unwrap();
        assert!(none.is_empty() && none.histogram().is_none());
    }
}
