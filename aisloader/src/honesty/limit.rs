//! The search for the limit of a run.

use super::evidence::Evidence;
use super::verdict::Limit;

/// The loader is the limit from here on: it has no headroom left, and its own latencies are in the result.
pub const LOADER_BUSY_MAX: f64 = 0.80;
/// A machine this busy has nothing left.
const MACHINE_BUSY: f64 = 0.90;
/// A port or a disk this busy has nothing left. For a disk that serves many requests at once this only says that it was
/// never idle, so it is asked last.
const NETWORK_BUSY: f64 = 0.85;
const DISK_BUSY: f64 = 0.90;
/// An open loop that does so much of what was asked for is limited by what was asked for.
const RATE_MET: f64 = 0.98;

/// The limit of the run, with the figures that show it.
#[must_use]
pub fn limit(evidence: &Evidence) -> (Limit, String) {
    let pct = |share: f64| format!("{:.0} %", share * 100.0);
    let loader = evidence.loader_busy();
    if let Some((asked, done)) = evidence.rate.filter(|(asked, done)| *done >= RATE_MET * asked) {
        return (Limit::Rate, format!("the rate that was asked for: {done:.1} of {asked:.1} operations/s"));
    }
    if loader > LOADER_BUSY_MAX {
        let (who, cores) = evidence.loader();
        let text = format!("{who} itself: {} of its {cores} cores", pct(loader));
        return (Limit::ClientCpu, text);
    }
    if let Some(busy) = evidence.machine_busy().filter(|busy| *busy > MACHINE_BUSY) {
        return full_machine(evidence, busy);
    }
    if let Some(busy) = evidence.network_busy.filter(|busy| *busy > NETWORK_BUSY) {
        return (Limit::Network, format!("the network: {} of the port's speed", pct(busy)));
    }
    if let Some(busy) = evidence.disk_busy.filter(|busy| *busy > DISK_BUSY) {
        return (Limit::Disk, format!("the disks: never idle for {} of the time", pct(busy)));
    }
    if evidence.disk_busy.is_none() {
        let text = format!(
            "not to be seen from here: the loader used {} of its cores, the server is elsewhere",
            pct(loader)
        );
        return (Limit::Unknown, text);
    }
    let text =
        format!("{} operations in flight: neither processors, network nor disks were full", evidence.workers);
    (Limit::Concurrency, text)
}

/// Loader and server share a machine that is full: the larger user is named, and that they share it.
fn full_machine(evidence: &Evidence, busy: f64) -> (Limit, String) {
    let others_s = evidence.machine_cpu_s.unwrap_or(0.0) - evidence.own_cpu_s;
    let per_s = |seconds: f64| seconds / evidence.window_s.max(f64::MIN_POSITIVE);
    let figures = format!(
        "this machine's processors are full ({:.0} %): the loader uses {:.2} cores, everything else {:.2}",
        busy * 100.0,
        per_s(evidence.own_cpu_s),
        per_s(others_s)
    );
    let limit = if evidence.own_cpu_s > others_s { Limit::ClientCpu } else { Limit::ServerCpu };
    (limit, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten seconds on two cores with a local server, half idle.
    fn healthy() -> Evidence {
        Evidence {
            window_s: 10.0,
            loader_cores: 2,
            machine_cores: 2,
            own_cpu_s: 4.0,
            machine_cpu_s: Some(10.0),
            disk_busy: Some(0.5),
            workers: 16,
            ..Evidence::default()
        }
    }

    #[test]
    fn every_planted_limit_is_named() {
        let table = [
            (healthy(), Limit::Concurrency),
            (Evidence { disk_busy: Some(0.97), ..healthy() }, Limit::Disk),
            (Evidence { network_busy: Some(0.9), disk_busy: None, ..healthy() }, Limit::Network),
            (Evidence { own_cpu_s: 17.0, ..healthy() }, Limit::ClientCpu),
            (Evidence { own_cpu_s: 12.0, machine_cpu_s: Some(19.5), ..healthy() }, Limit::ClientCpu),
            (Evidence { machine_cpu_s: Some(19.5), disk_busy: Some(0.97), ..healthy() }, Limit::ServerCpu),
            (Evidence { rate: Some((100.0, 99.5)), own_cpu_s: 17.0, ..healthy() }, Limit::Rate),
            (Evidence { rate: Some((100.0, 80.0)), disk_busy: Some(0.97), ..healthy() }, Limit::Disk),
            (Evidence { disk_busy: None, ..healthy() }, Limit::Unknown),
            (Evidence { machine_cpu_s: None, ..healthy() }, Limit::Concurrency),
        ];
        for (evidence, want) in table {
            let (found, text) = limit(&evidence);
            assert_eq!(found, want, "{text}: {evidence:?}");
            assert!(!text.is_empty());
        }
    }
}
