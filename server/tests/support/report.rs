//! Figures of long runs as data: with the command, the commit and the machine that they belong to.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Writes figures (an object) to a file, behind what they belong to. `banner` is that of the node: it says how the file system
/// makes changes durable.
pub(crate) fn write_report(file: &Path, command: &str, banner: &str, figures: Value) {
    let durable = banner.lines().map(str::trim).filter(|line| line.starts_with("durable by"));
    let mut report = json!({
        "command": command,
        "git_commit": said(Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])),
        "date": said(&mut Command::new("date")),
        "host": {
            "kernel": said(Command::new("uname").arg("-r")),
            "cores": std::thread::available_parallelism().unwrap(),
            "memory": line_of("/proc/meminfo", "MemTotal"),
            "cpu": line_of("/proc/cpuinfo", "model name"),
            "mountpaths": durable.collect::<Vec<_>>(),
            "load_average_at_end": said(Command::new("cat").arg("/proc/loadavg")),
        },
    });
    let Value::Object(figures) = figures else { panic!("figures are an object") };
    report.as_object_mut().unwrap().extend(figures);
    std::fs::write(file, format!("{report:#}\n")).unwrap();
}

fn said(command: &mut Command) -> String {
    String::from_utf8_lossy(&command.output().unwrap().stdout).trim().to_owned()
}

fn line_of(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
