//! The most that any server could reach with this placement and so few requests outstanding.
//!
//! Requests of a closed loop go to a disk at random, so sometimes a disk has none waiting while another has many. That
//! is the loader's and the placement's doing, not the server's, and it must not be counted as contention.

use crate::workload::random::{Stream, draw};

/// Requests that one simulation draws, at most; a longer round would come to the same.
const DRAWS_MAX: u64 = 1_000_000;
/// Simulations that are averaged.
const WORLDS: u64 = 8;

/// The fraction of the disks' sum that a server without any loss of its own can reach.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Ceiling {
    /// In the long run with endless queues: the disk with the largest share of objects is full first.
    pub place: f64,
    /// In such a round with even shares: some queues are empty at times.
    pub queue: f64,
    /// In such a round with these shares. Not the product: in a short round the queues still take up the skew.
    pub reach: f64,
}

/// The part of a run that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Left out at the begin, where all queues start empty.
    pub warmup_s: f64,
    /// Counted.
    pub measure_s: f64,
}

/// The ceiling for disks with these shares of the requests and these rates, and so many requests outstanding.
///
/// Service times are constant, which is what a throttled disk has; requests are drawn from `seed`.
#[must_use]
pub fn ceiling(shares: &[f64], rates: &[f64], outstanding: usize, window: Window, seed: u64) -> Ceiling {
    let sum: f64 = rates.iter().sum();
    let full = saturated(shares, rates);
    if sum <= 0.0 || full <= 0.0 || !full.is_finite() {
        return Ceiling { place: 1.0, queue: 1.0, reach: 1.0 };
    }
    let even = vec![1.0 / shares.len().max(1) as f64; shares.len()];
    let reached = |shares: &[f64]| {
        let worlds =
            (0..WORLDS).map(|world| simulate(shares, rates, outstanding, window, seed ^ (world << 32)));
        // The first and last request of a window may make one too many.
        (worlds.sum::<f64>() / WORLDS as f64 / sum).min(1.0)
    };
    Ceiling { place: full / sum, queue: reached(&even), reach: reached(shares) }
}

/// Throughput with endless queues: the disk whose share is too large for its rate decides.
fn saturated(shares: &[f64], rates: &[f64]) -> f64 {
    let of = |(share, rate): (&f64, &f64)| if *share > 0.0 { rate / share } else { f64::INFINITY };
    shares.iter().zip(rates).map(of).fold(f64::INFINITY, f64::min)
}

/// One disk of the simulation.
struct Queue {
    waiting: usize,
    done_at: f64,
    service: f64,
    /// Random numbers up to here, and above the one before, lead here.
    bound: f64,
}

/// Requests in every second of a window of a closed loop over disks with constant service times.
fn simulate(shares: &[f64], rates: &[f64], outstanding: usize, window: Window, seed: u64) -> f64 {
    let mut bound = 0.0;
    let mut disks: Vec<Queue> = Vec::new();
    for (share, rate) in shares.iter().zip(rates) {
        bound += share;
        disks.push(Queue { waiting: 0, done_at: f64::INFINITY, service: 1.0 / rate, bound });
    }
    let mut drawn = 0u64;
    let mut arrive = |disks: &mut Vec<Queue>, now: f64| {
        let random = draw(seed, Stream::Pick, 0, drawn) as f64 / u64::MAX as f64 * bound;
        drawn = drawn.saturating_add(1);
        if let Some(disk) = disks.iter_mut().find(|disk| random <= disk.bound) {
            disk.waiting = disk.waiting.saturating_add(1);
            if disk.waiting == 1 {
                disk.done_at = now + disk.service;
            }
        }
    };
    for _ in 0..outstanding {
        arrive(&mut disks, 0.0);
    }
    let end = window.warmup_s + window.measure_s;
    let (mut counted, mut last) = (0u64, 0.0);
    for _ in 0..DRAWS_MAX {
        let next = disks.iter_mut().min_by(|a, b| a.done_at.total_cmp(&b.done_at));
        let Some(disk) = next.filter(|disk| disk.done_at <= end) else {
            last = end;
            break;
        };
        let now = disk.done_at;
        disk.waiting = disk.waiting.saturating_sub(1);
        disk.done_at = if disk.waiting > 0 { now + disk.service } else { f64::INFINITY };
        arrive(&mut disks, now);
        counted = counted.saturating_add(u64::from(now > window.warmup_s));
        last = now;
    }
    let span = last - window.warmup_s;
    if span > 0.0 { counted as f64 / span } else { 0.0 }
}

/// The same for service times that vary without memory, exactly (mean value analysis). A bound from below for
/// anything steadier.
#[must_use]
pub fn exponential(shares: &[f64], rates: &[f64], outstanding: usize) -> f64 {
    let mut lengths = vec![0.0; shares.len()];
    let mut throughput = 0.0;
    for customers in 1..=outstanding {
        let stays: Vec<f64> = shares
            .iter()
            .zip(rates)
            .zip(&lengths)
            .map(|((share, rate), length)| share / rate * (1.0 + length))
            .collect();
        throughput = customers as f64 / stays.iter().sum::<f64>();
        lengths = stays.iter().map(|stay| stay * throughput).collect();
    }
    throughput
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The begin does not matter in so long a window.
    const LONG: Window = Window { warmup_s: 3.0, measure_s: 30.0 };

    const SHORT: Window = Window { warmup_s: 1.0, measure_s: 2.0 };

    fn even(disks: usize) -> (Vec<f64>, Vec<f64>) {
        (vec![1.0 / disks as f64; disks], vec![500.0; disks])
    }

    #[test]
    fn constant_service_as_published() {
        let (shares, rates) = even(8);
        for (outstanding, percent) in
            [(8, 62.0), (16, 79.0), (32, 89.0), (64, 94.0), (128, 97.0), (256, 98.6)]
        {
            let found = ceiling(&shares, &rates, outstanding, LONG, 1);
            assert!((found.queue * 100.0 - percent).abs() < 1.0, "{outstanding}: {found:?}");
            assert!((found.place - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn varying_service_has_a_formula() {
        for (disks, outstanding) in [(1usize, 4usize), (2, 3), (8, 8), (8, 256)] {
            let (shares, rates) = even(disks);
            let expected = outstanding as f64 / (outstanding + disks - 1) as f64 * 500.0 * disks as f64;
            let found = exponential(&shares, &rates, outstanding);
            assert!((found / expected - 1.0).abs() < 1e-9, "{disks} {outstanding}: {found} {expected}");
        }
    }

    #[test]
    fn a_halved_disk_halves_everything() {
        let (shares, mut rates) = even(8);
        rates[7] = 250.0;
        let found = ceiling(&shares, &rates, 512, LONG, 2);
        // N R / 2 of (N - 1/2) R.
        assert!((found.place - 4.0 / 7.5).abs() < 1e-9, "{found:?}");
        assert!((found.reach / found.place - 1.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn skew_alone() {
        let found = ceiling(&[0.26, 0.24, 0.25, 0.25], &[1000.0; 4], 256, LONG, 3);
        assert!((found.place - 25.0 / 26.0).abs() < 1e-9 && found.queue > 0.99, "{found:?}");
        assert!((found.reach / found.place - 1.0).abs() < 0.01, "{found:?}");
        let short = ceiling(&[0.26, 0.24, 0.25, 0.25], &[100.0; 4], 512, SHORT, 3);
        assert!(short.reach > 0.99, "deep queues take up the skew of two seconds: {short:?}");
    }

    proptest! {
        #[test]
        fn no_ceiling_is_above_one(shares in prop::collection::vec(0.01..1.0f64, 1..9), outstanding in 1usize..64) {
            let sum: f64 = shares.iter().sum();
            let shares: Vec<f64> = shares.iter().map(|share| share / sum).collect();
            let rates = vec![100.0; shares.len()];
            let found = ceiling(&shares, &rates, outstanding, SHORT, 4);
            prop_assert!(found.reach <= 1.0 && found.reach > 0.0 && found.place <= 1.0 + 1e-9, "{found:?}");
        }

        #[test]
        fn nothing_given_nothing_broken(shares in prop::collection::vec(0.0..1.0f64, 0..4), rate in 0.0..2.0f64) {
            let rates = vec![rate; shares.len()];
            let found = ceiling(&shares, &rates, 0, SHORT, 5);
            prop_assert!(found.place.is_finite() && found.queue.is_finite() && found.reach.is_finite());
        }
    }
}
