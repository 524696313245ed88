//! The parts that run in a process of their own, so that memory and processor time are one engine's alone.

use super::{Kind, crash, handover, legend, measure};
use crate::child::{self, Guard};
use crate::error::Result;
use crate::figures::Figures;
use clap::ValueEnum;
use rustix::process::Signal;
use serde_json::Value;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A part of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The whole life of an engine.
    Measure,
    /// An ingest that ends by `kill -9`.
    CrashWrite,
    /// A look at the data that this left.
    CrashCheck,
    /// Round trips to a helper thread.
    Handover,
}

/// Options of a part.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ChildArgs {
    #[arg(long)]
    part: Part,
    #[arg(long)]
    engine: Kind,
    #[arg(long)]
    keys: u32,
    #[arg(long)]
    dir: PathBuf,
}

/// Does the part and prints its figures as one line.
pub(crate) fn run(args: &ChildArgs) -> Result<()> {
    let (kind, keys, dir) = (args.engine, args.keys, &*args.dir);
    let figures = match args.part {
        Part::Measure => measure::measure(kind, keys, dir)?,
        Part::CrashWrite => return crash::write(kind, keys, dir),
        Part::CrashCheck => crash::check(kind, keys, dir)?,
        Part::Handover => handover::measure()?,
    };
    let line = serde_json::to_string(&figures).map_err(|e| format!("figures: {e}"))?;
    writeln!(std::io::stdout(), "{line}").map_err(|e| format!("standard output: {e}"))
}

/// Settings that all parts of a run have in common.
pub(super) struct Parts<'a> {
    pub(super) keys: u32,
    /// The directory of the run.
    pub(super) work: &'a Path,
    /// When a part has to be over.
    pub(super) until: Instant,
}

impl Parts<'_> {
    /// One round of an engine: its life, then its crash, each in an empty directory.
    pub(super) fn engine_round(&self, kind: Kind) -> Result<Figures> {
        let life = self.in_dir("life", |dir| self.figures(kind, Part::Measure, dir))?;
        let crash = self.in_dir("crash", |dir| {
            self.crash(kind, dir)?;
            self.figures(kind, Part::CrashCheck, dir)
        })?;
        Ok(life.into_iter().chain(crash).collect())
    }

    /// One round of hand-overs, which need no engine.
    pub(super) fn handover_round(&self) -> Result<Figures> {
        self.figures(Kind::Fjall, Part::Handover, self.work)
    }

    fn in_dir(&self, name: &str, round: impl FnOnce(&Path) -> Result<Figures>) -> Result<Figures> {
        let dir = self.work.join(name);
        std::fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let figures = round(&dir);
        std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        figures
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn command(&self, kind: Kind, part: Part, dir: &Path) -> Result<Command> {
        let own = std::env::current_exe().map_err(|e| format!("own program: {e}"))?;
        let part = part.to_possible_value().ok_or("a part without a name")?;
        let mut command = Command::new(own);
        command.args(["index-part", "--part", part.get_name(), "--engine", kind.name()]);
        command.args(["--keys", &self.keys.to_string(), "--dir"]).arg(dir);
        Ok(command)
    }

    fn figures(&self, kind: Kind, part: Part, dir: &Path) -> Result<Figures> {
        let mut command = self.command(kind, part, dir)?;
        let text = child::run(&mut command, "part", self.work, self.left())?;
        let line = text.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(line).map_err(|e| format!("figures: {e}: {line}"))?;
        let figures = value.as_object().into_iter().flatten().map(|(name, figure)| {
            let known =
                legend::name(name).ok_or_else(|| format!("a figure that is not explained: {name}"))?;
            Ok((known, figure.as_f64().ok_or_else(|| format!("{name}: {figure}"))?))
        });
        figures.collect()
    }

    fn crash(&self, kind: Kind, dir: &Path) -> Result<()> {
        let mut command = self.command(kind, Part::CrashWrite, dir)?;
        let status = Guard::spawn(&mut command, "crash", self.work)?.wait(self.left())?;
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.work.join("crash.log")).unwrap_or_default();
        Err(format!("the writer ended with {status} instead of the kill: {log}"))
    }
}
