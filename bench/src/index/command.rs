//! The command: alternating rounds of the engines until the time is up.

use super::Kind;
use super::children::Parts;
use super::result::{self, Comparison};
use crate::child::{check_interrupted, watch_signals};
use crate::error::Result;
use crate::figures::{Figures, medians};
use crate::rounds::Series;
use crate::work::WorkDir;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Room on the disk that the engines need for each key, and some to spare.
const DISK_BYTES_PER_KEY: u64 = 2048;

/// Options of the comparison.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct IndexArgs {
    /// Objects in the index.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1000..=50_000_000))]
    keys: u32,
    /// Rounds of each engine; fewer are done when the time is up.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The whole run in seconds, however slow the machine is; it fails when one round takes longer.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(10..=7200))]
    limit: u64,
    /// Where the data lies while the run lasts; its file system is what is measured.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// Result file.
    #[arg(long, default_value = "bench/results/index-engines.json")]
    out: PathBuf,
}

/// Measures, prints, and writes the result file.
pub(crate) fn run(args: &IndexArgs) -> Result<()> {
    watch_signals()?;
    let work = WorkDir::create(&args.dir)?;
    work.require_gib(((u64::from(args.keys) * DISK_BYTES_PER_KEY) >> 30) + 1)?;
    let parts =
        Parts { keys: args.keys, work: work.path(), until: Instant::now() + Duration::from_secs(args.limit) };
    let comparison = Comparison { keys: args.keys, series: rounds(&parts, args.rounds)? };
    result::print(&comparison)?;
    result::write_json(&args.out, &comparison, work.path())
}

/// A round: the engines' figures, and those of the hand-over.
type Round = (Vec<Figures>, Figures);

/// Rounds one after the other; one that the end of the time cuts short does not count, unless it is the first.
fn rounds(parts: &Parts<'_>, rounds: u32) -> Result<Vec<Series>> {
    let mut done: Vec<Round> = Vec::new();
    for number in 1..=rounds {
        match round(parts, number) {
            Ok(figures) => done.push(figures),
            Err(_) if number > 1 && Instant::now() >= parts.until => {
                check_interrupted()?;
                eprintln!("bench: no time for round {number}");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let finish = |name, command: &str, rounds: Vec<Figures>| {
        let medians = medians(&rounds);
        Series { name, command: command.to_owned(), rounds, medians }
    };
    let of = |at| done.iter().filter_map(|(engines, _)| engines.get(at)).cloned().collect();
    let engines = Kind::ALL.into_iter().enumerate();
    let mut series: Vec<Series> =
        engines.map(|(at, kind)| finish(kind.name(), kind.settings(), of(at))).collect();
    let handovers = done.into_iter().map(|(_, handover)| handover).collect();
    series.push(finish("hand-over", "a helper thread, std channels both ways, an eventfd back", handovers));
    Ok(series)
}

fn round(parts: &Parts<'_>, number: u32) -> Result<Round> {
    let mut engines = Vec::new();
    for kind in Kind::ALL {
        check_interrupted()?;
        let start = Instant::now();
        let figures = parts.engine_round(kind).map_err(|e| format!("{}: {e}", kind.name()))?;
        let rate = figures.get("ingest_keys_per_s").copied().unwrap_or_default();
        let seconds = start.elapsed().as_secs();
        eprintln!("round {number} {:<10} {rate:>10.0} keys/s ingested, {seconds} s", kind.name());
        engines.push(figures);
    }
    let handover = parts.handover_round().map_err(|e| format!("hand-over: {e}"))?;
    Ok((engines, handover))
}
