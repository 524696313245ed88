//! A control group of its own for a node, with a limit of memory. Undone when dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Memory is the kernel's to count: where no group can be made, the test has to say so, not to pass.
const HOW: &str = "this test makes a control group that limits memory: run it as root, with the memory controller \
                   mounted below /sys/fs/cgroup and writable";

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Cgroup {
    pub(crate) dir: PathBuf,
    is_v2: bool,
}

impl Cgroup {
    /// A group that may use `limit_bytes`, of whichever version the memory controller is mounted as.
    pub(crate) fn new(limit_bytes: u64) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let is_v2 = !root.join("memory/memory.limit_in_bytes").exists();
        let top = if is_v2 { root.to_path_buf() } else { root.join("memory") };
        if is_v2 {
            // Refused where it is on already.
            let _ = fs::write(top.join("cgroup.subtree_control"), "+memory");
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = top.join(format!("straightline-test-{}-{number}", std::process::id()));
        fs::create_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}: {HOW}", dir.display()));
        let this = Self { dir, is_v2 };
        let file = if is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(this.dir.join(file), limit_bytes.to_string())
            .unwrap_or_else(|e| panic!("{file}: {e}: {HOW}"));
        this
    }

    /// Words that start a program inside of the group.
    pub(crate) fn launcher(&self) -> Vec<String> {
        let script = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.dir.display());
        ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
    }

    /// The most that it has used; 0 where the kernel does not tell.
    pub(crate) fn most_bytes(&self) -> u64 {
        let file = if self.is_v2 { "memory.peak" } else { "memory.max_usage_in_bytes" };
        fs::read_to_string(self.dir.join(file)).map_or(0, |text| text.trim().parse().unwrap())
    }

    /// The number of processes in it that the kernel has killed for want of memory.
    pub(crate) fn killed(&self) -> u64 {
        let file = if self.is_v2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.dir.join(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.expect("the kernel counts kills").trim().parse().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The node is gone; the kernel may need a moment to see it.
        for _ in 0..100 {
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = Command::new("rmdir").arg(&self.dir).status();
    }
}
