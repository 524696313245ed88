//! The figures of training loops and passes: lines of the table, and the same as data.

use crate::flags::units::show_duration_ns;
use crate::recorder::RunEnd;
use crate::settings::Config;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Lines of the table; empty when the run had neither.
pub(super) fn lines(config: &Config, end: &RunEnd) -> String {
    let mut out = String::new();
    if config.choices.training.is_some() {
        let stats = &end.stats.training;
        let used = stats.utilisation().map_or("-".to_owned(), |share| format!("{:.2}%", 100.0 * share));
        let samples = stats.samples as f64 / end.window.as_secs_f64().max(1e-9);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "TRAIN {} accelerators used {used}: {} batches, {} samples ({samples:.1}/s), {} stalls over 1ms, \
             {} together, the longest {}",
            config.workers,
            stats.batches,
            stats.samples,
            stats.stalls,
            show_duration_ns(stats.stall_ns),
            show_duration_ns(stats.stall_max_ns),
        );
    }
    if let Some(passes) = &end.passes {
        let _ = writeln!(out, "{}", pass_line(config, passes.resume_at, passes.names));
    }
    out
}

fn pass_line(config: &Config, taken: u64, names: u64) -> String {
    let (epochs, seed) = (config.choices.epochs, config.mix.seed);
    let all = epochs.saturating_mul(names);
    if taken >= all {
        return format!("PASS  {epochs} of {epochs} passes over {names} names");
    }
    if config.fleet.is_some() {
        return format!("PASS  {taken} of {all} reads of {epochs} passes over {names} names");
    }
    format!(
        "PASS  {taken} of {all} reads of {epochs} passes over {names} names; -seed={seed} -epoch-start={taken} goes on"
    )
}

/// Accelerators, as data; null when there were none.
pub(super) fn training(config: &Config, end: &RunEnd) -> Value {
    if config.choices.training.is_none() {
        return Value::Null;
    }
    let stats = &end.stats.training;
    let seconds = |ns: u64| ns as f64 / 1e9;
    json!({
        "accelerators": config.workers,
        "utilisation": stats.utilisation(),
        "batches": stats.batches,
        "samples": stats.samples,
        "stalls": stats.stalls,
        "stall_s": seconds(stats.stall_ns),
        "stall_max_s": seconds(stats.stall_max_ns),
        "wait_s": seconds(stats.wait_ns),
        "compute_s": seconds(stats.compute_ns),
    })
}

/// Passes, as data; null when there were none.
pub(super) fn passes(config: &Config, end: &RunEnd) -> Value {
    end.passes.as_ref().map_or(Value::Null, |passes| {
        json!({"passes": config.choices.epochs, "names": passes.names, "resume_at": passes.resume_at})
    })
}
