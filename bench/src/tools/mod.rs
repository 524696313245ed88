//! The programs that a run drives.

pub(crate) mod files;
pub(crate) mod fio;
pub(crate) mod lister;
pub(crate) mod loader;
pub(crate) mod msgpack;
pub(crate) mod nginx;
pub(crate) mod node;
pub(crate) mod puts;
pub(crate) mod wrk;

use crate::error::Result;
use std::process::Command;

/// Programs from elsewhere and the Debian packages that have them.
const PACKAGES: [(&str, &str); 4] =
    [("fio", "fio"), ("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")];

/// The command as one line, for the record.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Fails with the package's name when one of the programs is missing.
pub(crate) fn require(programs: &[&str]) -> Result<()> {
    let missing =
        PACKAGES.iter().filter(|(program, _)| programs.contains(program) && version(program).is_none());
    let texts: Vec<String> =
        missing.map(|(program, package)| format!("{program} is missing: Debian package {package}")).collect();
    if texts.is_empty() { Ok(()) } else { Err(texts.join("; ")) }
}

/// The first line that the program says about its version; `None` when it cannot be started.
pub(crate) fn version(program: &str) -> Option<String> {
    let flag = match program {
        "fio" | "taskset" => "--version",
        _ => "-v",
    };
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
}
