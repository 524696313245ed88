//! `aisloader agent`: makes load when a coordinator asks for it.
//!
//! * `options` are its flags;
//! * `serve` listens, and sees to it that not too much happens at once, nor for ever;
//! * `job` is one run.

mod job;
mod options;
mod serve;

use options::Options;
use std::io::Write;
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

/// A line for whoever watches. Nobody has to.
fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
