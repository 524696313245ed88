//! Quantiles as people read them, marked where they are guesses.

use crate::flags::units::show_duration_ns;
use crate::recorder::Latency;

/// Fewer samples than this beyond a quantile make it a guess.
pub(super) const SAMPLES_SOUND: u64 = 100;

/// A quantile, behind a mark where it is a guess.
pub(super) fn quantile(latency: &Latency, quantile: f64) -> String {
    let mark = if beyond(latency, quantile) { "~" } else { "" };
    format!("{mark}{}", show_duration_ns(latency.quantile_ns(quantile)))
}

/// True when a quantile is a guess.
pub(super) fn beyond(latency: &Latency, quantile: f64) -> bool {
    latency.samples_beyond(quantile) < SAMPLES_SOUND
}
