//! The things that the program does beside making load: commands, named by the first word.
//!
//! * [`words`] reads their flags and files;
//! * [`compare`] judges two groups of runs, [`report`] makes a page of some.

mod compare;
mod report;
mod words;

use std::process::ExitCode;

/// The command could not be carried out: wrong words, or files that cannot be used.
const EXIT_UNUSABLE: u8 = 2;

/// A command: its name, its synopsis for the usage text, what it does with the words after its name.
struct Command {
    name: &'static str,
    synopsis: &'static str,
    run: fn(&[String]) -> Result<ExitCode, String>,
}

const COMMANDS: &[Command] = &[
    Command { name: "report", synopsis: report::SYNOPSIS, run: report::run },
    Command { name: "compare", synopsis: compare::SYNOPSIS, run: compare::run },
];

/// Carries out the command that the first word names; `None` when it names none.
#[must_use]
pub fn dispatch(words: &[String]) -> Option<ExitCode> {
    let (name, rest) = words.split_first()?;
    let command = COMMANDS.iter().find(|command| command.name == name)?;
    if rest.iter().any(|word| ["-h", "-help", "--help", "-usage"].contains(&word.as_str())) {
        println!("{}", command.synopsis);
        return Some(ExitCode::SUCCESS);
    }
    Some((command.run)(rest).unwrap_or_else(|why| {
        eprintln!("aisloader {name}: {why}");
        ExitCode::from(EXIT_UNUSABLE)
    }))
}

/// The synopses of all commands, for the usage text.
#[must_use]
pub fn synopses() -> String {
    COMMANDS.iter().map(|command| format!("{}\n", command.synopsis)).collect()
}
