//! The NDJSON log of a run, schema 1: what is written is what can be read. One JSON object a line; every number is a
//! number, in the unit that its name says. Readers ignore fields they do not know and take absent ones for zero.

use crate::honesty::host::Host;
use crate::honesty::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version that is written.
pub const SCHEMA: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first one: what ran, where.
    Run(RunLine),
    /// One second.
    Interval(IntervalLine),
    /// The last one: the whole. A log without it is of a run that did not end well.
    Final(Box<FinalLine>),
    /// A type of a later version.
    #[serde(other)]
    Other,
}

/// The run's configuration and host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunLine {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Begin of the run, wall clock.
    pub started_unix_ms: u64,
    /// The version of the loader.
    pub version: String,
    /// Its arguments as they were typed.
    pub command: Vec<String>,
    /// The flags with every default resolved.
    pub config: serde_json::Value,
    /// The client's machine.
    pub host: Host,
    /// Names to read at the begin.
    pub objects_known: u64,
}

/// The events of one interval, only of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntervalLine {
    /// Its end, since the begin of the run.
    pub at_s: f64,
    /// Its length; 0: what ended after the run.
    pub span_s: f64,
    /// Part of the run, as far as it is known at the time.
    pub phase: Phase,
    /// Figures by kind of operation, in lower case.
    pub ops: BTreeMap<String, OpLine>,
    /// Figures by target's id, or by its address when the id is not known.
    pub targets: BTreeMap<String, PlaceLine>,
    /// Figures by target's id and mountpath, `ID:/path`; empty when the server does not tell.
    pub mountpaths: BTreeMap<String, PlaceLine>,
    /// Processor time of the loader.
    pub own_cpu_s: f64,
    /// Processor time of the whole machine.
    pub machine_cpu_s: Option<f64>,
    /// Operations in flight at its end.
    pub inflight: u64,
    /// Operations of an open loop that were due and not begun.
    pub dropped: u64,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The interval is not counted in the result.
    Warmup,
    /// Counted.
    #[default]
    Steady,
    /// After the run's end: what was still in flight.
    Drain,
}

impl Phase {
    /// Its name, as it is written.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Steady => "steady",
            Self::Drain => "drain",
        }
    }
}

/// One kind of operation. Latencies are of those that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpLine {
    /// Operations that succeeded.
    pub ops: u64,
    /// Their payload.
    pub bytes: u64,
    /// Names in their pages.
    pub names: u64,
    /// Operations that failed.
    pub errors: u64,
    /// Service latency: from the request to the end of the answer.
    #[serde(flatten)]
    pub latency: LatencyLine,
    /// Latency from the intended start, in an open loop.
    pub intended: Option<LatencyLine>,
}

/// A distribution of latencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatencyLine {
    /// The least.
    pub min_ns: u64,
    /// The mean, exact.
    pub mean_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// The 90th percentile.
    pub p90_ns: u64,
    /// The 99th.
    pub p99_ns: u64,
    /// The 99.9th.
    pub p999_ns: u64,
    /// The 99.99th.
    pub p9999_ns: u64,
    /// The greatest, exact.
    pub max_ns: u64,
    /// Base64 of the HdrHistogram (V2, compressed) in nanoseconds; only in the final line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hdr: String,
}

/// A target or a mountpath, all kinds of operations together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaceLine {
    /// Operations that succeeded.
    pub ops: u64,
    /// Their payload.
    pub bytes: u64,
    /// Operations that failed.
    pub errors: u64,
    /// The median latency.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The greatest.
    pub max_ns: u64,
}

/// The whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FinalLine {
    /// The time that the figures refer to: throughput is bytes divided by it.
    pub window_s: f64,
    /// True when the user ended the run.
    pub is_interrupted: bool,
    /// Figures by kind of operation, in lower case.
    pub ops: BTreeMap<String, OpLine>,
    /// As in [`IntervalLine`].
    pub targets: BTreeMap<String, PlaceLine>,
    /// As in [`IntervalLine`].
    pub mountpaths: BTreeMap<String, PlaceLine>,
    /// Processor time of the loader.
    pub own_cpu_s: f64,
    /// Processor time of the whole machine.
    pub machine_cpu_s: Option<f64>,
    /// Operations of an open loop that were due and not begun.
    pub dropped: u64,
    /// Bytes that the server's devices read; `None` when it cannot be known.
    pub device_read_bytes: Option<u64>,
    /// Hits and misses of the server's cache; `None` when it does not tell.
    pub cache_hits: Option<u64>,
    /// See `cache_hits`.
    pub cache_misses: Option<u64>,
    /// Seconds at the begin that the figures leave out.
    pub warmup_s: f64,
    /// The way in which the end of the warm-up was found, and the steadiness of the rest.
    pub steadiness: String,
    /// The verdict on the run.
    pub verdict: Verdict,
    /// The loaders, when there were several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentLine>,
}

/// One of several loaders, with all of its run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentLine {
    /// Where it listens, `host:port`.
    pub address: String,
    /// The time from its begin to its end, or to the last that was heard of it.
    pub window_s: f64,
    /// Figures by kind of operation, in lower case.
    pub ops: BTreeMap<String, OpLine>,
    /// Cores that it worked on.
    pub cores: usize,
    /// Its processor time.
    pub own_cpu_s: f64,
    /// Round trip to it.
    pub rtt_s: f64,
    /// When it began after the instant that was set; `None`: never.
    pub late_s: Option<f64>,
    /// Why it is missing; `None`: it came to its end.
    pub lost: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::honesty::verdict::{Limit, Refusal};

    fn op() -> OpLine {
        let latency = LatencyLine { min_ns: 1, p9999_ns: 8, hdr: "SElTVA==".into(), ..Default::default() };
        OpLine { ops: 3, bytes: 4, latency: latency.clone(), intended: Some(latency), ..Default::default() }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let ops = BTreeMap::from([("get".to_owned(), op())]);
        let refusal = Refusal { rule: "clock-step".into(), text: "2 s".into(), is_overridden: true };
        let verdict = Verdict { limit: Limit::ServerCpu, refusals: vec![refusal], ..Default::default() };
        let lines = [
            Line::Run(RunLine { schema: SCHEMA, command: vec!["-h".into()], ..Default::default() }),
            Line::Interval(IntervalLine {
                at_s: 1.0,
                phase: Phase::Drain,
                ops: ops.clone(),
                machine_cpu_s: Some(0.5),
                ..Default::default()
            }),
            Line::Final(Box::new(FinalLine { window_s: 60.0, ops, verdict, ..Default::default() })),
        ];
        for line in lines {
            let text = serde_json::to_string(&line).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
        }
    }

    #[test]
    fn names_on_the_wire_are_those_of_the_schema() {
        let line = Line::Interval(IntervalLine {
            ops: BTreeMap::from([("put".to_owned(), op())]),
            ..Default::default()
        });
        let json = serde_json::to_value(&line).unwrap();
        assert_eq!(json["type"], "interval");
        assert_eq!(json["phase"], "steady");
        assert_eq!(json["ops"]["put"]["p9999_ns"], 8);
        assert_eq!(json["ops"]["put"]["intended"]["min_ns"], 1);
        assert_eq!(serde_json::to_value(Limit::ServerCpu).unwrap(), "server-cpu");
    }

    #[test]
    fn later_versions_can_be_read() {
        let text = r#"{"type":"interval","at_s":2,"novelty":{},"ops":{"head":{"ops":1,"x":0}}}"#;
        let Line::Interval(line) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        assert_eq!((line.at_s, line.ops["head"].ops), (2.0, 1));
        assert_eq!(serde_json::from_str::<Line>(r#"{"type":"novelty"}"#).unwrap(), Line::Other);
    }
}
