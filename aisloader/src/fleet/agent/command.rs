//! The agent as a command.

use super::options::{self, Options};
use super::serve;
use std::process::ExitCode;

/// The command line is wrong.
const EXIT_USAGE: u8 = 2;

/// Serves until it is told to end; `words` are the arguments after `agent`.
#[must_use]
pub fn main(words: &[String]) -> ExitCode {
    let options = match Options::parse(words) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::usage());
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("aisloader agent: {why}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match serve::serve(&std::sync::Arc::new(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("aisloader agent: {e}");
            ExitCode::FAILURE
        }
    }
}
