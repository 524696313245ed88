//! The verdict on the figures: a claim with its bound, or its refutation, or why the measurement says nothing.

use super::figures::Row;
use super::usl::Estimate;
use serde::Serialize;

/// The bounds that figures are held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bars {
    /// Ours over fio's sum, at least.
    pub eta_min: f64,
    /// Max/min over disks after placement skew, at most.
    pub balance_max: f64,
    /// Part of the straight line that the law must take away to be a finding. Placement and queues are taken out of what
    /// it is fitted to, and that is exact to about this much.
    pub loss_min: f64,
    /// Growth of processor time for each GiB with N, at most.
    pub cost_growth_max: f64,
    /// Device bytes over payload: below 1 by more than this means a cache, above means waste.
    pub device_tolerance: f64,
    /// fio alone over fio among others, at most this far from 1.
    pub solo_tolerance: f64,
    /// Max/min of the disks' own rates, at most.
    pub disk_spread_max: f64,
    /// Share of the time that a processor quota may hold somebody back.
    pub held_max: f64,
    /// Share of the machine's processor time that may be busy.
    pub busy_max: f64,
    /// Share of it that the hypervisor may take.
    pub stolen_max: f64,
    /// The loader must be able to take this many times the throughput.
    pub client_headroom_min: f64,
}

impl Default for Bars {
    fn default() -> Self {
        Self {
            eta_min: 0.97,
            balance_max: 1.03,
            loss_min: 0.005,
            cost_growth_max: 1.10,
            device_tolerance: 0.03,
            solo_tolerance: 0.03,
            disk_spread_max: 1.05,
            held_max: 0.05,
            busy_max: 0.90,
            stolen_max: 0.01,
            client_headroom_min: 2.0,
        }
    }
}

/// Why the straight line is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Data came from a cache, not from the disks.
    Cache,
    /// The two meters of the devices disagree.
    Meters,
    /// The disks take from each other: they are not N disks.
    SharedDisk,
    /// The loader was the limit, or may have been.
    ClientCpu,
    /// The whole machine was busy.
    MachineCpu,
    /// The hypervisor took processor time.
    Stolen,
    /// Too few rounds or too few N to fit anything.
    TooFewPoints,
    /// A processor quota held the server back.
    ServerCpu,
    /// Requests failed.
    Errors,
    /// One disk is slower than the others and governs.
    SlowDisk,
    /// Throughput grows less than the number of disks.
    Contention,
    /// Every pair of disks costs something.
    Coherence,
    /// Some disks do more than others.
    Imbalance,
    /// Devices read more than was asked for.
    Amplification,
    /// A GiB costs more with more disks.
    CostGrows,
    /// Less comes out than fio gets.
    Efficiency,
}

impl Cause {
    /// True when the measurement says nothing, rather than something bad.
    #[must_use]
    pub fn is_void(self) -> bool {
        self <= Self::TooFewPoints
    }

    /// The limit of throughput, in a word.
    fn limit(self) -> &'static str {
        match self {
            Self::Cache | Self::Meters => "cache",
            Self::SharedDisk => "shared-disk",
            Self::ClientCpu => "client-cpu",
            Self::MachineCpu | Self::Stolen => "machine-cpu",
            Self::ServerCpu => "server-cpu",
            Self::SlowDisk => "slow-disk",
            Self::Contention | Self::Coherence => "server-contention",
            Self::Errors
            | Self::TooFewPoints
            | Self::Imbalance
            | Self::Amplification
            | Self::CostGrows
            | Self::Efficiency => "unknown",
        }
    }
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub cause: Cause,
    /// The figures that show it.
    pub text: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// True when nothing speaks against the straight line.
    pub is_linear: bool,
    /// The limit of throughput: `disk` is the one that everybody wants.
    pub limit: &'static str,
    /// Everything that speaks against it, the gravest first.
    pub findings: Vec<Finding>,
    /// In words.
    pub text: String,
}

/// The measurements that are judged.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The rows by N, growing.
    pub rows: &'a [Row],
    /// The law.
    pub estimate: Option<&'a Estimate>,
    /// fio on one disk at a time, for the largest N.
    pub solo_bytes_per_s: &'a [f64],
    /// The rate that the loader takes from a server that does nothing.
    pub client_ceiling_bytes_per_s: Option<f64>,
}

/// Judges.
#[must_use]
pub fn judge(evidence: &Evidence<'_>, bars: &Bars) -> Verdict {
    let mut findings = Vec::new();
    let mut add = |cause: Cause, text: Option<String>| {
        findings.extend(text.map(|text| Finding { cause, text }));
    };
    let rows = evidence.rows;
    add(Cause::Cache, cached(rows, bars));
    add(Cause::Meters, meters(rows, bars));
    add(Cause::SharedDisk, shared(evidence, bars));
    add(Cause::ClientCpu, client(evidence, bars));
    let busy = worst(rows, |row| row.machine_busy, bars.busy_max);
    add(Cause::MachineCpu, busy.map(|(n, is)| format!("at N={n} the machine was {} busy", percent(is))));
    let stolen = worst(rows, |row| row.stolen, bars.stolen_max);
    add(Cause::Stolen, stolen.map(|(n, is)| format!("at N={n} other guests took {}", percent(is))));
    let held = worst(rows, |row| row.server_held, bars.held_max);
    add(
        Cause::ServerCpu,
        held.map(|(n, is)| {
            format!(
                "CPU-limited, not disk-limited: at N={n} a quota held the server for {} of the time",
                percent(is)
            )
        }),
    );
    add(Cause::Errors, errors(rows));
    add(Cause::SlowDisk, slow_disk(rows, bars));
    law(evidence, bars, &mut add);
    add(Cause::Imbalance, imbalance(rows, bars));
    let waste = worst(rows, |row| row.device_ratio, 1.0 + bars.device_tolerance);
    add(
        Cause::Amplification,
        waste.map(|(n, is)| format!("at N={n} devices read {is:.3} bytes for each byte of payload")),
    );
    add(Cause::CostGrows, cost(rows, bars));
    add(Cause::Efficiency, efficiency(rows, bars));
    findings.sort_by_key(|finding| finding.cause);
    let limit = findings.first().map_or("disk", |finding| finding.cause.limit());
    let text = words(evidence, &findings);
    Verdict { is_linear: findings.is_empty(), limit, findings, text }
}

/// N and value of the largest that is above a bar.
fn worst(rows: &[Row], value: fn(&Row) -> f64, bar: f64) -> Option<(usize, f64)> {
    let all = rows.iter().map(|row| (row.disks, value(row)));
    all.filter(|(_, is)| *is > bar).max_by(|a, b| a.1.total_cmp(&b.1))
}

fn cached(rows: &[Row], bars: &Bars) -> Option<String> {
    let least = rows.iter().min_by(|a, b| a.device_ratio.total_cmp(&b.device_ratio))?;
    (least.device_ratio < 1.0 - bars.device_tolerance).then(|| {
        format!(
            "at N={} devices read only {:.3} bytes for each byte of payload: the rest came from a cache",
            least.disks, least.device_ratio
        )
    })
}

fn meters(rows: &[Row], bars: &Bars) -> Option<String> {
    let apart = |row: &Row| (row.group_ratio - row.device_ratio).abs();
    let most = rows.iter().max_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    (apart(most) > bars.device_tolerance).then(|| {
        format!(
            "at N={} the block layer counts {:.3} and the control group {:.3} device bytes for each byte of payload",
            most.disks, most.device_ratio, most.group_ratio
        )
    })
}

fn shared(evidence: &Evidence<'_>, bars: &Bars) -> Option<String> {
    let last = evidence.rows.last()?;
    if evidence.solo_bytes_per_s.is_empty() {
        return None;
    }
    let ratio = evidence.solo_bytes_per_s.iter().sum::<f64>() / last.fio_bytes_per_s;
    ((ratio - 1.0).abs() > bars.solo_tolerance).then(|| {
        format!("fio gets {ratio:.3} times as much from the {} disks one by one as from all at once: they are not {0} disks", last.disks)
    })
}

fn client(evidence: &Evidence<'_>, bars: &Bars) -> Option<String> {
    if let Some((n, held)) = worst(evidence.rows, |row| row.client_held, bars.held_max) {
        return Some(format!(
            "client-limited: at N={n} a quota held the loader for {} of the time",
            percent(held)
        ));
    }
    let most = evidence.rows.iter().map(|row| row.bytes_per_s).fold(0.0, f64::max);
    let headroom = evidence.client_ceiling_bytes_per_s? / most;
    (headroom < bars.client_headroom_min).then(|| {
        format!(
            "client-limited: a server that does nothing gets only {headroom:.2} times the claimed throughput \
             out of the loader, {} are needed",
            bars.client_headroom_min
        )
    })
}

fn errors(rows: &[Row]) -> Option<String> {
    let failed: Vec<String> = rows
        .iter()
        .filter(|row| row.errors > 0)
        .map(|row| format!("{} requests failed at N={}", row.errors, row.disks))
        .collect();
    (!failed.is_empty()).then(|| failed.join(", "))
}

fn slow_disk(rows: &[Row], bars: &Bars) -> Option<String> {
    rows.iter().find_map(|row| {
        let indexed = || row.disk_bytes_per_s.iter().enumerate();
        let (slow, least) = indexed().min_by(|a, b| a.1.total_cmp(b.1))?;
        let (_, most) = indexed().max_by(|a, b| a.1.total_cmp(b.1))?;
        (most / least > bars.disk_spread_max).then(|| {
            format!(
                "at N={} disk {slow} gives {:.2} of what the best gives; it governs, and the model of the closed loop \
                 allows eta {:.3} (measured {:.3})",
                row.disks, least / most, row.ceiling.reach, row.eta
            )
        })
    })
}

/// Contention and coherence, if with confidence they take anything away: in the fit of a straight line, a negative one and a
/// positive other one cancel out.
fn law(evidence: &Evidence<'_>, bars: &Bars, add: &mut impl FnMut(Cause, Option<String>)) {
    let Some(estimate) = evidence.estimate else {
        let why = "no law can be fitted: at least three different N with more rounds than parameters";
        return add(Cause::TooFewPoints, Some(why.to_owned()));
    };
    if estimate.kept.high > 1.0 - bars.loss_min {
        return;
    }
    let (sigma, kappa) = (estimate.sigma, estimate.kappa);
    let said = |what: &str, value: f64, low: f64, high: f64| {
        Some(format!("{what} is {value:.4}, with 95 % confidence between {low:.4} and {high:.4}"))
    };
    if sigma.low > 0.0 {
        add(Cause::Contention, said("contention sigma", estimate.law.sigma, sigma.low, sigma.high));
    }
    if kappa.low > 0.0 {
        add(Cause::Coherence, said("coherence kappa", estimate.law.kappa, kappa.low, kappa.high));
    }
}

fn imbalance(rows: &[Row], bars: &Bars) -> Option<String> {
    rows.iter().find_map(|row| {
        let balance = row.balance?;
        let chance = 1.0 + 1.5 * (row.balance_chance - 1.0);
        (balance.max_over_min > bars.balance_max.max(chance)).then(|| {
            format!(
                "at N={} the busiest disk moved {:.3} times what the idlest did, placement skew apart (Jain {:.4})",
                row.disks, balance.max_over_min, balance.jain
            )
        })
    })
}

/// Growth only: with more disks the fixed costs of idle timers are shared by more bytes, and that is no fault.
fn cost(rows: &[Row], bars: &Bars) -> Option<String> {
    let mut least: Option<&Row> = None;
    for row in rows {
        if let Some(cheap) =
            least.filter(|cheap| row.cpu_s_per_gib > cheap.cpu_s_per_gib * bars.cost_growth_max)
        {
            return Some(format!(
                "a GiB costs {:.2} CPU-s at N={} and {:.2} at N={}",
                cheap.cpu_s_per_gib, cheap.disks, row.cpu_s_per_gib, row.disks
            ));
        }
        if least.is_none_or(|cheap| row.cpu_s_per_gib < cheap.cpu_s_per_gib) {
            least = Some(row);
        }
    }
    None
}

fn efficiency(rows: &[Row], bars: &Bars) -> Option<String> {
    let least = rows.iter().min_by(|a, b| a.eta.total_cmp(&b.eta))?;
    (least.eta < bars.eta_min).then(|| {
        let why = if least.eta_server >= bars.eta_min {
            "skew and queues explain it: more objects or more requests outstanding would lift it"
        } else {
            "skew and queues do not explain it"
        };
        format!(
            "eta is {:.3} at N={} (placement and queues allow {:.3} in such a round, so the server's own is {:.3}): {why}",
            least.eta, least.disks, least.ceiling.reach, least.eta_server
        )
    })
}

fn words(evidence: &Evidence<'_>, findings: &[Finding]) -> String {
    let most = evidence.rows.last().map_or(0, |row| row.disks);
    if let Some(first) = findings.first() {
        let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
        let kind = if first.cause.is_void() { "the measurement is void" } else { "refuted" };
        return format!("{kind} ({}): {}", first.cause.limit(), texts.join("; "));
    }
    let eta = evidence.rows.iter().map(|row| row.eta).fold(f64::INFINITY, f64::min);
    // An interval that ends below 0 says no more than that there is none.
    let bound = evidence.estimate.map_or(f64::NAN, |estimate| estimate.sigma.high.max(0.0));
    format!(
        "no detectable contention up to N={most}, sigma <= {bound:.4} (95 %); eta at least {eta:.3} of fio on the same disks"
    )
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
