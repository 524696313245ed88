//! A run: its options, its place, its findings.

use crate::error::Result;
use crate::options::Options;
use crate::rounds::{Ratio, Series};
use crate::work::WorkDir;
use std::path::PathBuf;

/// Ports of a run, below the range that the system gives out.
pub(crate) const NODE_PORT: u16 = 19000;
pub(crate) const NGINX_PORT: u16 = 19001;
pub(crate) const SECOND_NODE_PORT: u16 = 19002;

/// The budget of a node whose caches are to be small beside its data.
pub(crate) const SMALL_MEMORY: &str = "448MiB";

/// Options and work directory of a run.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) work: WorkDir,
}

impl Context {
    /// Checks the binaries and makes the work directory.
    pub(crate) fn prepare(options: &Options) -> Result<Self> {
        let mut options = options.clone();
        let absent = ["aisnode", "aisloader"].iter().find(|name| !options.bin.join(name).is_file());
        if let Some(name) = absent {
            return Err(format!("no {name} in {}: cargo build --release, or --bin", options.bin.display()));
        }
        options.bin = options.bin.canonicalize().map_err(|e| format!("{}: {e}", options.bin.display()))?;
        let work = WorkDir::create(&options.work)?;
        Ok(Self { options, work })
    }

    /// Where the result goes.
    pub(crate) fn result_path(&self, scenario: &str) -> PathBuf {
        self.options.out.clone().unwrap_or_else(|| PathBuf::from(format!("bench/results/{scenario}.json")))
    }

    /// The text without the places of this machine.
    pub(crate) fn without_paths(&self, text: &str) -> String {
        let places = [(self.work.path(), "WORK"), (self.options.bin.as_path(), "BIN")];
        places.iter().fold(text.to_owned(), |text, (path, name)| text.replace(&*path.to_string_lossy(), name))
    }
}

/// The findings of a scenario.
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    /// The servers' settings.
    pub(crate) servers: Vec<String>,
    pub(crate) series: Vec<Series>,
    pub(crate) ratios: Vec<Ratio>,
    /// The figures of the table, in order.
    pub(crate) columns: &'static [&'static str],
}

/// The processors of the client where the server has one core, the first: all others. Empty when there is no other.
pub(crate) fn other_cpus() -> String {
    match std::thread::available_parallelism().map_or(1, usize::from) {
        1 => String::new(),
        cores => format!("1-{}", cores - 1),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        options: Options,
    }

    /// A context without binaries, for tests of what is made of reports.
    pub(crate) fn context() -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let options = Only::parse_from(["bench"]).options;
        let work = WorkDir::create(dir.path()).unwrap();
        (dir, Context { options, work })
    }
}
