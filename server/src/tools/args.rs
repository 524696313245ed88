//! The command line of the program: the node's own flags, or a tool.

use crate::config;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// `aisnode` alone is a node.
#[derive(Debug, Parser)]
#[command(
    name = "aisnode",
    version,
    about = "Straightline node: a whole cluster in one process by default",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) node: config::Args,
    #[command(subcommand)]
    pub(crate) tool: Option<Tool>,
}

/// A task that the program does instead of being a node.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Look after the data of a node.
    #[command(subcommand)]
    Store(StoreTool),
}

/// Tools for the data of a node.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreTool {
    /// Verify everything; changes nothing. A node that runs is asked to do it itself, in the background.
    /// Exit code: 0 clean, 1 findings, 2 could not run.
    Check(CheckArgs),
    /// Remove the indexes and make them anew from segments and files. The node must be stopped.
    RebuildIndex(Site),
    /// Write the objects of a bucket to standard output as one TAR archive. The node must be stopped.
    /// Exit code: 0 all of them, 1 without what is damaged, 2 could not run.
    Export(ExportArgs),
}

/// The data to work on.
#[derive(Clone, Debug, Args)]
pub(crate) struct Site {
    /// Where the node keeps its identity and state: its mountpaths and buckets are named there
    /// [default: straightline-data, or the directory above the first mountpath].
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Where a mountpath is; may be given several times, and all of the node's are needed. Default: where they were last.
    #[arg(long = "mountpath", value_name = "DIR")]
    pub(super) mountpaths: Vec<PathBuf>,
    /// Some mountpaths are enough. The missing ones are named, and a check or export without them exits with code 1.
    #[arg(long)]
    pub(super) partial: bool,
}

/// Arguments of `store check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(super) site: Site,
    /// One JSON document instead of lines.
    #[arg(long)]
    pub(super) json: bool,
    /// Where the node that uses the data is reached, if it runs; default: where it was when it started.
    #[arg(long)]
    pub(super) url: Option<String>,
}

/// Arguments of `store export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(super) site: Site,
    /// The bucket's name.
    #[arg(long, value_name = "NAME")]
    pub(super) bucket: String,
    /// Only objects whose names begin so.
    #[arg(long, default_value = "")]
    pub(super) prefix: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_tool_it_is_a_node() {
        assert!(Cli::try_parse_from(["aisnode"]).unwrap().tool.is_none());
        let flags = ["aisnode", "--data-dir", "d", "--mountpath", "m", "--mountpath", "n", "--port", "5"];
        assert!(Cli::try_parse_from(flags).unwrap().tool.is_none());
    }

    #[test]
    fn tools_have_flags_of_their_own() {
        let cli = Cli::try_parse_from(["aisnode", "store", "check", "--data-dir", "d", "--json"]).unwrap();
        let Some(Tool::Store(StoreTool::Check(args))) = cli.tool else { panic!() };
        assert!(args.json && args.site.data_dir == Some(PathBuf::from("d")));
        assert!(Cli::try_parse_from(["aisnode", "--port", "5", "store", "check"]).is_err());
        assert!(Cli::try_parse_from(["aisnode", "store", "export"]).is_err(), "which bucket?");
    }
}
