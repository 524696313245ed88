//! The machine that a run was made on.

use crate::shard::allowed_cpus;
use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its name.
    pub hostname: String,
    /// System and release.
    pub kernel: String,
    /// Model of the processor.
    pub cpu: String,
    /// Processors that the loader may use.
    pub cores: usize,
    /// Main memory.
    pub memory_bytes: u64,
}

/// This machine's own facts; one that it does not tell is empty or 0.
#[must_use]
pub fn this_host() -> Host {
    let uname = rustix::system::uname();
    let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    Host {
        hostname: text(uname.nodename()),
        kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
        cpu: field_of(&read("/proc/cpuinfo"), "model name").unwrap_or_default().to_owned(),
        cores: allowed_cpus().map_or(0, |cpus| cpus.len()),
        memory_bytes: memory_bytes(&read("/proc/meminfo")),
    }
}

/// The value of the first line `name : value`.
fn field_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn memory_bytes(meminfo: &str) -> u64 {
    let kib = field_of(meminfo, "MemTotal").and_then(|value| value.strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(0, |kib| kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_among_others() {
        let text = "processor\t: 0\nmodel name\t: A: B\nmodel name\t: C\n";
        assert_eq!(field_of(text, "model name"), Some("A: B"));
        assert_eq!(field_of(text, "model"), None);
        assert_eq!(memory_bytes("MemFree: 1 kB\nMemTotal:       2048 kB\n"), 2 << 20);
        assert_eq!(memory_bytes("MemTotal: many kB\n"), 0);
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_core() {
        let host = this_host();
        assert!(host.kernel.starts_with("Linux ") && host.cores > 0 && host.memory_bytes > 0, "{host:?}");
    }
}
