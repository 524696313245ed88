//! Options of every scenario.

use std::path::PathBuf;

/// Options of every scenario.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Length of a round of one contender.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Rounds of each contender.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) rounds: u64,
    /// Data set of get-large, of which there are three copies (fio, nginx, ours); the most that get-cold takes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) size_gib: u64,
    /// Objects; default 1,000,000 of list, 200,000 of compaction, 512 of get-hot, 20,480 of start, 20 times the caches of
    /// get-cold.
    #[arg(long, value_parser = clap::value_parser!(u64).range(16..=1_000_000_000))]
    pub(crate) objects: Option<u64>,
    /// The server's memory budget in list, get-cold, compaction and start, as its own `--memory` takes it; default 448MiB
    /// of get-cold and compaction, one and the other of start, and what the server takes by itself of list.
    #[arg(long)]
    pub(crate) memory: Option<String>,
    /// GETs a second in compaction.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) get_rate: u64,
    /// PUTs a second in compaction.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) put_rate: u64,
    /// Where the data lies while the run lasts; its file system is what is measured.
    #[arg(long, default_value = "target/bench")]
    pub(crate) work: PathBuf,
    /// Where aisnode and aisloader are.
    #[arg(long, default_value = "target/release")]
    pub(crate) bin: PathBuf,
    /// The aisloader that loaders compares with that in `--bin`.
    #[arg(long)]
    pub(crate) old_loader: Option<PathBuf>,
    /// Result file; default `bench/results/SCENARIO.json`. Not together with `all`.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}
