//! The parameters at the start and the table at the end.

use super::quantile::{SAMPLES_SOUND, beyond, quantile};
use super::{open, reading};
use crate::content::Verify;
use crate::flags::units::{show_duration_ns, show_size};
use crate::recorder::cpu::{per_gib, us_per_op};
use crate::recorder::{OpStats, RunEnd, Stats};
use crate::settings::Config;
use crate::workload::OpKind;
use crate::workload::kinds::Payload;
use link::address::{is_secure, url};
use std::fmt::Write as _;
use std::time::Duration;

/// The line above the kinds of operations; the columns of [`line()`].
pub(super) const HEAD: &str = "OP            count     throughput        ops/s        min        p50        p99      p99.9        max   errors\n";

/// The parameters of the run that is about to begin.
pub(super) fn parameters(config: &Config, names: u64) -> String {
    let mix = &config.mix;
    let shares: Vec<String> = OpKind::ALL
        .into_iter()
        .filter(|kind| mix.share(*kind) > 0.0)
        .map(|kind| format!("{}% {}", mix.share(kind), kind.label()))
        .collect();
    let mut out = format!(
        "aisloader {} on {}, {}: {}, {}, seed {}\n",
        env!("CARGO_PKG_VERSION"),
        url(&config.gateway),
        config.bucket.uri(),
        model(config),
        shares.join(", "),
        mix.seed,
    );
    // Writing to a string cannot fail.
    if is_secure(&config.gateway) {
        let _ = writeln!(out, "TLS: {}", config.tls.describe());
    }
    if mix.has(OpKind::sends_object) {
        let _ = writeln!(out, "PUT: {}, checksum {}", mix.sizes.describe(), config.cksum.as_str());
    }
    if mix.has(OpKind::needs_name) {
        let _ = writeln!(
            out,
            "GET: {names} objects, {}{}",
            config.choices.describe(mix.popularity()),
            match config.content.verify {
                Verify::None if config.is_dropped && is_secure(&config.gateway) =>
                    ", bodies decrypted and dropped",
                Verify::None if config.is_dropped => ", bodies dropped by the kernel",
                Verify::None => ", bodies copied",
                Verify::Checksum => ", checksum verified",
                Verify::Content => ", content verified",
            }
        );
    }
    let bound = |out: &mut String, what: &str, value: u64| {
        if value > 0 {
            let _ = write!(out, ", {what} {value}");
        }
    };
    if let Some(fleet) = &config.fleet {
        let _ = writeln!(out, "Agents: {}", fleet.loaders.join(", "));
    }
    let duration = config.bounds.duration.map_or("no limit of time".to_owned(), shown);
    let _ = write!(out, "Runs for: {duration}");
    bound(&mut out, "PUTs", config.bounds.puts_max);
    bound(&mut out, "operations", config.bounds.ops_max);
    bound(&mut out, "bytes of PUT", config.bounds.put_bytes_max);
    out.push_str("\n\n");
    out
}

/// The model by which operations begin.
fn model(config: &Config) -> String {
    match &config.open {
        None => format!("closed loop, {} workers", config.workers),
        Some(open) => open.shown(),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The table of the result.
pub(super) fn table(config: &Config, end: &RunEnd) -> String {
    let how = match (end.is_interrupted, config.is_direct) {
        (true, _) => " (interrupted)",
        (false, true) => " (direct)",
        (false, false) => "",
    };
    let mut out =
        format!("\n{} on {} cores, {}{how}\n", capitalised(&model(config)), end.cores, shown(end.window));
    out.push_str(HEAD);
    for kind in OpKind::ALL.into_iter().filter(|kind| !end.stats.of(*kind).is_empty()) {
        out.push_str(&line(kind, end.stats.of(kind), end.window));
    }
    if config.open.is_some() {
        out.push_str(&open::lines(end));
    }
    out.push_str(&reading::lines(config, end));
    out.push_str(&phases(end));
    out.push_str(&costs(end));
    let is_guess =
        |kind| Some(end.stats.of(kind)).is_some_and(|s: &OpStats| s.ops > 0 && beyond(&s.latency, 0.999));
    if OpKind::ALL.into_iter().any(is_guess) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "~ fewer than {SAMPLES_SOUND} samples lie beyond this quantile: take it as a guess"
        );
    }
    out.push_str(&failures(&end.stats));
    out
}

/// One kind of operation, over a time.
pub(super) fn line(kind: OpKind, stats: &OpStats, window: Duration) -> String {
    let seconds = window.as_secs_f64().max(1e-9);
    let latency = &stats.latency;
    let throughput = match kind.payload() {
        Payload::Names => format!("{:.0} names/s", stats.names as f64 / seconds),
        Payload::Bytes => format!("{}/s", show_size(stats.bytes_inside / seconds)),
        Payload::None => "-".to_owned(),
    };
    format!(
        "{:<6} {:>12} {:>14} {:>12.1} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8}\n",
        kind.label(),
        stats.ops,
        throughput,
        stats.ops_inside / seconds,
        show_duration_ns(latency.min_ns()),
        quantile(latency, 0.5),
        quantile(latency, 0.99),
        quantile(latency, 0.999),
        show_duration_ns(latency.max_ns()),
        stats.error_count(),
    )
}

/// Where the time went, of the kinds that were traced.
fn phases(end: &RunEnd) -> String {
    let mut out = String::new();
    for kind in OpKind::ALL {
        let phases = &end.stats.of(kind).phases;
        for (name, latency) in phases.named().into_iter().filter(|(_, latency)| latency.count() > 0) {
            let [mean, p50, p99] = [latency.mean_ns(), latency.quantile_ns(0.5), latency.quantile_ns(0.99)];
            let [mean, p50, p99] = [mean, p50, p99].map(show_duration_ns);
            let (label, count) = (kind.label(), latency.count());
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "TRACE {label:<6} {name:<8} {count:>10} times, mean {mean}, p50 {p50}, p99 {p99}"
            );
        }
    }
    out
}

/// Processor time for the payload: ours, and everybody's on this machine.
fn costs(end: &RunEnd) -> String {
    let payload =
        |pick: fn(&OpStats) -> f64| OpKind::singles().map(|kind| pick(end.stats.of(kind))).sum::<f64>();
    let (bytes, ops) = (payload(|s| s.bytes_inside), payload(|s| s.ops_inside));
    let cost = |seconds: f64| {
        let gib = per_gib(seconds, bytes).map_or("-".to_owned(), |cost| format!("{cost:.3} CPU-s/GiB"));
        let op = us_per_op(seconds, ops).map_or("-".to_owned(), |cost| format!("{cost:.1} CPU-us/op"));
        format!("{seconds:.2} CPU-s, {gib}, {op}")
    };
    let mut out = format!("CPU   own: {}\n", cost(end.cpu.own_s));
    if let Some(machine) = end.cpu.machine_s {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "CPU   whole machine: {}", cost(machine));
    }
    if let Some(stolen) = end.cpu.stolen_s.filter(|stolen| *stolen > 0.01 * end.window.as_secs_f64()) {
        let _ = writeln!(
            out,
            "CPU   {stolen:.2} CPU-s were taken by other guests of this host: do not trust this run"
        );
    }
    out
}

/// The failures of each kind of operation.
pub(super) fn failures(all: &Stats) -> String {
    let mut out = String::new();
    for kind in OpKind::ALL {
        let stats = all.of(kind);
        if stats.error_count() == 0 {
            continue;
        }
        let counts: Vec<String> =
            stats.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let slowest = show_duration_ns(stats.error_latency.max_ns());
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{} errors: {} (slowest after {slowest})", kind.label(), counts.join(", "));
        for text in &stats.error_texts {
            let _ = writeln!(out, "    {text}");
        }
    }
    out
}

fn shown(duration: Duration) -> String {
    show_duration_ns(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
