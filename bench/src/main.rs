//! Scenario runner: measures our server against fio and nginx, in alternating rounds of one run on one file system.
//!
//! `cargo run --release -p bench -- scenario get-large --seconds 10 --rounds 5`. See `--help`, and README of the
//! repository for what the scenarios mean. Everything listens on 127.0.0.1 only and ends with the runner.

mod child;
mod device;
mod error;
mod figures;
mod findings;
mod host;
mod http;
mod index;
mod options;
mod report;
mod rounds;
mod scenario;
mod tools;
mod usage;
mod work;

use clap::{Parser, Subcommand, ValueEnum};
use error::Result;
use options::Options;
use scenario::Context;
use std::process::ExitCode;

/// Measures the server against fio and nginx.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one scenario, or all.
    Scenario {
        /// The scenario, or all.
        which: Which,
        #[command(flatten)]
        options: Options,
    },
    /// Compares engines for the ordered index of a lane.
    IndexEngines(index::IndexArgs),
    /// A part of `index-engines`, in a process of its own.
    #[command(hide = true)]
    IndexPart(index::ChildArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Random GET of 1 MiB from disk: fio, nginx, ours.
    GetLarge,
    /// GET of 4 KiB from memory on one core: nginx, ours.
    GetSmall,
    /// PUT of 1 MiB with durability: fio, ours.
    PutLarge,
    /// PUT of 64 KiB at the three levels of durability.
    Durability,
    /// Durable PUT of 4 KiB: fio, ours with durability group and none.
    PutSmall,
    /// Random GET of 4 KiB from a set of 20 times the server's caches: fio, ours.
    GetCold,
    /// Random GET of 1 MiB from the server's memory: fio, ours, ours without the memory.
    GetHot,
    /// Loading, listing and restarting with many objects of 1 KiB. Long; not part of `all`.
    List,
    /// GET of 4 KiB beside overwrites whose segments are reclaimed. Long; not part of `all`.
    Compaction,
    /// Random GET of 256 KiB, second by second after a start, with caches of 1.8 and 16 GiB. Long; not part of `all`.
    Start,
    /// GET and PUT of 4 KiB and 1 MiB by two builds of the loader (`--old-loader`). Not part of `all`.
    Loaders,
    /// All of them but the long ones, one after the other.
    All,
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Scenario { which, options } => run(which, &options),
        Command::IndexEngines(args) => index::run(&args),
        Command::IndexPart(args) => index::run_part(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(which: Which, options: &Options) -> Result<()> {
    let all = [
        Which::GetLarge,
        Which::GetSmall,
        Which::PutLarge,
        Which::Durability,
        Which::PutSmall,
        Which::GetCold,
        Which::GetHot,
    ];
    if which == Which::All && options.out.is_some() {
        return Err("--out names one file, and `all` writes several".to_owned());
    }
    child::watch_signals()?;
    let chosen = if which == Which::All { all.to_vec() } else { vec![which] };
    chosen.into_iter().try_for_each(|one| run_one(one, &Context::prepare(options)?))
}

fn run_one(which: Which, context: &Context) -> Result<()> {
    let outcome = match which {
        Which::List => return findings::publish(&scenario::list::run(context)?, context),
        Which::Compaction => return findings::publish(&scenario::compaction::run(context)?, context),
        Which::Start => return scenario::start::run(context),
        Which::Loaders => scenario::loaders::run(context)?,
        Which::GetSmall => scenario::get_small::run(context)?,
        Which::PutLarge => scenario::put_large::run(context)?,
        Which::Durability => scenario::durability::run(context)?,
        Which::PutSmall => scenario::put_small::run(context)?,
        Which::GetCold => scenario::get_cold::run(context)?,
        Which::GetHot => scenario::get_hot::run(context)?,
        Which::GetLarge | Which::All => scenario::get_large::run(context)?,
    };
    report::print(&outcome)?;
    report::write_json(&outcome, context)
}
