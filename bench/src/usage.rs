//! Processor time of process groups, of the runner's ended children and of the whole machine, from `/proc`.

use crate::error::Result;
use std::fs;
use std::sync::OnceLock;
use std::time::Instant;

/// `USER_HZ`: the unit of these files on every Linux that this runs on.
const TICKS_PER_S: f64 = 100.0;

/// Processor seconds used up to a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Seconds of the server's process group, io_uring workers and other threads included.
    pub(crate) server_s: f64,
    /// Seconds of the children that have ended.
    pub(crate) children_s: f64,
    /// Seconds of the whole machine: all but idle and waiting for disks.
    pub(crate) machine_s: f64,
    /// Seconds of the clock, from a moment of this process on.
    pub(crate) wall_s: f64,
}

impl Usage {
    /// Reads the counters now.
    pub(crate) fn now(server_group: Option<u32>) -> Result<Self> {
        Ok(Self {
            server_s: server_group.map_or(Ok(0.0), group_s)?,
            children_s: own_children_s()?,
            machine_s: machine_s()?,
            wall_s: wall_s(),
        })
    }

    /// The amounts used since `earlier`.
    pub(crate) fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            server_s: self.server_s - earlier.server_s,
            children_s: self.children_s - earlier.children_s,
            machine_s: self.machine_s - earlier.machine_s,
            wall_s: self.wall_s - earlier.wall_s,
        }
    }

    /// The share of the machine's processors that was in use: 0 to 1. Where the load tool's start and end are in the
    /// window, a little less than while it was at work.
    pub(crate) fn busy_share(&self) -> f64 {
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        self.machine_s / (self.wall_s * processors).max(1e-9)
    }
}

fn wall_s() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// The fields of a `stat` file behind the command's name, which may hold spaces: state is number 0, then parent,
/// group; user and system time are 11 and 12, those of ended children 13 and 14.
fn fields(path: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

fn seconds(fields: &[String], positions: [usize; 2]) -> f64 {
    let ticks = positions.iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_S
}

fn group_s(group: u32) -> Result<f64> {
    let group = group.to_string();
    let entries = fs::read_dir("/proc").map_err(|e| format!("/proc: {e}"))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let pids = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let stats = pids.filter_map(|pid| fields(&format!("/proc/{pid}/stat")));
    Ok(stats.filter(|stat| stat.get(2) == Some(&group)).map(|stat| seconds(&stat, [11, 12])).sum())
}

fn own_children_s() -> Result<f64> {
    let stat = fields("/proc/self/stat").ok_or("cannot read /proc/self/stat")?;
    Ok(seconds(&stat, [13, 14]))
}

/// Processor seconds of the runner itself.
pub(crate) fn runner_s() -> Result<f64> {
    let stat = fields("/proc/self/stat").ok_or("cannot read /proc/self/stat")?;
    Ok(seconds(&stat, [11, 12]))
}

fn machine_s() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").map_err(|e| format!("/proc/stat: {e}"))?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_ascii_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal (guest time is in user already)
    let busy = ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, n)| n);
    Ok(busy.sum::<f64>() / TICKS_PER_S)
}
