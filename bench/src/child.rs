//! Child processes that cannot outlive the runner: each leads a process group that ends when its guard is dropped.

use crate::error::Result;
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_secs(10);

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT and SIGTERM end the run in an orderly way: the next wait fails, and all guards are dropped.
pub(crate) fn watch_signals() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag)).map_err(|e| format!("signal handler: {e}"))?;
    }
    Ok(())
}

/// Fails once a signal has asked for the end.
pub(crate) fn check_interrupted() -> Result<()> {
    match INTERRUPTED.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => Err("interrupted".to_owned()),
        _ => Ok(()),
    }
}

/// A running child and everything that it has started.
pub(crate) struct Guard {
    name: String,
    child: Child,
}

impl Guard {
    /// Starts the command in a process group of its own; what it prints goes to `WORK/NAME.log`.
    pub(crate) fn spawn(command: &mut Command, name: &str, work: &Path) -> Result<Self> {
        let path = work.join(format!("{name}.log"));
        let log = std::fs::File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let log2 = log.try_clone().map_err(|e| format!("{}: {e}", path.display()))?;
        let child = command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(log2).spawn();
        let child = child.map_err(|e| format!("cannot start {}: {e}", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// The process group: the id of the child.
    pub(crate) fn group(&self) -> u32 {
        self.child.id()
    }

    /// `Err` when the child has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("{} has ended with {status}", self.name)),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    /// Waits for the end, at most so long.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            check_interrupted()?;
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => std::thread::sleep(POLL),
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        }
        Err(format!("{} did not end within {} s", self.name, limit.as_secs()))
    }

    /// Sends a signal to the whole group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Gone already is as good.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Only while the child is not reaped is its id certain to be its own.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let until = Instant::now() + GRACE;
            while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(POLL);
            }
            if matches!(self.child.try_wait(), Ok(None)) {
                eprintln!("bench: {} does not end by SIGTERM, killed", self.name);
                self.signal(Signal::KILL);
                let _ = self.child.wait();
            }
        }
    }
}

/// Runs a command to its successful end and gives what it printed.
pub(crate) fn run(command: &mut Command, name: &str, work: &Path, limit: Duration) -> Result<String> {
    let status = Guard::spawn(command, name, work)?.wait(limit)?;
    let path = work.join(format!("{name}.log"));
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    if !status.success() {
        let tail: Vec<&str> = text.lines().rev().take(8).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return Err(format!("{name} ended with {status}:\n{}", tail.join("\n")));
    }
    Ok(text)
}
