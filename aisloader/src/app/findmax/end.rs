//! The outcome of a sweep.

use super::step::Step;
use serde::Serialize;

/// All steps of a sweep and the best rate.
#[derive(Clone, Debug, Serialize)]
pub struct SweepEnd {
    /// In the order of the measurements.
    pub steps: Vec<Step>,
    /// The highest rate that kept the promise.
    pub best: Option<f64>,
    /// True when the user ended it.
    pub is_interrupted: bool,
}
