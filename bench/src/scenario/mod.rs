//! The scenarios, and what they share.

pub(crate) mod durability;
pub(crate) mod get_large;
pub(crate) mod get_small;
pub(crate) mod put_large;

use crate::rounds::{Ratio, Series};
use crate::work::WorkDir;
use crate::{Options, Result};

/// Ports of a run, below the range that the system gives out.
pub(crate) const NODE_PORT: u16 = 19000;
pub(crate) const NGINX_PORT: u16 = 19001;

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

    /// The text without the places of this machine.
    pub(crate) fn without_paths(&self, text: &str) -> String {
        let places = [(self.work.path(), "WORK"), (self.options.bin.as_path(), "BIN")];
        places.iter().fold(text.to_owned(), |text, (path, name)| text.replace(&*path.to_string_lossy(), name))
    }
}

/// What a scenario has found.
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
