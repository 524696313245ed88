//! `/metrics`: the counters of all cores as Prometheus text.

use super::Request;
use crate::error::Result;
use crate::metrics::sum;
use crate::reply::Reply;
use crate::shard::{Cut, Shard};
use crate::store::StoreStats;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use uring::{LoopStats, PoolStats};
use wire::api::stats::metric_kind;

/// One core's state, as it travels to the core that was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct CoreReport {
    pub(super) counters: Vec<(&'static str, u64)>,
    pub(super) store: StoreStats,
    pub(super) pool: PoolStats,
    pub(super) connections: usize,
    pub(super) loop_stats: LoopStats,
    pub(super) idle_ended: u64,
    /// Connections that were cut or refused, by reason.
    pub(super) cut: Vec<(&'static str, u64)>,
    pub(super) refused: Vec<(&'static str, u64)>,
}

/// Asks every core.
pub(super) async fn collect(shard: &Rc<Shard>) -> Result<Vec<CoreReport>> {
    shard
        .call_all(|core| async move {
            CoreReport {
                counters: core.counters.snapshot(),
                store: core.store.stats(),
                pool: core.driver.pool().stats(),
                connections: core.connections(),
                loop_stats: uring::loop_stats(),
                idle_ended: core.door.made_room(),
                cut: Cut::REASONS.into_iter().zip(core.watch.cuts()).collect(),
                refused: core.door.refused().to_vec(),
            }
        })
        .await
}

pub(super) async fn handle(request: &Request<'_, '_>) -> Result<Reply> {
    let node = &request.shard.node;
    let reports = collect(request.shard).await?;
    let mut text = String::with_capacity(8 << 10);
    let label = format!("node_id=\"{}\"", node.target_id);
    for (name, value) in sum(reports.iter().map(|report| report.counters.clone()).collect()) {
        line(&mut text, &ais_name(name), kind(name), &label, value);
    }
    for (core, report) in reports.iter().enumerate() {
        let label = format!("{label},core=\"{core}\"");
        for (name, kind, value) in core_values(report) {
            line(&mut text, &format!("straightline_{name}"), kind, &label, value);
        }
        loop_lines(&mut text, &label, &report.loop_stats);
    }
    let cut = "Connections ended because no byte moved for too long: of a head, of a body, of an answer.";
    by_reason(&mut text, "connections_cut_total", cut, &label, &reports, |report| &report.cut);
    let refused = "Connections answered with 503 or closed at once: all in use, or no descriptor left.";
    by_reason(&mut text, "connections_refused_total", refused, &label, &reports, |report| &report.refused);
    for mountpath in node.mountpaths.iter() {
        let label = format!("{label},mountpath=\"{}\"", mountpath.path.display());
        for (group, helpers) in [("look", mountpath.lookers()), ("change", mountpath.changers())] {
            let (stats, label) = (helpers.stats(), format!("{label},group=\"{group}\""));
            line(&mut text, "straightline_helpers_busy", "gauge", &label, stats.busy as u64);
            line(&mut text, "straightline_helpers_queued", "gauge", &label, stats.queued as u64);
        }
        line(&mut text, "straightline_mountpath_suspect", "gauge", &label, u64::from(mountpath.is_suspect()));
        let promise = format!("{label},id=\"{}\",by=\"{}\"", mountpath.id, mountpath.ground.reach.name());
        line(&mut text, "straightline_mountpath_durability", "gauge", &promise, 1);
        line(&mut text, "straightline_mountpath_errors_total", "counter", &label, mountpath.errors());
    }
    for (name, count) in [("wakeups", &node.watchdog.wakeups), ("stalls", &node.watchdog.stalls)] {
        let name = format!("straightline_watchdog_{name}_total");
        line(&mut text, &name, "counter", &label, count.load(Ordering::Relaxed));
    }
    let messages = &node.messages;
    for (name, kind, value) in [
        ("memory_budget_bytes", "gauge", node.budget.total_bytes as u64),
        ("memory_limit_bytes", "gauge", node.memory_limit_bytes),
        ("connections_limit", "gauge", node.budget.connections_max as u64),
        ("message_limit_bytes", "gauge", messages.limit_bytes() as u64),
        ("message_bytes", "gauge", messages.used_bytes() as u64),
        ("message_refused_total", "counter", messages.refused()),
    ] {
        line(&mut text, &format!("straightline_{name}"), kind, &label, value);
    }
    line(&mut text, "straightline_uptime_seconds", "gauge", &label, node.uptime_ns() / 1_000_000_000);
    Ok(Reply::bytes(200, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
}

/// A counter of connections with a label for the reason, summed over all cores.
fn by_reason(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    reports: &[CoreReport],
    of: impl Fn(&CoreReport) -> &Vec<(&'static str, u64)>,
) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP straightline_{name} {help}");
    for (reason, value) in sum(reports.iter().map(|report| of(report).clone()).collect()) {
        let label = format!("{label},reason=\"{reason}\"");
        line(text, &format!("straightline_{name}"), "counter", &label, value);
    }
}

fn core_values(report: &CoreReport) -> [(&'static str, &'static str, u64); 28] {
    let (store, pool) = (&report.store, &report.pool);
    [
        ("objects", "gauge", store.objects),
        ("index_bytes", "gauge", store.index_bytes),
        ("index_disk_bytes", "gauge", store.index_disk_bytes),
        ("index_cache_hits_total", "counter", store.index_cache_hits),
        ("index_cache_misses_total", "counter", store.index_cache_misses),
        ("segments", "gauge", store.segments),
        ("segment_bytes", "gauge", store.segment_bytes),
        ("segment_live_bytes", "gauge", store.segment_live_bytes),
        ("segments_reclaimed_total", "counter", store.reclaimed),
        ("cache_hits_total", "counter", store.cache_hits),
        ("cache_misses_total", "counter", store.cache_misses),
        ("cache_bytes", "gauge", store.cache_pool.used_bytes as u64),
        ("cache_resident_bytes", "gauge", store.cache_pool.resident_bytes as u64),
        ("cache_registered_bytes", "gauge", store.cache_pool.registered_bytes as u64),
        ("cache_limit_bytes", "gauge", store.cache_pool.limit_bytes as u64),
        ("flushes_total", "counter", store.flushes),
        ("commits_total", "counter", store.commits),
        ("corrupt_reads_total", "counter", store.corrupt_reads),
        ("pool_resident_bytes", "gauge", pool.resident_bytes as u64),
        ("lanes_rebuilding", "gauge", store.lost_lanes),
        ("lanes_rebuilt_total", "counter", store.rebuilt),
        ("pool_used_bytes", "gauge", pool.used_bytes as u64),
        ("pool_limit_bytes", "gauge", pool.limit_bytes as u64),
        ("pool_registered_bytes", "gauge", pool.registered_bytes as u64),
        ("pool_waiting", "gauge", pool.waiting as u64),
        ("connections", "gauge", report.connections as u64),
        ("connections_idle_ended_total", "counter", report.idle_ended),
        ("slow_peer_bytes", "gauge", store.slow_bytes),
    ]
}

/// The histogram of a core's steps: what its thread does between two looks at the clock, while everything else waits.
fn loop_lines(text: &mut String, label: &str, stats: &LoopStats) {
    const NAME: &str = "straightline_core_step_seconds";
    if !text.contains(&format!("# TYPE {NAME} ")) {
        let _ = writeln!(text, "# TYPE {NAME} histogram");
    }
    let mut so_far = 0;
    for (bucket, count) in stats.steps.iter().enumerate() {
        so_far += count;
        let end = uring::step_bucket_ns(bucket).map_or("+Inf".to_owned(), |ns| (ns as f64 / 1e9).to_string());
        let _ = writeln!(text, "{NAME}_bucket{{{label},le=\"{end}\"}} {so_far}");
    }
    let _ = writeln!(text, "{NAME}_sum{{{label}}} {}", stats.steps_ns as f64 / 1e9);
    let _ = writeln!(text, "{NAME}_count{{{label}}} {so_far}");
    let max = stats.step_ns_max as f64 / 1e9;
    let _ = writeln!(text, "# TYPE {NAME}_max gauge\n{NAME}_max{{{label}}} {max}");
}

/// AIStore's rule for Prometheus names: `get.n` is `ais_target_get_count`.
fn ais_name(tracker: &str) -> String {
    let base = match tracker {
        t if t.ends_with(".n") => format!("{}_count", t.trim_end_matches(".n")),
        t if t.ends_with(".size") => format!("{}_bytes", t.trim_end_matches(".size")),
        t if t.ends_with(".ns.total") => format!("{}_ns_total", t.trim_end_matches(".ns.total")),
        t if t.ends_with(".ns") => format!("{}_ms", t.trim_end_matches(".ns")),
        t => t.to_owned(),
    };
    format!("ais_target_{}", base.replace('.', "_"))
}

fn kind(tracker: &str) -> &'static str {
    match metric_kind(tracker) {
        "gauge" => "gauge",
        _ => "counter",
    }
}

fn line(text: &mut String, name: &str, kind: &str, labels: &str, value: u64) {
    if !text.contains(&format!("# TYPE {name} ")) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
    }
    let _ = writeln!(text, "{name}{{{labels}}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_aistore() {
        assert_eq!(ais_name("get.n"), "ais_target_get_count");
        assert_eq!(ais_name("put.size"), "ais_target_put_bytes");
        assert_eq!(ais_name("err.put.cksum.n"), "ais_target_err_put_cksum_count");
    }
}
