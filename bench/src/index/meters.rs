//! Meters of this process: time, memory, bytes read and written, threads; and where its files are.

use crate::error::Result;
use rustix::fs::{Advice, fadvise};
use rustix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The durations of a number of things.
#[derive(Default)]
pub(crate) struct Latencies {
    sorted: Vec<u64>,
}

impl Latencies {
    /// Room for so many, so that the memory is not taken while the engine's is measured.
    pub(super) fn with_room(room: usize) -> Self {
        Self { sorted: Vec::with_capacity(room) }
    }

    /// Counts one.
    pub(super) fn add(&mut self, took: Duration) {
        self.sorted.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Microseconds that this share (0 to 1) did not exceed; 0 of nothing.
    pub(super) fn us(&mut self, share: f64) -> f64 {
        self.sorted.sort_unstable();
        let at = (self.sorted.len() as f64 * share).ceil() as usize;
        self.sorted.get(at.max(1) - 1).copied().unwrap_or_default() as f64 / 1000.0
    }
}

/// The counters of this process at a moment, or between two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// Since the first one.
    pub(super) wall_s: f64,
    /// Processor seconds of all threads.
    pub(super) cpu_s: f64,
    /// Processor seconds of the calling thread.
    pub(super) caller_s: f64,
    /// Bytes read from the disk.
    pub(super) read_bytes: f64,
    /// Pages made dirty, that is, to the disk sooner or later.
    pub(super) write_bytes: f64,
}

impl Meter {
    /// Reads the counters; the wall clock counts from `origin`.
    pub(super) fn now(origin: Instant) -> Result<Self> {
        let io = fs::read_to_string("/proc/self/io").map_err(|e| format!("/proc/self/io: {e}"))?;
        Ok(Self {
            wall_s: origin.elapsed().as_secs_f64(),
            cpu_s: clock(ClockId::ProcessCPUTime),
            caller_s: clock(ClockId::ThreadCPUTime),
            read_bytes: field(&io, "read_bytes:").ok_or("no read_bytes in /proc/self/io")?,
            write_bytes: field(&io, "write_bytes:").ok_or("no write_bytes in /proc/self/io")?,
        })
    }

    /// The amounts used since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            wall_s: self.wall_s - earlier.wall_s,
            cpu_s: self.cpu_s - earlier.cpu_s,
            caller_s: self.caller_s - earlier.caller_s,
            read_bytes: self.read_bytes - earlier.read_bytes,
            write_bytes: self.write_bytes - earlier.write_bytes,
        }
    }
}

/// Seconds of a clock of processor time.
pub(super) fn clock(id: ClockId) -> f64 {
    let time = clock_gettime(id);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Memory of this process in bytes: resident now, and the most that it has been.
pub(super) fn resident() -> Result<(f64, f64)> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| format!("/proc/self/status: {e}"))?;
    let kib = |name| field(&status, name).ok_or_else(|| format!("no {name} in /proc/self/status"));
    Ok((kib("VmRSS:")? * 1024.0, kib("VmHWM:")? * 1024.0))
}

/// Threads of this process.
pub(super) fn threads() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/task").map_err(|e| format!("/proc/self/task: {e}"))?.count())
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// All files under a directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut dirs, mut found) = (vec![dir.to_path_buf()], Vec::new());
    while let Some(dir) = dirs.pop() {
        let say = |e: std::io::Error| format!("{}: {e}", dir.display());
        for entry in fs::read_dir(&dir).map_err(say)? {
            let entry = entry.map_err(say)?;
            let list = if entry.file_type().map_err(say)?.is_dir() { &mut dirs } else { &mut found };
            list.push(entry.path());
        }
    }
    Ok(found)
}

/// Bytes that the files under a directory take on the disk. One that vanishes meanwhile takes none.
pub(super) fn disk_bytes(dir: &Path) -> Result<f64> {
    let sizes = files(dir)?.into_iter().filter_map(|path| fs::metadata(path).ok());
    Ok(sizes.map(|meta| meta.blocks() as f64 * 512.0).sum())
}

/// Bytes of the files under a directory that are in the page cache; `None` where `fincore` cannot say.
pub(super) fn page_cache_bytes(dir: &Path) -> Result<Option<f64>> {
    let output = Command::new("fincore").args(["-b", "-n", "-o", "RES"]).args(files(dir)?).output();
    let Ok(output) = output else { return Ok(None) };
    let text = String::from_utf8_lossy(&output.stdout);
    let sizes: Option<Vec<f64>> = text.lines().map(|line| line.trim().parse().ok()).collect();
    Ok(sizes.filter(|sizes| !sizes.is_empty()).map(|sizes| sizes.iter().sum()))
}

/// Takes the files under a directory out of the page cache. Only theirs: others on the machine keep their pages.
pub(super) fn drop_page_cache(dir: &Path) -> Result<()> {
    for path in files(dir)? {
        let say = |e: std::io::Error| format!("{}: {e}", path.display());
        let file = File::open(&path).map_err(say)?;
        // Dirty pages would stay in the cache.
        file.sync_all().map_err(say)?;
        fadvise(&file, 0, None, Advice::DontNeed).map_err(|e| say(e.into()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let mut latencies = Latencies::default();
        (1..=100).rev().for_each(|us| latencies.add(Duration::from_micros(us)));
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| latencies.us(share)), [1.0, 50.0, 99.0, 100.0]);
        latencies.add(Duration::from_secs(9));
        assert_eq!(latencies.us(1.0), 9e6);
        assert_eq!(Latencies::default().us(0.5).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn files_leave_the_page_cache() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/file"), vec![1; 1 << 20]).unwrap();
        assert!(disk_bytes(dir.path()).unwrap() >= 0.0);
        let before = page_cache_bytes(dir.path()).unwrap();
        drop_page_cache(dir.path()).unwrap();
        if let (Some(before), Some(after)) = (before, page_cache_bytes(dir.path()).unwrap()) {
            assert!(before >= 1_048_576.0 && after < before, "{before} {after}");
        }
    }
}
