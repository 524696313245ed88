//! Watches a run from its begin to its end and gathers the evidence.

use super::clock::ClockWatch;
use super::evidence::{Evidence, Reads};
use super::machine::{port_busy, port_speed, ports};
use super::series::Series;
use super::server::{ServerState, ServerUse, is_on_this_machine};
use super::steady::{Finding, SECONDS_LEAST, Steadiness, find, judge as judge_steady};
use crate::recorder::cpu::{CpuSample, machine_cores};
use crate::recorder::{INTERVAL, Interval, RunEnd, Stats};
use crate::settings::{Bounds, Config, Warmup};
use crate::workload::OpKind;
use link::Tls;
use std::collections::BTreeMap;
use std::time::Instant;

/// Watches one run.
pub struct Witness {
    targets: Vec<String>,
    begin: Instant,
    clock: ClockWatch,
    series: Series,
    cpu: CpuSample,
    server: ServerState,
    ports: BTreeMap<String, (u64, u64)>,
}

impl Witness {
    /// Right before the run; `targets` are the servers' addresses.
    #[must_use]
    pub fn begin(targets: Vec<String>, tls: &Tls) -> Self {
        Self {
            server: ServerState::look(&targets, tls),
            ports: ports(),
            targets,
            begin: Instant::now(),
            clock: ClockWatch::new(),
            series: Series::new(),
            cpu: CpuSample::now(),
        }
    }

    /// After a second.
    pub fn interval(&mut self, interval: &Interval) {
        self.clock.look();
        let now = CpuSample::now();
        self.series.push(interval, interval.cpu.unwrap_or_else(|| now.since(&self.cpu)));
        self.cpu = now;
    }

    /// Right after the run: reduces `end` to the part that counts (failures remain those of the whole run) and says
    /// what is known. `objects_known` are the names that could be read.
    pub fn end(mut self, config: &Config, end: &mut RunEnd, objects_known: u64) -> Evidence {
        let span_s = self.begin.elapsed().as_secs_f64();
        self.clock.look();
        let server = ServerState::look(&self.targets, &config.tls).since(&self.server, span_s);
        let network_busy = port_busy(&self.ports, &ports(), span_s, port_speed);
        let reads = self.reads(&end.stats, server, objects_known);
        let mut steadiness = steadiness(self.series.rates(), config.warmup, config.bounds);
        steadiness.warmup_s = self.cut(end, steadiness.warmup_s);
        Evidence {
            window_s: end.window.as_secs_f64(),
            ops: end.stats.ops(),
            errors: end.stats.error_count(),
            verification_errors: verification_errors(&end.stats),
            loader_cores: end.cores,
            own_cpu_s: end.cpu.own_s,
            machine_cores: machine_cores(),
            machine_cpu_s: end.cpu.machine_s,
            stolen_s: end.cpu.stolen_s,
            clock_step_s: self.clock.largest_step_s(),
            steadiness,
            reads,
            disk_busy: server.disk_busy,
            network_busy,
            workers: config.open.map_or(config.workers, |open| open.inflight_max),
            rate: config.open.map(|_| rate(end)),
            agents: Vec::new(),
        }
    }

    /// Leaves the warm-up out of the result; returns the seconds that were.
    fn cut(&self, end: &mut RunEnd, warmup_s: usize) -> usize {
        if warmup_s == 0 {
            return 0;
        }
        let rest_cpu = end.cpu.minus(&self.series.cpu());
        let part = self.series.from(warmup_s, &end.rest, rest_cpu);
        let left_out = INTERVAL.saturating_mul(u32::try_from(part.left_out_s).unwrap_or(u32::MAX));
        let mut stats = part.stats;
        stats.take_errors_of(&end.stats);
        end.stats = stats;
        end.cpu = part.cpu;
        end.window = end.window.saturating_sub(left_out);
        part.left_out_s
    }

    fn reads(&self, stats: &Stats, server: ServerUse, objects_known: u64) -> Reads {
        let get = stats.of(OpKind::Get);
        let mean_bytes = get.bytes.checked_div(get.ops).unwrap_or(0);
        let is_local = self.targets.iter().all(|target| is_on_this_machine(target));
        Reads {
            payload_bytes: get.bytes,
            device_bytes: server.device_read_bytes,
            cache: server.cache,
            dataset_bytes: objects_known.saturating_mul(mean_bytes),
            // A server that does not tell its limit is taken to have this process's own.
            server_memory_bytes: server.memory_bytes.or_else(|| is_local.then(|| sysmem::limit().bytes)),
        }
    }
}

/// Arrivals and those that were taken, each second.
fn rate(end: &RunEnd) -> (f64, f64) {
    let (open, window_s) = (&end.stats.open, end.window.as_secs_f64().max(f64::MIN_POSITIVE));
    let taken = open.arrivals.saturating_sub(open.dropped);
    (open.arrivals as f64 / window_s, taken as f64 / window_s)
}

/// Answers whose bytes were wrong.
fn verification_errors(stats: &Stats) -> u64 {
    let errors = OpKind::singles().flat_map(|kind| &stats.of(kind).errors);
    errors.filter(|(kind, _)| kind.is_damage()).map(|(_, count)| count).sum()
}

/// Finds the part of a run that counts, and says why. A run that ends when so much is done is a job, not a measurement:
/// nothing is left out and nothing is asked of it.
fn steadiness(rates: &[f64], warmup: Warmup, bounds: Bounds) -> Steadiness {
    let is_job = bounds.puts_max > 0 || bounds.ops_max > 0 || bounds.put_bytes_max > 0;
    let not_tested =
        |warmup_s, text: &str| Steadiness { warmup_s, finding: Finding::NotTested, text: text.to_owned() };
    match warmup {
        _ if is_job => not_tested(0, "not tested: the run is bounded by work"),
        Warmup::Auto => find(rates),
        Warmup::Fixed { seconds } => {
            let set = usize::try_from(seconds).unwrap_or(usize::MAX);
            if rates.len() <= set {
                return not_tested(0, "the run was over before -warmup was: all of it counts");
            }
            match judge_steady(rates, set) {
                found if found.finding == Finding::TooShort => {
                    not_tested(set, &format!("not tested: fewer than {SECONDS_LEAST} s after -warmup"))
                }
                found => found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_may_set_the_warm_up_and_a_job_has_none() {
        let rates: Vec<f64> = (0..20).map(|at| if at < 5 { 10.0 } else { 100.0 }).collect();
        let timed = Bounds::default();
        let of = |warmup, bounds| {
            let found = steadiness(&rates, warmup, bounds);
            (found.warmup_s, found.finding)
        };
        assert_eq!(of(Warmup::Auto, timed), (5, Finding::Steady));
        assert_eq!(of(Warmup::Fixed { seconds: 7 }, timed), (7, Finding::Steady));
        assert_eq!(of(Warmup::Fixed { seconds: 0 }, timed), (0, Finding::NotSteady));
        assert_eq!(of(Warmup::Fixed { seconds: 15 }, timed), (15, Finding::NotTested));
        assert_eq!(of(Warmup::Fixed { seconds: 50 }, timed), (0, Finding::NotTested));
        assert_eq!(of(Warmup::Auto, Bounds { ops_max: 5, ..timed }), (0, Finding::NotTested));
    }
}
