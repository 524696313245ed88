//! What a sweep comes to.

use super::step::Step;
use serde::Serialize;

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct SweepEnd {
    /// In the order of the measurements.
    pub steps: Vec<Step>,
    /// The highest rate that kept the promise.
    pub best: Option<f64>,
    /// True when the user ended it.
    pub is_interrupted: bool,
}
