//! The proof as a command: measured, judged, reported.

use super::failure::{Failure, Result};
use super::{figures, measure, options, report, usl, verdict};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The proof failed, or could not be made.
const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
const EXIT_USAGE: u8 = 2;
/// Worlds that the bootstrap draws.
const WORLDS: u64 = 4000;

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
