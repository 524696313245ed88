//! Runs as the page calls them.

use crate::report::analysis::log::RunLog;

/// A run with the letter and the tone that it has on the whole page.
#[derive(Clone, Debug)]
pub struct Named<'l> {
    /// Its letter.
    pub name: String,
    /// Its colour and mark.
    pub tone: usize,
    /// The log of the run.
    pub log: &'l RunLog,
}

impl<'l> Named<'l> {
    /// The runs, in the order in which they are given.
    #[must_use]
    pub fn all(logs: &'l [RunLog]) -> Vec<Self> {
        logs.iter().enumerate().map(|(tone, log)| Self { name: letter(tone), tone, log }).collect()
    }
}

/// A, B, ... Z, then numbers.
fn letter(number: usize) -> String {
    let letter = u8::try_from(number).ok().filter(|number| *number < 26).map(|n| char::from(b'A' + n));
    letter.map_or_else(|| format!("#{}", number.saturating_add(1)), String::from)
}
