use super::*;
use proptest::prelude::*;

fn training(text: &str) -> Training {
    Training::parse(text).unwrap()
}

/// Plays a loader that takes `load_ms` for a sample, until `end_ms` or `samples`; returns the statistics and the times
/// in milliseconds at which batches began to be loaded.
fn play(text: &str, load_ms: u64, samples: u64, end_ms: Option<u64>) -> (TrainingStats, Vec<u64>) {
    let begin = Instant::now();
    let at = |ms: u64| begin + Duration::from_millis(ms);
    let mut consumer = Consumer::new(training(text));
    let (mut now_ms, mut begins) = (0, Vec::new());
    for sample in 0..samples {
        if let Some(room) = consumer.room_at() {
            now_ms = now_ms.max(room.duration_since(begin).as_millis() as u64);
        }
        if sample % training(text).batch_samples == 0 {
            begins.push(now_ms);
        }
        now_ms += load_ms;
        if let Some(end_ms) = end_ms.filter(|end_ms| *end_ms < now_ms) {
            consumer.cut(at(end_ms));
            return (consumer.take_stats(), begins);
        }
        consumer.sample(at(now_ms));
    }
    consumer.finish(at(now_ms));
    (consumer.take_stats(), begins)
}

#[test]
fn specifications_are_read_in_any_order() {
    let want = Training { batch_samples: 64, compute: Duration::from_millis(50), prefetch_batches: 3 };
    for text in ["batch=64,compute=50ms,prefetch=3", "prefetch=3,compute=50ms,batch=64"] {
        assert_eq!(Training::parse(text), Ok(want));
    }
    assert_eq!(training("batch=1,compute=0").prefetch_batches, 2);
    let table = [
        "",
        "batch=64",
        "compute=5ms",
        "batch=0,compute=5ms",
        "batch=1,compute=5",
        "batch=1,compute=5ms,x=1",
    ];
    for text in table {
        assert!(Training::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_fast_loader_never_stalls_the_accelerator() {
    let (stats, _) = play("batch=4,compute=50ms,prefetch=1", 5, 400, None);
    assert_eq!((stats.batches, stats.samples, stats.stalls, stats.wait_ns), (100, 400, 0, 0));
    assert_eq!(stats.compute_ns, 5_000_000_000);
    assert_eq!(stats.utilisation(), Some(1.0));
}

#[test]
fn a_slow_loader_stalls_it_by_the_difference() {
    // A batch takes 80 ms to load and 50 ms to compute: after the first, each is waited for 30 ms.
    let (stats, _) = play("batch=4,compute=50ms,prefetch=2", 20, 40, None);
    assert_eq!((stats.batches, stats.stalls, stats.stall_ns), (10, 9, 9 * 30_000_000));
    assert_eq!((stats.wait_ns, stats.stall_max_ns), (stats.stall_ns, 30_000_000));
    assert_eq!(stats.compute_ns, 500_000_000);
    assert!((stats.utilisation().unwrap() - 500.0 / 770.0).abs() < 1e-9);
}

#[test]
fn prefetching_bounds_how_far_the_loader_runs_ahead() {
    // Loading takes 4 ms a batch, computing 50 ms; the first batch begins to be computed at 4 ms.
    assert_eq!(play("batch=4,compute=50ms,prefetch=1", 1, 16, None).1, [0, 4, 54, 104]);
    assert_eq!(play("batch=4,compute=50ms,prefetch=2", 1, 16, None).1, [0, 4, 8, 54]);
    // Without prefetching they take turns, and each batch but the first is waited for.
    let (stats, begins) = play("batch=4,compute=50ms,prefetch=0", 1, 16, None);
    assert_eq!(begins, [0, 54, 108, 162]);
    assert_eq!((stats.stalls, stats.stall_ns), (3, 12_000_000));
}

#[test]
fn the_end_of_the_run_cuts_what_goes_on() {
    // Ready at 40 ms, computed until 90 ms; the next would be ready at 1040 ms, the run ends at 500 ms.
    let begin = Instant::now();
    let mut consumer = Consumer::new(training("batch=1,compute=50ms"));
    assert!(consumer.sample(begin + Duration::from_millis(40)));
    consumer.cut(begin + Duration::from_millis(500));
    let stats = consumer.take_stats();
    assert_eq!((stats.compute_ns, stats.wait_ns), (50_000_000, 410_000_000));
    assert_eq!((stats.stalls, stats.stall_max_ns), (1, 410_000_000));
    // In the middle of a computation: only the part before the end counts.
    let (stats, _) = play("batch=1,compute=50ms,prefetch=5", 1, 100, Some(31));
    assert_eq!((stats.compute_ns, stats.wait_ns, stats.stalls), (30_000_000, 0, 0));
    let never = Consumer::new(training("batch=1,compute=50ms")).take_stats();
    assert_eq!((never.utilisation(), never.batches), (None, 0));
}

#[test]
fn the_last_batch_may_be_smaller() {
    let (stats, _) = play("batch=4,compute=10ms", 1, 10, None);
    assert_eq!((stats.batches, stats.samples, stats.compute_ns), (3, 10, 30_000_000));
}

proptest! {
    #[test]
    fn all_time_after_the_first_batch_is_computed_or_waited(
        batch in 1u64..8, compute_ms in 0u64..30, prefetch in 0usize..4, load_ms in 1u64..20, samples in 1u64..200,
        end_ms in 0u64..500,
    ) {
        let text = format!("batch={batch},compute={compute_ms}ms,prefetch={prefetch}");
        let (whole, _) = play(&text, load_ms, samples, None);
        prop_assert_eq!(whole.samples, samples);
        prop_assert_eq!(whole.compute_ns, whole.batches * compute_ms * 1_000_000);
        prop_assert!(whole.stall_ns <= whole.wait_ns);
        let (cut, _) = play(&text, load_ms, u64::MAX, Some(end_ms));
        let lived_ms = end_ms.saturating_sub(batch * load_ms);
        prop_assert_eq!(cut.compute_ns + cut.wait_ns, lived_ms * 1_000_000);
    }
}
