#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::report::analysis::quantity::{Metric, Unit};
use crate::report::analysis::simulated::Simulated;
use crate::report::record::schema::Phase;
use proptest::prelude::*;

fn throughput() -> Quantity {
    Quantity::Throughput { kind: Some("get".into()), unit: Unit::Bytes }
}

fn latency(metric: Metric) -> Quantity {
    Quantity::Latency { kind: "get".into(), metric, is_intended: false }
}

#[test]
fn throughput_is_bytes_over_time_of_the_steady_seconds() {
    let mut log = Simulated { noise: 0.0, ..Simulated::default() }.log();
    log.intervals[0].phase = Phase::Warmup;
    log.intervals[0].ops.get_mut("get").unwrap().bytes = 1 << 60;
    let measured = measure(&log, &throughput(), 1).unwrap();
    assert_eq!(measured.value, 400.0 * f64::from(1u32 << 20));
    assert!(measured.noise.unwrap().log_error < 1e-9);
}

#[test]
fn processor_time_is_for_the_payload() {
    let log = Simulated { noise: 0.0, ..Simulated::default() }.log();
    let machine = measure(&log, &Quantity::Cpu { is_machine: true, unit: Unit::Bytes }, 1).unwrap();
    assert!((machine.value * f64::from(1u32 << 30) - 2.56).abs() < 1e-9, "{machine:?}");
    let own = measure(&log, &Quantity::Cpu { is_machine: false, unit: Unit::Ops }, 1).unwrap();
    assert!((own.value / 0.0005 - 1.0).abs() < 0.02, "{own:?}");
}

#[test]
fn percentiles_rebuilt_from_seconds_are_those_of_the_whole() {
    for seed in 1..6 {
        let log = Simulated { ops: 2000.0, noise: 0.3, seed, ..Simulated::default() }.log();
        let cut = RunLog { end: None, ..log.clone() };
        for (metric, within) in [(Metric::P50, 0.03), (Metric::P99, 0.03), (Metric::P999, 0.06)] {
            let exact = measure(&log, &latency(metric), 1).unwrap().value;
            let rebuilt = measure(&cut, &latency(metric), 1).unwrap().value;
            assert!((rebuilt / exact - 1.0).abs() < within, "{metric:?}: {rebuilt} {exact}");
        }
    }
}

#[test]
fn what_the_data_cannot_say_has_a_reason() {
    let log = Simulated { ops: 100.0, ..Simulated::default() }.log();
    let tail = measure(&log, &latency(Metric::P999), 1).unwrap();
    assert!(tail.noise.unwrap_err().contains("only 6 operations"));
    let short = Simulated { seconds: 9, ..Simulated::default() }.log();
    assert!(measure(&short, &throughput(), 1).unwrap().noise.unwrap_err().contains("9 steady seconds"));
    let put = Quantity::Throughput { kind: Some("put".into()), unit: Unit::Bytes };
    assert_eq!(measure(&log, &put, 1), None);
}

#[test]
fn long_runs_are_joined_to_fewer_cells() {
    let log = Simulated { seconds: 5000, ops: 10.0, likeness: 0.0, ..Simulated::default() }.log();
    let noise = measure(&log, &throughput(), 1).unwrap().noise.unwrap();
    assert!((0.0003..0.003).contains(&noise.log_error), "{noise:?}");
}

proptest! {
    #[test]
    fn any_numbers_are_measured_without_panic(
        counts in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), 0.0f64..1e10), 0..40),
    ) {
        let mut log = Simulated { seconds: 1, ..Simulated::default() }.log();
        let one = log.intervals[0].clone();
        log.intervals = counts.iter().map(|(ops, bytes, ns, span_s)| {
            let mut interval = IntervalLine { span_s: *span_s, ..one.clone() };
            let op = interval.ops.get_mut("get").unwrap();
            (op.ops, op.bytes, op.latency.p99_ns, op.latency.max_ns) = (*ops, *bytes, *ns, ns.rotate_left(9));
            interval
        }).collect();
        for quantity in [throughput(), latency(Metric::P50), latency(Metric::P999)] {
            let measured = measure(&log, &quantity, 1);
            prop_assert!(measured.is_none_or(|m| m.value.is_finite() && m.value > 0.0));
        }
    }
}
