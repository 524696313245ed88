//! The processor time of a run: our own, and the whole machine's, where an idle-looking client hides its kernel threads
//! and a server on the same machine its work.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const GIB: f64 = (1u64 << 30) as f64;

/// Processor time used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuSample {
    own: Duration,
    machine: Option<Machine>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Machine {
    busy_ticks: u64,
    stolen_ticks: u64,
}

/// Processor time used between two samples.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUse {
    /// Seconds of this process.
    pub own_s: f64,
    /// Seconds of the whole machine; `None` where the kernel does not tell.
    pub machine_s: Option<f64>,
    /// Taken by other guests of the host, in seconds.
    pub stolen_s: Option<f64>,
}

impl CpuUse {
    /// Adds what was used in another time.
    pub fn add(&mut self, other: &Self) {
        self.own_s += other.own_s;
        self.machine_s = sum(self.machine_s, other.machine_s);
        self.stolen_s = sum(self.stolen_s, other.stolen_s);
    }

    /// The rest when a part is taken away; nothing is less than 0.
    #[must_use]
    pub fn minus(&self, part: &Self) -> Self {
        let left = |whole: Option<f64>, part: Option<f64>| Some((whole? - part.unwrap_or(0.0)).max(0.0));
        Self {
            own_s: (self.own_s - part.own_s).max(0.0),
            machine_s: left(self.machine_s, part.machine_s),
            stolen_s: left(self.stolen_s, part.stolen_s),
        }
    }
}

/// The sum of the parts that are known.
fn sum(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(|a, b| a + b)
}

impl CpuSample {
    /// Looks now.
    #[must_use]
    pub fn now() -> Self {
        let own = clock_gettime(ClockId::ProcessCPUTime);
        let own = Duration::try_from(own).unwrap_or_default();
        let machine = std::fs::read_to_string("/proc/stat").ok().and_then(|text| parse_stat(&text));
        Self { own, machine }
    }

    /// The processor time since an earlier sample.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> CpuUse {
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let seconds = |ticks: fn(Machine) -> u64| {
            let (from, to) = (earlier.machine?, self.machine?);
            Some(ticks(to).saturating_sub(ticks(from)) as f64 / per_second)
        };
        CpuUse {
            own_s: self.own.saturating_sub(earlier.own).as_secs_f64(),
            machine_s: seconds(|machine| machine.busy_ticks),
            stolen_s: seconds(|machine| machine.stolen_ticks),
        }
    }
}

/// Processors of the whole machine, however few of them this process may use.
#[must_use]
pub fn machine_cores() -> usize {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let told = count_cores(&text);
    if told > 0 { told } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// The lines of single processors.
fn count_cores(text: &str) -> usize {
    let numbers = text.lines().filter_map(|line| line.strip_prefix("cpu"));
    numbers.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).count()
}

/// Seconds for each GiB of payload; `None` without payload.
#[must_use]
pub fn per_gib(seconds: f64, bytes: f64) -> Option<f64> {
    (bytes > 0.0).then(|| seconds * GIB / bytes)
}

/// Microseconds for each operation; `None` without operations.
#[must_use]
pub fn us_per_op(seconds: f64, ops: f64) -> Option<f64> {
    (ops > 0.0).then(|| seconds * 1e6 / ops)
}

/// The first line: user, nice, system, idle, iowait, irq, softirq, steal (guest time is part of user time).
fn parse_stat(text: &str) -> Option<Machine> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields.as_slice() else {
        return None;
    };
    let busy_ticks = [user, nice, system, irq, softirq].into_iter().sum();
    Some(Machine { busy_ticks, stolen_ticks: *steal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_by_their_lines() {
        assert_eq!(count_cores("cpu  1 2 3\ncpu0 1 2 3\ncpu11 1 2 3\nintr 5\n"), 2);
        assert_eq!(count_cores(""), 0);
        assert!(machine_cores() >= std::thread::available_parallelism().map_or(1, usize::from));
    }

    #[test]
    fn idle_waiting_and_stolen_time_are_not_busy() {
        let text = "cpu  10 20 30 4000 500 6 7 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(parse_stat(text), Some(Machine { busy_ticks: 73, stolen_ticks: 80 }));
        assert_eq!(parse_stat("cpu0 1 2"), None);
        assert_eq!(parse_stat("cpu  1 2 3\n"), None);
    }

    #[test]
    fn costs_per_payload() {
        assert_eq!(per_gib(3.0, 2.0 * GIB), Some(1.5));
        assert_eq!(per_gib(3.0, 0.0), None);
        assert_eq!(us_per_op(2.0, 1e6), Some(2.0));
    }

    #[test]
    fn time_passes() {
        let before = CpuSample::now();
        let mut sum = 0u64;
        for n in 0..50_000_000u64 {
            sum = sum.wrapping_add(placement::mix(std::hint::black_box(n)));
        }
        std::hint::black_box(sum);
        let used = CpuSample::now().since(&before);
        assert!(used.own_s > 0.0);
    }
}
