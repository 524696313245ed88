//! The operator's tools, as subcommands of the node's program: they look at a data directory, or into a node that uses it.
//!
//! * [`args`] is the command line; [`site`] finds the mountpaths of a data directory and opens them;
//! * [`check`] verifies a store nobody uses, [`online`] asks a running node to;
//! * [`rebuild`] makes indexes anew; [`export`] writes a bucket as one TAR;
//! * [`ring`] opens a ring for the tool's own thread; [`progress`] tells the operator how far it is.

mod args;
mod check;
mod ending;
mod export;
mod online;
mod progress;
mod rebuild;
mod report;
mod ring;
mod site;

pub(crate) use args::{Cli, Tool};

pub(crate) use ending::Ending;

use args::StoreTool;
use std::process::ExitCode;

/// Runs a tool. The exit code is 0 when all is well, 1 when something was found, 2 when the tool could not run.
pub(crate) fn run(tool: Tool) -> ExitCode {
    let Tool::Store(tool) = tool;
    let ending = match tool {
        StoreTool::Check(args) => check::run(&args),
        StoreTool::RebuildIndex(args) => rebuild::run(&args),
        StoreTool::Export(args) => export::run(&args),
    };
    match ending {
        Ok(Ending::Clean) => ExitCode::SUCCESS,
        Ok(Ending::Findings) => ExitCode::from(1),
        Err(e) => {
            eprintln!("aisnode: {e}");
            ExitCode::from(2)
        }
    }
}
