//! A run, judged.

use super::evidence::Evidence;
use super::rules;
use super::verdict::Verdict;
use crate::settings::Terms;

/// The facts about a run and the verdict on it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The facts.
    pub evidence: Evidence,
    /// The verdict on them.
    pub verdict: Verdict,
    /// Exit code of the rules; 0: none refuses.
    pub exit_code: u8,
}

impl Judgement {
    /// Applies the rules.
    #[must_use]
    pub fn new(evidence: Evidence, terms: &Terms) -> Self {
        let (verdict, exit_code) = rules::judge(&evidence, terms);
        Self { evidence, verdict, exit_code }
    }
}
