//! Faults that can be planted in reality, and what each of them must do to the verdict.

use super::devices::Substrate;
use super::figures::Row;
use super::model::{Experiment, Level};
use super::usl::Estimate;
use super::verdict::{Cause, Verdict};
use serde::Serialize;

/// Processors that a starved process is given.
const STARVED: f64 = 0.25;
/// The throughput of a serial resource, in disks.
const SERIAL_DISKS: f64 = 1.1;
/// A measurement may differ from the model by this fraction.
const TOLERANCE: f64 = 0.05;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The last disk gets half the limit.
    HalvedCap,
    /// All mountpaths are directories on one disk.
    OneDisk,
    /// A page cache lies between the server and its disks.
    Cached,
    /// The server gets a quarter of a processor.
    ServerCpu,
    /// The loader gets a quarter of a processor.
    ClientCpu,
    /// While the server is measured, all disks pass through one that is too slow for them.
    Serial,
    /// None: the loader's headroom over a server that does nothing is looked at.
    Noop,
    /// The last disk's file system is shut down in the middle of a round.
    DeadDisk,
}

/// The result of a run with a planted fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// True when the verdict turned as it must.
    pub is_caught: bool,
    /// The figures.
    pub text: String,
}

const NAMES: [(Fault, &str); 8] = [
    (Fault::HalvedCap, "halved-cap"),
    (Fault::OneDisk, "one-disk"),
    (Fault::Cached, "cached"),
    (Fault::ServerCpu, "server-cpu"),
    (Fault::ClientCpu, "client-cpu"),
    (Fault::Serial, "serial"),
    (Fault::Noop, "noop"),
    (Fault::DeadDisk, "dead-disk"),
];

impl Fault {
    pub(super) fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(fault, _)| *fault)
    }

    /// The name that `-fault` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| *name)
    }

    pub(super) fn substrate(self) -> Substrate {
        match self {
            Self::OneDisk => Substrate::OneDisk,
            Self::Cached => Substrate::Cached,
            Self::Serial => Substrate::Outer,
            _ => Substrate::Separate,
        }
    }

    /// Limit of the last disk, given that of the others.
    pub(super) fn last_cap(self, cap_bytes_per_s: u64) -> u64 {
        if self == Self::HalvedCap { cap_bytes_per_s / 2 } else { cap_bytes_per_s }
    }

    /// The server's processors.
    pub(super) fn server_processors(self) -> Option<f64> {
        (self == Self::ServerCpu).then_some(STARVED)
    }

    /// The loader's processors.
    pub(super) fn client_processors(self) -> Option<f64> {
        (self == Self::ClientCpu).then_some(STARVED)
    }

    /// Limit of the disk beneath all disks, given theirs.
    pub(super) fn serial_bytes_per_s(self, cap_bytes_per_s: u64) -> u64 {
        // Far within the range of exact whole numbers.
        (cap_bytes_per_s as f64 * SERIAL_DISKS) as u64
    }

    /// Checks that the verdict turned as this fault must turn it, and that the figures are those of the model.
    #[must_use]
    pub fn outcome(
        self,
        experiment: &Experiment,
        rows: &[Row],
        estimate: Option<&Estimate>,
        verdict: &Verdict,
    ) -> Outcome {
        let has = |cause: Cause| verdict.findings.iter().any(|finding| finding.cause == cause);
        let (Some(first), Some(last), Some(level)) = (rows.first(), rows.last(), experiment.levels.last())
        else {
            return Outcome { is_caught: false, text: "nothing was measured".to_owned() };
        };
        let (is_caught, text) = match self {
            Self::HalvedCap => (
                has(Cause::SlowDisk) && (last.eta_server - 1.0).abs() <= TOLERANCE,
                format!(
                    "the total is {:.3} of what the model of a closed loop over such disks gives, {:.3} of N R / 2",
                    last.eta_server,
                    last.bytes_per_s / (last.ceiling.place * last.fio_bytes_per_s)
                ),
            ),
            Self::OneDisk => {
                let speedup = last.bytes_per_s / first.bytes_per_s;
                let is_one = (speedup - 1.0).abs() <= TOLERANCE;
                (has(Cause::SharedDisk) && is_one, format!("S({}) is {speedup:.3}", last.disks))
            }
            Self::Cached => (
                verdict.limit == "cache",
                format!("device bytes for each byte of payload: {:.3}", last.device_ratio),
            ),
            Self::ServerCpu => {
                (verdict.limit == "server-cpu", format!("held back for {:.2} of the time", last.server_held))
            }
            Self::ClientCpu => {
                (verdict.limit == "client-cpu", format!("held back for {:.2} of the time", last.client_held))
            }
            Self::Serial => (
                has(Cause::Contention),
                estimate.map_or_else(String::new, |estimate| {
                    let (law, sigma) = (estimate.law, estimate.sigma);
                    format!("sigma is {:.3}, between {:.3} and {:.3}", law.sigma, sigma.low, sigma.high)
                }),
            ),
            Self::Noop => {
                let headroom = experiment.client_ceiling_bytes_per_s.unwrap_or(0.0) / last.bytes_per_s;
                (
                    headroom >= 2.0 && !has(Cause::ClientCpu),
                    format!("the loader can take {headroom:.1} times as much"),
                )
            }
            Self::DeadDisk => dead_disk(level, last, has(Cause::Errors)),
        };
        Outcome { is_caught, text: format!("{}: {text}; verdict: {}", self.name(), verdict.limit) }
    }
}

/// The other disks kept their rates in the round in which the last one died, and the failures are named.
fn dead_disk(level: &Level, row: &Row, has_errors: bool) -> (bool, String) {
    let Some(round) = level.load.last() else { return (false, "no round".to_owned()) };
    let others = row.disks.saturating_sub(1);
    let kept = round.device_bytes.iter().zip(&row.disk_bytes_per_s).take(others);
    let least = kept.map(|(bytes, rate)| bytes / round.span_s / rate).fold(f64::INFINITY, f64::min);
    let kinds: Vec<String> =
        round.error_kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    // The round's ends, where the loader starts and lists, move nothing.
    let is_caught = has_errors && !kinds.is_empty() && least >= 0.85 && least.is_finite();
    (
        is_caught,
        format!("the other disks kept at least {least:.3} of their rates; errors: {}", kinds.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::figures::{points, rows};
    use super::super::simulated::{self, Machine};
    use super::super::usl::estimate;
    use super::super::verdict::{Bars, Evidence, judge};
    use super::*;

    fn outcome(fault: Fault, machine: &Machine) -> Outcome {
        let mut experiment = simulated::experiment(machine);
        if machine.is_last_dead {
            let round = experiment.levels.last_mut().and_then(|level| level.load.last_mut()).unwrap();
            round.error_kinds.insert("status 500".to_owned(), 1000);
        }
        let rows = rows(&experiment);
        let estimate = estimate(&points(&experiment), 200, 1);
        let evidence = Evidence {
            rows: &rows,
            estimate: estimate.as_ref(),
            solo_bytes_per_s: &experiment.solo_bytes_per_s,
            client_ceiling_bytes_per_s: experiment.client_ceiling_bytes_per_s,
        };
        let verdict = judge(&evidence, &Bars::default());
        fault.outcome(&experiment, &rows, estimate.as_ref(), &verdict)
    }

    #[test]
    fn each_fault_is_caught_and_its_absence_is_not_taken_for_it() {
        let planted = [
            (Fault::HalvedCap, Machine { last_disk: 0.5, ..Machine::default() }),
            (Fault::OneDisk, Machine { is_one_disk: true, ..Machine::default() }),
            (Fault::Cached, Machine { cached: 0.5, ..Machine::default() }),
            (Fault::ServerCpu, Machine { server_quota: 100e6, ..Machine::default() }),
            (Fault::ClientCpu, Machine { client_quota: 100e6, ..Machine::default() }),
            (Fault::Serial, Machine { serial: 1.1 * 64e6, ..Machine::default() }),
            (Fault::DeadDisk, Machine { is_last_dead: true, ..Machine::default() }),
        ];
        for (fault, machine) in planted {
            let caught = outcome(fault, &machine);
            assert!(caught.is_caught, "{fault:?}: {caught:?}");
            assert!(!outcome(fault, &Machine::default()).is_caught, "{fault:?} was not planted");
        }
        assert!(outcome(Fault::Noop, &Machine::default()).is_caught);
        assert!(!outcome(Fault::Noop, &Machine { client_ceiling: 600e6, ..Machine::default() }).is_caught);
    }

    #[test]
    fn names_lead_there_and_back() {
        for (fault, name) in NAMES {
            assert_eq!((Fault::parse(name), fault.name()), (Some(fault), name));
        }
        assert_eq!(Fault::parse("none"), None);
    }
}
