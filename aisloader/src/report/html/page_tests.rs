#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::honesty::verdict::Refusal;
use crate::report::analysis::simulated::Simulated;
use crate::report::record::schema::{IntervalLine, LatencyLine, OpLine, PlaceLine};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use proptest::prelude::*;
use quick_xml::events::Event;

/// Reads the page as XML; returns how many elements it has.
fn well_formed(page: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(page);
    reader.config_mut().enable_all_checks(true);
    let (mut elements, mut depth) = (0usize, 0usize);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                tag.attributes().for_each(|attribute| drop(attribute.unwrap()));
                (elements, depth) = (elements + 1, depth + 1);
            }
            Event::Empty(tag) => tag.attributes().for_each(|attribute| drop(attribute.unwrap())),
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert!(!page.contains("NaN") && !page.contains("inf\""), "a coordinate that is no number");
    elements
}

fn hdr(values: &[u64]) -> String {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    values.iter().for_each(|value| histogram.saturating_record((*value).max(1)));
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
    STANDARD.encode(&bytes)
}

fn place(ops: u64) -> PlaceLine {
    PlaceLine { ops, bytes: ops << 20, p99_ns: 5_000_000, ..PlaceLine::default() }
}

/// A run with everything that a log can have.
fn full(seed: u64) -> RunLog {
    let mut log = Simulated { seed, ..Simulated::default() }.log();
    for interval in &mut log.intervals {
        interval.mountpaths = (0..4).map(|n| (format!("t1:/mnt/{n}"), place(90 + n))).collect();
    }
    let end = log.end.as_mut().unwrap();
    end.ops.get_mut("get").unwrap().latency.hdr = hdr(&[1_000_000, 2_000_000, 30_000_000]);
    end.targets = (0..2).map(|n| (format!("t{n}"), place(5000 + n))).collect();
    end.mountpaths = (0..40).map(|n| (format!("t1:/mnt/{n}"), place(5000 + n))).collect();
    log
}

#[test]
fn one_run_and_several() {
    let one = page(&[full(1)]);
    assert!(well_formed(&one) > 300);
    for wanted in
        ["admissible", "GET: ", "Targets", "Mountpaths", "Jain index", "Percentiles of the whole run"]
    {
        assert!(one.contains(wanted), "{wanted}");
    }
    let several = page(&[full(1), full(2), full(3)]);
    well_formed(&several);
    assert!(several.contains("3 runs compared") && several.contains("cannot tell"));
}

#[test]
fn nothing_from_outside_is_fetched_or_run() {
    let page = page(&[full(1), full(2)]);
    for forbidden in ["http:", "https:", "<script", "url(", "@import", "<link", "src="] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn what_files_say_stays_text() {
    let mut log = full(1);
    let evil = "</style><script>alert(1)</script>\"'&\u{1}";
    log.path = evil.into();
    log.run.command = vec![evil.into()];
    log.run.config = serde_json::json!({ evil: evil });
    log.run.host.hostname = evil.into();
    log.warnings.push(evil.into());
    let end = log.end.as_mut().unwrap();
    end.verdict.text = evil.into();
    end.verdict.refusals = vec![Refusal { rule: evil.into(), text: evil.into(), is_overridden: true }];
    end.targets.insert(evil.into(), place(7));
    let op = end.ops["get"].clone();
    end.ops.insert(evil.into(), op);
    let page = page(&[log.clone(), log]);
    well_formed(&page);
    assert!(!page.contains("<script") && page.contains("&lt;script"));
}

#[test]
fn runs_with_hardly_anything_in_them() {
    let empty = RunLog { path: "empty".into(), ..RunLog::default() };
    let mut one_second = Simulated { seconds: 1, ..Simulated::default() }.log();
    let mut idle = full(1);
    idle.intervals.iter_mut().for_each(|interval| interval.ops.clear());
    idle.end.as_mut().unwrap().ops.clear();
    one_second.end = None;
    for logs in
        [vec![empty.clone()], vec![one_second.clone()], vec![idle.clone()], vec![empty, one_second, idle]]
    {
        well_formed(&page(&logs));
    }
}

fn any_op() -> impl Strategy<Value = OpLine> {
    let number = prop_oneof![Just(0u64), 1u64..10_000_000_000, Just(u64::MAX)];
    prop::collection::vec(number, 8).prop_map(|n| OpLine {
        ops: n[0],
        bytes: n[1],
        errors: n[2],
        latency: LatencyLine {
            min_ns: n[3],
            p50_ns: n[4],
            p99_ns: n[5],
            p999_ns: n[6],
            max_ns: n[7],
            hdr: hdr(&n),
            ..LatencyLine::default()
        },
        intended: (n[0] % 2 == 1).then(LatencyLine::default),
        ..OpLine::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_run_makes_a_well_formed_page(
        seconds in prop::collection::vec((0.0f64..3.2e10, 0.0f64..100.0, any_op(), any::<u64>()), 0..20),
        whole in any_op(),
        name in ".*",
        count in 1usize..4,
    ) {
        let mut log = full(3);
        log.path = name.clone();
        log.intervals = seconds.into_iter().map(|(at_s, span_s, op, other)| IntervalLine {
            at_s,
            span_s,
            ops: [(name.clone(), op.clone()), ("get".to_owned(), op)].into(),
            targets: [(name.clone(), place(other >> 30))].into(),
            own_cpu_s: at_s,
            machine_cpu_s: Some(at_s * 1e300),
            inflight: other,
            dropped: other,
            ..IntervalLine::default()
        }).collect();
        log.end.as_mut().unwrap().ops.insert("get".to_owned(), whole);
        well_formed(&page(&vec![log; count]));
    }
}
