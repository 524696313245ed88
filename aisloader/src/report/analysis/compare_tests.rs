#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::report::analysis::quantity::{Metric, Unit};
use crate::report::analysis::simulated::Simulated;
use proptest::prelude::*;

const METRICS: [Metric; 2] = [Metric::Throughput, Metric::P99];

fn quantity(metric: Metric) -> Quantity {
    match metric {
        Metric::Throughput => Quantity::Throughput { kind: Some("get".into()), unit: Unit::Bytes },
        _ => Quantity::Latency { kind: "get".into(), metric, is_intended: false },
    }
}

fn judged(a: &[RunLog], b: &[RunLog], metric: Metric, margin: f64) -> Comparison {
    let (a, b): (Vec<&RunLog>, Vec<&RunLog>) = (a.iter().collect(), b.iter().collect());
    compare(&a, &b, &quantity(metric), margin, 7).unwrap()
}

fn runs(like: Simulated, seeds: std::ops::Range<u64>) -> Vec<RunLog> {
    seeds.map(|seed| Simulated { seed, ..like }.log()).collect()
}

#[test]
fn a_run_is_not_faster_than_itself() {
    let run = [Simulated::default().log()];
    for metric in METRICS {
        let found = judged(&run, &run, metric, 0.02);
        assert_eq!((found.verdict, found.ratio()), (Verdict::CannotTell, 1.0));
        assert_eq!(judged(&run, &run, metric, 0.02), found, "the same seed, another answer");
    }
}

/// The interval itself is judged (margin 0), at which 5 % are expected.
#[test]
fn equal_runs_are_told_apart_in_few_of_200_cases() {
    for metric in METRICS {
        let wrong = (0..200u64).filter(|case| {
            let like = Simulated { ops: 300.0, ..Simulated::default() };
            let (a, b) = (runs(like, case * 2..case * 2 + 1), runs(like, case * 2 + 1..case * 2 + 2));
            judged(&a, &b, metric, 0.0).verdict != Verdict::CannotTell
        });
        let wrong = wrong.count();
        assert!(wrong <= 14, "{metric:?}: {wrong} of 200");
        assert!(wrong >= 1, "{metric:?}: an interval that is never wrong is too wide");
    }
}

#[test]
fn equal_groups_that_vary_from_run_to_run_are_told_apart_in_few_of_200_cases() {
    let like = Simulated { run_noise: 0.1, seconds: 20, ops: 50.0, ..Simulated::default() };
    let wrong = (0..200u64).filter(|case| {
        let from = case * 6;
        let (a, b) = (runs(like, from..from + 3), runs(like, from + 3..from + 6));
        judged(&a, &b, Metric::Throughput, 0.0).verdict != Verdict::CannotTell
    });
    let wrong = wrong.count();
    assert!((1..=14).contains(&wrong), "{wrong} of 200");
}

#[test]
fn a_shift_of_ten_percent_is_found() {
    for seed in 0..20 {
        let like = Simulated { seed: 1000 + seed, ..Simulated::default() };
        let a = [like.log()];
        let b = [Simulated { ops: 440.0, latency_ns: 5e6 / 1.1, seed: 2000 + seed, ..like }.log()];
        for metric in METRICS {
            let (up, down) = (judged(&a, &b, metric, 0.0), judged(&b, &a, metric, 0.0));
            assert_eq!((up.verdict, down.verdict), (Verdict::Faster, Verdict::Slower), "{metric:?} {up:?}");
        }
        assert_eq!(judged(&a, &b, Metric::Throughput, 0.02).verdict, Verdict::Faster);
        assert_eq!(judged(&a, &b, Metric::Throughput, 0.2).verdict, Verdict::CannotTell);
    }
}

#[test]
fn noise_hides_what_it_hides() {
    let noisy = Simulated { noise: 0.5, likeness: 0.8, ..Simulated::default() };
    let found = judged(&runs(noisy, 1..2), &runs(Simulated { ops: 410.0, ..noisy }, 2..3), METRICS[0], 0.02);
    assert_eq!(found.verdict, Verdict::CannotTell);
    assert!(found.remark.contains("the noise hides differences below"), "{}", found.remark);
    let short = runs(Simulated { seconds: 5, ..Simulated::default() }, 1..2);
    let found = judged(&short, &short, METRICS[0], 0.02);
    assert!(found.interval.is_err() && found.remark.contains("too few"), "{found:?}");
}

#[test]
fn repeats_that_differ_widen_the_interval() {
    let like = Simulated { run_noise: 0.2, ..Simulated::default() };
    let (a, b) = (runs(like, 1..4), runs(like, 4..7));
    let (low, high) = judged(&a, &b, METRICS[0], 0.0).interval.unwrap();
    let (low_one, high_one) = judged(&a[..1], &b[..1], METRICS[0], 0.0).interval.unwrap();
    assert!(high / low > 2.0 * high_one / low_one);
}

proptest! {
    #[test]
    fn the_verdict_turns_with_the_sides(low in 0.1f64..3.0, width in 1.0f64..2.0, margin in 0.0f64..0.3) {
        let high = low * width;
        let (more, _) = judge((low, high), true, margin);
        let (less, _) = judge((low, high), false, margin);
        let (turned, _) = judge((1.0 / high, 1.0 / low), true, margin);
        prop_assert_eq!(more == Verdict::Faster, less == Verdict::Slower);
        prop_assert_eq!(more == Verdict::CannotTell, turned == Verdict::CannotTell);
        prop_assert!(!(low..=high).contains(&1.0) || more == Verdict::CannotTell);
    }
}
