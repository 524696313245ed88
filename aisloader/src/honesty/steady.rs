//! When a run had warmed up, and whether it was steady from then on: by tests over its seconds, not by a guess.
//!
//! The end of the warm-up is where the marginal standard error of what remains is least (White's MSER; over means of
//! five seconds when there are many). The rest is steady when it neither drifts nor jumps about.

/// Fewer seconds than this say nothing.
pub const SECONDS_LEAST: usize = 8;
/// Means of five seconds are looked at when there are so many: MSER-5.
const BATCHED_FROM: usize = 50;
const BATCH: usize = 5;
/// Drift over the whole part, of its mean, that a steady run may have.
const DRIFT_MAX: f64 = 0.10;
/// A drift is one only if its slope is so many times its standard error.
const DRIFT_SIGNIFICANT: f64 = 2.5;
/// Standard deviation of seconds, of their mean, that a steady run may have.
const VARIATION_MAX: f64 = 0.30;

/// The result of the tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Steadiness {
    /// Seconds of warm-up, which are left out.
    pub warmup_s: usize,
    /// The outcome.
    pub finding: Finding,
    /// The same for people, with the figures.
    pub text: String,
}

/// The outcome of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The part after the warm-up is steady.
    Steady,
    /// It is not.
    NotSteady,
    /// The run was too short to tell.
    TooShort,
    /// Nobody asked.
    NotTested,
}

/// Looks for the end of the warm-up in payload (or operations) per second.
#[must_use]
pub fn find(rates: &[f64]) -> Steadiness {
    if rates.len() < SECONDS_LEAST {
        return too_short(0, rates.len());
    }
    let batch = if rates.len() >= BATCHED_FROM { BATCH } else { 1 };
    let means: Vec<f64> = rates.chunks_exact(batch).map(mean).collect();
    let last = means.len().div_euclid(2);
    let cut = mser(&means, last);
    let name = if batch == 1 { "MSER" } else { "MSER-5" };
    let warmup_s = cut.saturating_mul(batch);
    if cut == last {
        let text = format!("{name}: still warming up after {warmup_s} of {} s", rates.len());
        return Steadiness { warmup_s: 0, finding: Finding::NotSteady, text };
    }
    let judged = judge(rates, warmup_s);
    let text = format!("{name} ends the warm-up after {warmup_s} of {} s; {}", rates.len(), judged.text);
    // No part of a run that is not steady is better than the others.
    let warmup_s = if judged.finding == Finding::Steady { warmup_s } else { 0 };
    Steadiness { warmup_s, finding: judged.finding, text }
}

/// Judges what remains after a warm-up that the user has set.
#[must_use]
pub fn judge(rates: &[f64], warmup_s: usize) -> Steadiness {
    let part = rates.get(warmup_s..).unwrap_or_default();
    if part.len() < SECONDS_LEAST {
        return too_short(warmup_s, part.len());
    }
    let (drift, significance, variation) = shape(part);
    let figures = format!("drift {:+.1} %, variation {:.1} %", drift * 100.0, variation * 100.0);
    let is_drifting = drift.abs() > DRIFT_MAX && significance > DRIFT_SIGNIFICANT;
    let (finding, word) = if is_drifting || variation > VARIATION_MAX {
        (Finding::NotSteady, "not steady")
    } else {
        (Finding::Steady, "steady")
    };
    Steadiness { warmup_s, finding, text: format!("{word} over {} s: {figures}", part.len()) }
}

fn too_short(warmup_s: usize, seconds: usize) -> Steadiness {
    let text = format!("{seconds} whole seconds are too few to test for a steady state: {SECONDS_LEAST}");
    Steadiness { warmup_s, finding: Finding::TooShort, text }
}

/// Where to cut, at most at `last`: there the squared standard error of the remaining mean is least.
fn mser(means: &[f64], last: usize) -> usize {
    let error = |cut: usize| {
        let part = means.get(cut..).unwrap_or_default();
        variance_sum(part) / (part.len() as f64).powi(2)
    };
    (0..=last).map(|cut| (cut, error(cut))).min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(cut, _)| cut)
}

/// Drift over the part of its mean, the slope in standard errors, and the variation of the part.
fn shape(part: &[f64]) -> (f64, f64, f64) {
    let (count, level) = (part.len() as f64, mean(part));
    if level <= 0.0 {
        // Nothing moves: a run of failures is as unsteady as it can be.
        return (0.0, 0.0, f64::INFINITY);
    }
    let middle = (count - 1.0) / 2.0;
    let places = || part.iter().enumerate().map(|(at, value)| (at as f64 - middle, value - level));
    let spread: f64 = places().map(|(x, _)| x * x).sum();
    let slope = places().map(|(x, y)| x * y).sum::<f64>() / spread;
    let residual: f64 = places().map(|(x, y)| (y - slope * x).powi(2)).sum();
    let slope_error = (residual / (count - 2.0) / spread).sqrt();
    let significance = if slope_error > 0.0 { slope.abs() / slope_error } else { f64::INFINITY };
    let variation = (variance_sum(part) / count).sqrt() / level;
    (slope * count / level, significance, variation)
}

fn mean(part: &[f64]) -> f64 {
    part.iter().sum::<f64>() / (part.len() as f64).max(1.0)
}

fn variance_sum(part: &[f64]) -> f64 {
    let level = mean(part);
    part.iter().map(|value| (value - level).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value up to 5 % from a level, the same every time.
    fn noisy(level: f64, at: usize) -> f64 {
        let noise = (placement::mix(at as u64) >> 40) as f64 / (1u64 << 24) as f64;
        level * (1.0 + 0.1 * (noise - 0.5))
    }

    #[test]
    fn a_planted_warm_up_is_found() {
        for (warmup_s, whole_s) in [(0usize, 30usize), (5, 30), (10, 40), (20, 120)] {
            let rates: Vec<f64> = (0..whole_s)
                .map(|at| if at < warmup_s { noisy(20.0 + at as f64, at) } else { noisy(100.0, at) })
                .collect();
            let found = find(&rates);
            assert_eq!(found.finding, Finding::Steady, "{found:?}");
            assert!(found.warmup_s >= warmup_s && found.warmup_s <= warmup_s + 8, "{warmup_s}: {found:?}");
        }
    }

    #[test]
    fn what_never_settles_is_not_steady() {
        let growing: Vec<f64> = (0..60).map(|at| noisy(100.0 + 3.0 * at as f64, at)).collect();
        assert_eq!(find(&growing).finding, Finding::NotSteady);
        let falling: Vec<f64> = (0..30).map(|at| noisy(100.0 - 1.5 * at as f64, at)).collect();
        assert_eq!(judge(&falling, 5).finding, Finding::NotSteady);
        let jumping: Vec<f64> = (0..40).map(|at| if at % 4 < 2 { 100.0 } else { 20.0 }).collect();
        assert_eq!(find(&jumping).finding, Finding::NotSteady);
        assert_eq!(find(&[0.0; 20]).finding, Finding::NotSteady);
    }

    #[test]
    fn an_even_run_is_steady_and_a_short_one_says_nothing() {
        assert_eq!(find(&[5.0; 20]).finding, Finding::Steady);
        assert_eq!(find(&[5.0; 20]).warmup_s, 0);
        assert_eq!(find(&[5.0; SECONDS_LEAST - 1]).finding, Finding::TooShort);
        assert_eq!(judge(&[5.0; 20], 15).finding, Finding::TooShort);
        assert_eq!(judge(&[5.0; 20], 100).finding, Finding::TooShort);
        assert_eq!(find(&[]).finding, Finding::TooShort);
    }
}
