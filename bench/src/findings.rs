//! The findings of a scenario of consecutive parts: figures of each part, without contenders and rounds.

use crate::error::Result;
use crate::figures::Figures;
use crate::report::{frame, numbers, save, short};
use crate::scenario::Context;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;

/// A part of a scenario.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// The command that was run, for the record.
    pub(crate) command: String,
    pub(crate) figures: Figures,
}

/// All of them, in the order in which they were run.
pub(crate) struct Findings {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    /// The servers' settings.
    pub(crate) servers: Vec<String>,
    pub(crate) parts: Vec<Part>,
}

impl Findings {
    /// Adds a part, and tells who waits.
    pub(crate) fn add(&mut self, name: &'static str, command: String, figures: Figures) {
        eprintln!("done: {name}");
        self.parts.push(Part { name, command, figures });
    }
}

impl Part {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.name);
        for (name, value) in &self.figures {
            // A String takes everything.
            let _ = writeln!(text, "  {name:<34} {:>14}", short(*value));
        }
        text
    }
}

/// Prints the parts and writes the result file.
pub(crate) fn publish(findings: &Findings, context: &Context) -> Result<()> {
    let texts: String = findings.parts.iter().map(Part::text).collect();
    let text = format!("\n{}: {}\n{texts}", findings.scenario, findings.what);
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| format!("standard output: {e}"))?;
    let mut document = frame(findings.scenario, &findings.what, &findings.servers, context);
    document.insert("parts".to_owned(), findings.parts.iter().map(part).collect());
    save(&context.result_path(findings.scenario), &Value::Object(document))
}

fn part(part: &Part) -> Value {
    json!({"name": part.name, "command": part.command, "figures": numbers(&part.figures)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_for_people_and_for_programs() {
        let figures = Figures::from([("ready_s", 0.123_456_789), ("names", 1e6)]);
        let one = Part { name: "start", command: "aisnode".to_owned(), figures };
        assert_eq!(one.text().lines().next(), Some("start"));
        assert!(one.text().contains("1000000") && one.text().contains("0.1235"));
        let figures = json!({"ready_s": 0.123_457, "names": 1e6});
        assert_eq!(part(&one), json!({"name": "start", "command": "aisnode", "figures": figures}));
    }
}
