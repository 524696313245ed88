//! The machine and the versions that a result belongs to.

use crate::tools::version;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Facts for the result file; nothing that names a place on this machine.
pub(crate) fn facts(work: &Path) -> Value {
    json!({
        "kernel": read("/proc/sys/kernel/osrelease"),
        "cpu": value_of("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": value_of("/proc/meminfo", "MemTotal"),
        "file_system": file_system(work).map(|(_, kind)| kind),
        "has_ordered_journal": has_ordered_journal(work),
        "load_average_at_end": read("/proc/loadavg"),
        "versions": {"fio": version("fio"), "nginx": version("nginx"), "wrk": version("wrk")},
    })
}

/// Now, as HTTP writes it.
pub(crate) fn date() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    wire::http1::format_http_date(i64::try_from(since.as_secs()).unwrap_or_default())
}

/// The commit that is checked out, with `-dirty` when files differ from it.
pub(crate) fn git_commit() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=40"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The arguments of this run; absolute paths are left out.
pub(crate) fn command_line() -> String {
    let args = std::env::args().skip(1).map(|arg| match arg.split_once('=') {
        Some((name, value)) if value.starts_with('/') => format!("{name}=PATH"),
        _ if arg.starts_with('/') => "PATH".to_owned(),
        _ => arg,
    });
    std::iter::once("bench".to_owned()).chain(args).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn value_of(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

/// Device and type of the file system with the longest mount point above the directory.
fn file_system(dir: &Path) -> Option<(String, String)> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let rows = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?, words.next()?))
    });
    let above = rows.filter(|(_, point, _)| dir.starts_with(point));
    above
        .max_by_key(|(_, point, _)| point.len())
        .map(|(device, _, kind)| (device.to_owned(), kind.to_owned()))
}

/// A durable write costs a flush of each file without such a journal: figures of such a machine are others.
fn has_ordered_journal(dir: &Path) -> Option<bool> {
    let (device, kind) = file_system(dir)?;
    match kind.as_str() {
        "xfs" => Some(true),
        "ext3" | "ext4" => {
            let device = fs::canonicalize(device).ok()?;
            let task = Path::new("/sys/fs/ext4").join(device.file_name()?).join("journal_task");
            Some(read(task.to_str()?)? != "<none>")
        }
        _ => Some(false),
    }
}
