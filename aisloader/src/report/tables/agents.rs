//! The figures of each of several loaders: a table before the one of all of them, and the same as data.

use super::summary;
use crate::honesty::Judgement;
use crate::honesty::agents::{AgentFacts, skew_s};
use crate::workload::OpKind;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Clocks further apart than this are worth a look: logs of both sides cannot be put beside each other.
const DAY_APART_S: f64 = 1.0;

/// Lines of the table; empty when one loader made the run.
pub(super) fn table(judgement: &Judgement) -> String {
    let agents = &judgement.evidence.agents;
    if agents.is_empty() {
        return String::new();
    }
    // Writing to a string cannot fail, here and below.
    let mut out = format!("\nAgents, each with all of its run\n{}", summary::HEAD);
    for agent in agents {
        let _ = writeln!(out, "{}", title(agent));
        for kind in OpKind::ALL.into_iter().filter(|kind| !agent.stats.of(*kind).is_empty()) {
            out.push_str(&summary::line(kind, agent.stats.of(kind), agent.window));
        }
        out.push_str(&summary::failures(&agent.stats));
    }
    let known_ms = agents.iter().map(|agent| agent.rtt.as_secs_f64() * 500.0).fold(0.0, f64::max);
    if let Some(skew_s) = skew_s(agents) {
        let skew_ms = skew_s * 1e3;
        let _ = writeln!(
            out,
            "START within {skew_ms:.3} ms of each other, as far as clocks can tell: +-{known_ms:.3} ms"
        );
    }
    out
}

fn title(agent: &AgentFacts) -> String {
    let mut out =
        format!("AGENT {}: {} cores, {:.0} % busy", agent.address, agent.cores, agent.busy() * 100.0);
    let _ = write!(out, ", round trip {:.3} ms", agent.rtt.as_secs_f64() * 1e3);
    if let Some(late_s) = agent.late_s {
        let _ = write!(out, ", began {:+.3} ms", late_s * 1e3);
    }
    if agent.day_ahead_s.abs() > DAY_APART_S {
        let _ = write!(out, ", its time of the day is {:+.1} s off", agent.day_ahead_s);
    }
    if let Some(why) = &agent.lost {
        let _ = write!(out, "; LOST {why}");
    }
    out
}

/// The same as data; null when one loader made the run.
pub(super) fn json(judgement: &Judgement) -> Value {
    let agents = &judgement.evidence.agents;
    if agents.is_empty() {
        return Value::Null;
    }
    let all: Vec<Value> = agents.iter().map(one).collect();
    json!({"skew_s": skew_s(agents), "all": all})
}

fn one(agent: &AgentFacts) -> Value {
    let mut row = super::json::whole(&agent.stats, agent.window);
    let facts = json!({
        "address": agent.address,
        "duration": agent.window.as_nanos(),
        "cores": agent.cores,
        "busy": agent.busy(),
        "cpu_s": agent.cpu.own_s,
        "rtt_s": agent.rtt.as_secs_f64(),
        "late_s": agent.late_s,
        "day_ahead_s": agent.day_ahead_s,
        "lost": agent.lost,
    });
    row.extend(facts.as_object().cloned().unwrap_or_default());
    Value::Object(row)
}
