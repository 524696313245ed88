//! The choice of the rate to try next.

/// Close enough: the lowest rate that failed is at most this much above the highest that did not.
const PRECISION: f64 = 1.05;
const RATE_MIN: f64 = 1.0;
const RATE_MAX: f64 = 1e8;

/// A search for the highest rate that passes: doubling until one fails, then bisection on a scale of ratios.
#[derive(Clone, Copy, Debug, Default)]
pub struct Knee {
    passed: Option<f64>,
    failed: Option<f64>,
}

impl Knee {
    /// The rate to try next; `None` when the knee is known, or outside of all bounds.
    #[must_use]
    pub fn next(&self, start: f64) -> Option<f64> {
        let rate = match (self.passed, self.failed) {
            (None, None) => start,
            (Some(passed), None) => passed * 2.0,
            (None, Some(failed)) => failed / 2.0,
            (Some(passed), Some(failed)) if failed / passed > PRECISION => (passed * failed).sqrt(),
            (Some(_), Some(_)) => return None,
        };
        (RATE_MIN..=RATE_MAX).contains(&rate).then_some(rate)
    }

    /// Notes what came out at a rate.
    pub fn learn(&mut self, rate: f64, has_passed: bool) {
        let side = if has_passed { &mut self.passed } else { &mut self.failed };
        *side = Some(rate);
    }

    /// The highest rate that passed.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rate found, and how many tries that took.
    fn find(start: f64, passes: impl Fn(f64) -> bool) -> (Option<f64>, u32) {
        let (mut knee, mut tries) = (Knee::default(), 0);
        while let Some(rate) = knee.next(start) {
            knee.learn(rate, passes(rate));
            tries += 1;
            assert!(tries < 100);
        }
        (knee.best(), tries)
    }

    #[test]
    fn the_knee_of_a_queue_is_found() {
        // M/M/1 that serves 1,000/s: 99% stay at most ln(100)/(1000 - rate) seconds; 20 ms is kept below 769.7/s.
        let knee = 1000.0 - 100f64.ln() / 0.020;
        let passes = |rate: f64| rate < 1000.0 && 100f64.ln() / (1000.0 - rate) <= 0.020;
        for start in [1.0, 100.0, 700.0, 5000.0, 1e6] {
            let (best, tries) = find(start, passes);
            let best = best.unwrap();
            assert!(best <= knee && best * 1.05 >= knee, "{start}: {best}");
            assert!(tries <= 20, "{start}: {tries}");
        }
    }

    #[test]
    fn a_search_without_a_knee_ends() {
        assert_eq!(find(100.0, |_| false).0, None);
        assert!(find(100.0, |_| true).0.unwrap() > 5e7);
    }
}
