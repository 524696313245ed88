//! Two groups of runs side by side: what changed, and whether that can be told from noise.
//!
//! With one run on each side, the noise is that of the seconds within the runs. With more, it is how much the runs of a
//! group differ from each other, which sees also what changes from run to run only; it is taken as equal on both
//! sides, and never as less than the noise within.

use super::log::RunLog;
use super::quantity::Quantity;
use super::resample::{Noise, mean_and_variance};
use super::sample::{Measured, measure};
use super::student::{t_95, welch};
use placement::mix;

/// The judgment on B, with A as the yardstick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Better by more than the margin.
    Faster,
    /// Worse by more than the margin.
    Slower,
    /// Neither is shown.
    CannotTell,
}

impl Verdict {
    /// The verdict as it is printed.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// One figure of both groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The figure.
    pub quantity: Quantity,
    /// Geometric mean over the runs of A.
    pub a: f64,
    /// The same of B.
    pub b: f64,
    /// B over A: least and greatest that fit the data, at 95 %; an `Err` says why there is no interval.
    pub interval: Result<(f64, f64), String>,
    /// The judgment.
    pub verdict: Verdict,
    /// Why nothing can be told, where that is the verdict.
    pub remark: String,
}

impl Comparison {
    /// B over A.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.b / self.a
    }
}

/// Compares one figure. `margin` is the difference that does not matter (0.02: 2 %). `None` when a run does not have
/// the figure.
#[must_use]
pub fn compare(
    a: &[&RunLog],
    b: &[&RunLog],
    quantity: &Quantity,
    margin: f64,
    seed: u64,
) -> Option<Comparison> {
    let (a, b) = (Group::new(a, quantity, mix(seed))?, Group::new(b, quantity, mix(seed ^ 1))?);
    let interval = interval(&a, &b);
    let (verdict, remark) = match &interval {
        Ok(bounds) => judge(*bounds, quantity.is_more_better(), margin),
        Err(why) => (Verdict::CannotTell, why.clone()),
    };
    let quantity = quantity.clone();
    Some(Comparison { quantity, a: a.mean_log().exp(), b: b.mean_log().exp(), interval, verdict, remark })
}

/// The runs of one side, on the logarithm.
struct Group {
    logs: Vec<f64>,
    noises: Vec<Result<Noise, String>>,
}

impl Group {
    fn new(runs: &[&RunLog], quantity: &Quantity, seed: u64) -> Option<Self> {
        let take = |(number, run): (usize, &&RunLog)| measure(run, quantity, mix(seed ^ number as u64));
        let measured: Vec<Measured> = runs.iter().enumerate().map(take).collect::<Option<_>>()?;
        let logs = measured.iter().map(|run| run.value.ln()).collect();
        Some(Self { logs, noises: measured.into_iter().map(|run| run.noise).collect() })
            .filter(|group| !group.logs.is_empty())
    }

    fn runs(&self) -> f64 {
        self.logs.len() as f64
    }

    fn mean_log(&self) -> f64 {
        self.logs.iter().sum::<f64>() / self.runs()
    }

    /// Sum of squared deviations, and how many of them are free.
    fn scatter(&self) -> (f64, f64) {
        let freedom = self.runs() - 1.0;
        (mean_and_variance(&self.logs).map_or(0.0, |(_, variance)| variance * freedom), freedom)
    }

    /// Error of the mean that the noise within the runs alone makes, and its degrees of freedom.
    fn within(&self) -> Result<(f64, f64), String> {
        let noises: Vec<Noise> = self.noises.iter().cloned().collect::<Result<_, _>>()?;
        let variance: f64 = noises.iter().map(|noise| noise.log_error.powi(2)).sum();
        let freedom = noises.iter().map(|noise| noise.freedom).sum();
        Ok((variance.sqrt() / self.runs(), freedom))
    }
}

fn interval(a: &Group, b: &Group) -> Result<(f64, f64), String> {
    let within = a.within().and_then(|a| Ok((a, b.within()?)));
    let ((square_a, free_a), (square_b, free_b)) = (a.scatter(), b.scatter());
    let freedom = free_a + free_b;
    let (error, freedom) = if freedom > 0.0 {
        let between = ((square_a + square_b) / freedom * (1.0 / a.runs() + 1.0 / b.runs())).sqrt();
        // Runs that happen to agree better than their own seconds do prove nothing.
        (between.max(within.map_or(0.0, |(a, b)| a.0.hypot(b.0))), freedom)
    } else {
        let (a, b) = within?;
        (a.0.hypot(b.0), welch(a, b))
    };
    let (difference, reach) = (b.mean_log() - a.mean_log(), t_95(freedom) * error);
    Ok(((difference - reach).exp(), (difference + reach).exp()))
}

/// The verdict, and what to say when there is none. A difference counts when the whole interval lies beyond the margin.
fn judge((low, high): (f64, f64), is_more_better: bool, margin: f64) -> (Verdict, String) {
    let (more, less) =
        if is_more_better { (Verdict::Faster, Verdict::Slower) } else { (Verdict::Slower, Verdict::Faster) };
    let limit = 1.0 + margin;
    if low > limit {
        return (more, String::new());
    }
    if high < 1.0 / limit {
        return (less, String::new());
    }
    let percent = margin * 100.0;
    let remark = if low >= 1.0 / limit && high <= limit {
        format!("the difference, if there is one, is within {percent} %")
    } else if low > 1.0 || high < 1.0 {
        format!("there is a difference, but it may be within {percent} %")
    } else {
        let reach = ((high / low).sqrt() - 1.0) * 100.0;
        format!("the noise hides differences below {reach:.1} %")
    };
    (Verdict::CannotTell, remark)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
