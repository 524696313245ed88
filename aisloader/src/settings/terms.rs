//! `-allow`, `-hot` and `-max-errors`: what the user says about the rules of admissible runs.

use crate::flags::{FlagError, Parsed};
use serde::Serialize;
use std::collections::BTreeSet;

/// The names of the rules that [`honesty`](crate::honesty) judges by.
pub const RULES: [&str; 9] = [
    "verification",
    "agents",
    "errors",
    "client-saturated",
    "cache",
    "not-steady",
    "too-short",
    "clock-step",
    "steal",
];

/// The user's terms on the rules.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Terms {
    /// Rules that may be broken.
    pub allowed: BTreeSet<String>,
    /// A working set in memory is what is asked for.
    pub is_hot: bool,
    /// Share of operations that may fail.
    pub errors_max: f64,
}

impl Terms {
    /// Reads the flags.
    ///
    /// # Errors
    /// The flag whose value is wrong.
    pub fn new(flags: &Parsed) -> Result<Self, FlagError> {
        let text = flags.text("max-errors");
        let share = text.trim_end_matches('%').parse::<f64>().ok().filter(|pct| (0.0..=100.0).contains(pct));
        let Some(pct) = share else {
            return Err(FlagError(format!("-max-errors: {text:?} is not a percentage such as 1 or 0.5%")));
        };
        let allowed = Self::allow(flags.text("allow")).map_err(|why| FlagError(format!("-allow: {why}")))?;
        Ok(Self { allowed, is_hot: flags.boolean("hot"), errors_max: pct / 100.0 })
    }

    /// Reads the names of rules, separated by commas.
    ///
    /// # Errors
    /// The first name that is no rule.
    pub fn allow(text: &str) -> Result<BTreeSet<String>, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = |name: &str| match RULES.contains(&name) {
            true => Ok(name.to_owned()),
            false => Err(format!("{name:?} is none of {}", RULES.join(", "))),
        };
        names.map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_allowed_by_their_names() {
        assert_eq!(Terms::allow(" steal, cache,").unwrap().len(), 2);
        assert!(Terms::allow("steal,nonsense").unwrap_err().contains("\"nonsense\""));
    }
}
