//! Whether a run's figures may be quoted, and what they are figures of.
//!
//! * [`witness`] watches a run: its seconds ([`series`]), the clock ([`clock`]), this machine ([`machine`]), and the
//!   server as far as it tells or is here ([`server`]);
//! * what it saw is [`evidence`], of several loaders that of each ([`agents`]), of which [`steady`] finds the part that counts, [`limit`] what limited the run, and
//!   [`rules`] what speaks against it;
//! * [`text`] says so.

pub mod agents;
pub mod clock;
pub mod evidence;
pub mod host;
pub mod limit;
pub mod machine;
pub mod rules;
pub mod series;
pub mod server;
pub mod steady;
pub mod text;
pub mod verdict;
pub mod witness;

use crate::settings::Terms;
use evidence::Evidence;
use verdict::Verdict;

/// What is known about a run and what to think of it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What is known.
    pub evidence: Evidence,
    /// What to think of it.
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
