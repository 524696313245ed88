//! The scaling proof: does throughput grow as the number of disks, and if not, why not?
//!
//! `aisloader scale` builds N disks of known speed (files, loop devices, a throttle in a control group), runs the server
//! on them, and compares in turns what the loader gets from the server with what fio gets from the same disks. The one
//! design decision: **everything that decides is pure, and everything that touches the machine only measures**. So the
//! judge is tested with simulated machines whose faults are known, and the same faults can be planted in reality.
//!
//! * Pure: [`model`] is what was measured, [`queueing`] and [`balance`] take out what is not the server's doing, [`usl`]
//!   fits the law, [`figures`] makes the table's rows, [`verdict`] judges them, [`picture`] draws and [`report`] prints them.
//! * Impure: [`measure`] is the experiment, on [`devices`] in the groups of [`throttle`], with [`fio`], [`server`] and
//!   [`loader`] as processes; [`ledger`] gives everything back.
//! * [`options`] are the flags, [`faults`] what can be planted.

pub mod balance;
mod devices;
pub mod faults;
pub mod figures;
mod fio;
mod ledger;
mod loader;
mod measure;
pub mod model;
pub mod options;
pub mod picture;
mod process;
pub mod queueing;
pub mod report;
mod server;
mod throttle;
pub mod usl;
pub mod verdict;

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod verdict_tests;

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The proof failed, or could not be made.
const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
const EXIT_USAGE: u8 = 2;
/// Worlds that the bootstrap draws.
const WORLDS: u64 = 4000;

/// Why the experiment could not be made, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// The outcome of a part of the experiment.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    fn interrupted() -> Self {
        Self("interrupted".to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Names the file that an error is about.
fn at(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |e| Failure(format!("{}: {e}", path.display()))
}

/// Runs `aisloader scale`; `words` are the arguments after that.
#[must_use]
pub fn main(words: &[String]) -> ExitCode {
    let options = match options::Options::parse(words) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::usage());
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("aisloader scale: {e}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match prove(&options, words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(e) => {
            eprintln!("aisloader scale: {e}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// Measures, judges, reports. True when the line is straight, or when the planted fault was caught.
fn prove(options: &options::Options, words: &[String]) -> Result<bool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let failed = |e: io::Error| Failure(format!("signals: {e}"));
        // The second one ends the program at once; the next run then clears up.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))
            .map_err(failed)?;
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(failed)?;
    }
    let experiment = measure::experiment(options, &interrupted, &mut |what| eprintln!("{what}"))?;
    let rows = figures::rows(&experiment);
    let estimate = usl::estimate(&figures::points(&experiment), WORLDS, options.seed);
    let evidence = verdict::Evidence {
        rows: &rows,
        estimate: estimate.as_ref(),
        solo_bytes_per_s: &experiment.solo_bytes_per_s,
        client_ceiling_bytes_per_s: experiment.client_ceiling_bytes_per_s,
    };
    let verdict = verdict::judge(&evidence, &verdict::Bars::default());
    let outcome = options.fault.map(|fault| fault.outcome(&experiment, &rows, estimate.as_ref(), &verdict));
    let results = report::Results {
        options,
        experiment: &experiment,
        rows: &rows,
        estimate: estimate.as_ref(),
        verdict: &verdict,
        outcome: outcome.as_ref(),
    };
    print!("{}", report::table(&results));
    if let Some(out) = &options.out {
        report::write(&results, words, out)?;
    }
    Ok(outcome.as_ref().map_or(verdict.is_linear, |outcome| outcome.is_caught))
}
