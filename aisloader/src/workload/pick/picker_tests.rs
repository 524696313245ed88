use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const SEED: u64 = 99;

fn counts(popularity: Popularity, len: u64, draws: u64) -> Vec<f64> {
    let mut counts = vec![0f64; len as usize];
    for worker in 0..4 {
        let mut picker = Picker::new(popularity, SEED, worker, 4);
        for _ in 0..draws / 4 {
            counts[picker.next(len, len) as usize] += 1.0;
        }
    }
    counts
}

/// Sorted from the most used name to the least used one.
fn ranked(mut counts: Vec<f64>) -> Vec<f64> {
    counts.sort_by(|a, b| b.total_cmp(a));
    counts
}

fn by_rank(popularity: Popularity, len: u64, draws: u64) -> Vec<f64> {
    let counts = counts(popularity, len, draws);
    let key = draw(SEED, Stream::Scatter, 0, 0);
    (0..len).map(|rank| counts[permute(key, rank, len) as usize]).collect()
}

/// The statistic of Pearson's test; with k cells it has a mean of k - 1 and a deviation of sqrt(2 (k - 1)).
fn chi_square(got: &[f64], want_share: impl Fn(usize) -> f64) -> f64 {
    let draws: f64 = got.iter().sum();
    let total: f64 = (0..got.len()).map(&want_share).sum();
    let term = |(cell, got): (usize, &f64)| {
        let want = draws * want_share(cell) / total;
        (got - want).powi(2) / want
    };
    got.iter().enumerate().map(term).sum()
}

#[test]
fn zipf_is_exact_for_every_exponent() {
    for theta in [0.2, 0.5, 0.99, 1.0, 1.01, 1.5, 2.0] {
        let got = by_rank(Popularity::Zipf { theta }, 50, 200_000);
        let chi = chi_square(&got, |rank| (rank as f64 + 1.0).powf(-theta));
        // 49 degrees of freedom: five deviations are 98.5.
        assert!(chi < 98.5, "theta {theta}: {chi}");
    }
    // The test can fail: 0.99 is told from 1.05.
    let got = by_rank(Popularity::Zipf { theta: 0.99 }, 50, 200_000);
    assert!(chi_square(&got, |rank| (rank as f64 + 1.0).powf(-1.05)) > 98.5);
}

#[test]
fn hot_names_get_their_share() {
    let popularity = Popularity::Hot { ops_pct: 90.0, names_pct: 10.0 };
    let got = by_rank(popularity, 100, 100_000);
    let hot: f64 = got[..10].iter().sum();
    assert!((hot / 100_000.0 - 0.9).abs() < 0.005, "{hot}");
    let chi = chi_square(&got, |rank| if rank < 10 { 9.0 } else { 1.0 / 9.0 });
    // 99 degrees of freedom: five deviations are 169.
    assert!(chi < 169.0, "{chi}");
    // All of them hot, or nearly none: nothing is left out, nothing is divided by zero.
    assert!(counts(Popularity::Hot { ops_pct: 10.0, names_pct: 100.0 }, 7, 7000).iter().all(|n| *n > 500.0));
    let one = ranked(counts(Popularity::Hot { ops_pct: 50.0, names_pct: 0.001 }, 10, 10_000));
    assert!((one[0] / 10_000.0 - 0.5).abs() < 0.02, "{one:?}");
}

#[test]
fn uniform_is_uniform() {
    let chi = chi_square(&counts(Popularity::Uniform, 100, 100_000), |_| 1.0);
    assert!(chi < 169.0, "{chi}");
}

#[test]
fn the_newest_name_is_the_most_popular() {
    let got = counts(Popularity::Latest { theta: 0.99 }, 50, 200_000);
    let chi = chi_square(&got, |place| (50.0 - place as f64).powf(-0.99));
    assert!(chi < 98.5, "{chi}");
}

#[test]
fn hot_names_are_scattered_and_stay_hot_when_names_are_added() {
    let hottest = |listed: u64, known: u64| {
        let mut picker = Picker::new(Popularity::Zipf { theta: 1.2 }, SEED, 0, 1);
        let mut counts: HashMap<u64, u64> = HashMap::new();
        (0..20_000).for_each(|_| *counts.entry(picker.next(listed, known)).or_default() += 1);
        let mut names: Vec<(u64, u64)> = counts.into_iter().map(|(name, count)| (count, name)).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        names.into_iter().take(5).map(|(_, name)| name).collect::<Vec<u64>>()
    };
    let before = hottest(10_000, 10_000);
    assert_eq!(before, hottest(10_000, 11_000));
    let mut sorted = before.clone();
    sorted.sort_unstable();
    assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] > 20), "{before:?}");
    // Nothing listed: the first that was written is the hottest.
    assert_eq!(hottest(0, 1000)[..2], [0, 1]);
}

#[test]
fn the_workers_share_one_walk() {
    let mut seen = Vec::new();
    let mut pickers: Vec<Picker> =
        (0..3).map(|worker| Picker::new(Popularity::Seq, SEED, worker, 3)).collect();
    for _ in 0..4 {
        seen.extend(pickers.iter_mut().map(|picker| picker.next(7, 7)));
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4]);
    let shuffled = counts(Popularity::Shuffle, 1000, 2000);
    assert!(shuffled.iter().all(|visits| *visits == 2.0));
}

#[test]
fn loaders_that_share_a_seed_agree_on_what_is_hot_and_read_in_orders_of_their_own() {
    let reads = |popularity: Popularity, seed: u64| -> Vec<u64> {
        let mut picker = Picker::new(popularity, seed, 0, 1).sharing(SEED);
        (0..2000).map(|_| picker.next(1000, 1000)).collect()
    };
    let others = [Popularity::Uniform, Popularity::Shuffle, Popularity::Seq];
    for popularity in others.into_iter().chain([Popularity::Zipf { theta: 1.2 }]) {
        let (one, two) = (reads(popularity, SEED), reads(popularity, placement::mix(SEED)));
        let is_same = one.iter().zip(&two).filter(|(a, b)| a == b).count();
        assert!(is_same < 400, "{popularity:?}: {is_same} of 2000 reads are the same");
    }
    let hottest = |seed| {
        let mut counts = vec![0u32; 1000];
        reads(Popularity::Zipf { theta: 1.2 }, seed).iter().for_each(|at| counts[*at as usize] += 1);
        counts.iter().enumerate().max_by_key(|(_, count)| **count).map(|(at, _)| at)
    };
    assert_eq!(hottest(SEED), hottest(placement::mix(SEED)));
}

proptest! {
    #[test]
    fn every_choice_is_known_and_reproducible(
        seed: u64, worker in 0u64..64, theta in 0.01f64..30.0, names_pct in 0.001f64..100.0, known in 1u64..u64::MAX / 4,
    ) {
        let all = [
            Popularity::Uniform, Popularity::Shuffle, Popularity::Seq, Popularity::Zipf { theta },
            Popularity::Latest { theta }, Popularity::Hot { ops_pct: 50.0, names_pct },
        ];
        for popularity in all {
            for listed in [0, known / 2, known] {
                let mut picker = Picker::new(popularity, seed, worker, 64);
                let mut again = picker.clone();
                for grown in 0..4 {
                    let place = picker.next(listed, known + grown);
                    prop_assert!(place < known + grown, "{:?} {}", popularity, place);
                    prop_assert_eq!(place, again.next(listed, known + grown));
                }
            }
            prop_assert_eq!(Picker::new(popularity, seed, worker, 64).next(0, 0), 0);
        }
    }
}
