//! Steps as people read them.

use super::end::SweepEnd;
use super::step::Step;
use crate::flags::units::{show_duration_ns, show_size};
use crate::settings::Sweep;

/// Fewer samples than this beyond a quantile make it a guess.
const SAMPLES_SOUND: u64 = 100;

/// The lines above the steps.
pub(super) fn head(sweep: &Sweep, loop_shown: &str) -> String {
    let promise = sweep.slo.as_ref().map_or("none".to_owned(), |slo| slo.shown());
    let step = show_duration_ns(u64::try_from(sweep.step.as_nanos()).unwrap_or(u64::MAX));
    format!(
        "{loop_shown}; steps of {step}; promise: {promise}; latency from when operations were due\n{:>12} {:>12} {:>14} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8}  verdict\n",
        "rate", "achieved", "throughput", "p50", "p99", "p99.9", "late p99", "dropped", "errors"
    )
}

/// One step.
pub(super) fn row(step: &Step) -> String {
    let verdict = match step.is_met {
        None => String::new(),
        Some(true) => "kept".to_owned(),
        Some(false) => format!("broken: {}", step.why),
    };
    let guess = if step.samples_beyond_p999 < SAMPLES_SOUND { "~" } else { "" };
    let line = format!(
        "{:>10.1}/s {:>10.1}/s {:>14} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8}  {verdict}",
        step.rate,
        step.achieved,
        format!("{}/s", show_size(step.bytes_per_s)),
        show_duration_ns(step.p50_ns),
        show_duration_ns(step.p99_ns),
        format!("{guess}{}", show_duration_ns(step.p999_ns)),
        show_duration_ns(step.late_p99_ns),
        step.dropped,
        step.errors,
    );
    format!("{}\n", line.trim_end())
}

/// The line below the steps.
pub(super) fn foot(sweep: &Sweep, end: &SweepEnd) -> String {
    let interrupted = if end.is_interrupted { " (interrupted)" } else { "" };
    match (&sweep.slo, end.best) {
        (None, _) => format!("{} steps{interrupted}\n", end.steps.len()),
        (Some(_), Some(best)) => {
            format!(
                "Highest rate that kept the promise: {best:.1} ops/s, {} steps{interrupted}\n",
                end.steps.len()
            )
        }
        (Some(_), None) => format!("No rate kept the promise, {} steps{interrupted}\n", end.steps.len()),
    }
}
