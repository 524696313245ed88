//! The first and the last line of a log.

use super::lines::{Detail, ops, places};
use super::schema::{AgentLine, FinalLine, RunLine, SCHEMA};
use crate::honesty::Judgement;
use crate::honesty::agents::AgentFacts;
use crate::honesty::host::this_host;
use crate::recorder::RunEnd;
use crate::settings::Config;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The run that is about to begin, here and now; `words` are the program's arguments.
///
/// # Errors
/// When the configuration cannot be written as JSON.
pub fn run_line(config: &Config, words: &[String], objects_known: u64) -> serde_json::Result<RunLine> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(RunLine {
        schema: SCHEMA,
        started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: words.to_vec(),
        config: serde_json::to_value(config)?,
        host: this_host(),
        objects_known,
    })
}

/// The last line of the log; `ids` are the servers' by their addresses.
#[must_use]
pub fn final_line(end: &RunEnd, judgement: &Judgement, ids: &BTreeMap<String, String>) -> FinalLine {
    let (reads, steadiness) = (&judgement.evidence.reads, &judgement.evidence.steadiness);
    FinalLine {
        window_s: end.window.as_secs_f64(),
        is_interrupted: end.is_interrupted,
        ops: ops(&end.stats, Detail::Histogram),
        targets: places(&end.stats.targets, ids),
        mountpaths: places(&end.stats.mountpaths, ids),
        own_cpu_s: end.cpu.own_s,
        machine_cpu_s: end.cpu.machine_s,
        dropped: end.stats.open.dropped,
        device_read_bytes: reads.device_bytes,
        cache_hits: reads.cache.map(|(hits, _)| hits),
        cache_misses: reads.cache.map(|(_, misses)| misses),
        warmup_s: steadiness.warmup_s as f64,
        steadiness: steadiness.text.clone(),
        verdict: judgement.verdict.clone(),
        agents: judgement.evidence.agents.iter().map(agent).collect(),
    }
}

fn agent(facts: &AgentFacts) -> AgentLine {
    AgentLine {
        address: facts.address.clone(),
        window_s: facts.window.as_secs_f64(),
        ops: ops(&facts.stats, Detail::Quantiles),
        cores: facts.cores,
        own_cpu_s: facts.cpu.own_s,
        rtt_s: facts.rtt.as_secs_f64(),
        late_s: facts.late_s,
        lost: facts.lost.clone(),
    }
}
