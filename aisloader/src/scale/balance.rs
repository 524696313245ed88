//! Uneven load of disks without the server's doing: by placement, and by chance.

/// The amount that each disk would have moved if placement had given every disk the same share.
///
/// `shares` add up to 1; a disk without share keeps its value.
#[must_use]
pub fn without_skew(moved: &[f64], shares: &[f64]) -> Vec<f64> {
    let disks = moved.len() as f64;
    let even = |(value, share): (&f64, &f64)| if *share > 0.0 { value / (share * disks) } else { *value };
    moved.iter().zip(shares).map(even).collect()
}

/// Max/min to be expected when chance alone sends each of `draws` requests to one of `disks` disks: imbalance of that
/// order says nothing about the server.
#[must_use]
pub fn chance(disks: usize, draws: f64) -> f64 {
    if disks < 2 || draws <= 0.0 {
        return 1.0;
    }
    let disks = disks as f64;
    // Two disks' counts differ as those of independent draws do, with a variance of N / draws of the mean.
    let spread = (disks / draws).sqrt();
    // The expected range of N normal values in standard deviations, within 5 % for N up to 16.
    let range = 1.128 + 2.0 * (disks / 2.0).log2() * 0.43;
    1.0 + range * spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::analysis::balance::Balance;
    use crate::workload::random::{Stream, draw, scale};

    #[test]
    fn two_percent_of_skew_is_seen_and_taken_out() {
        let shares = [0.255, 0.25, 0.245, 0.25];
        let moved: Vec<f64> = shares.iter().map(|share| share * 1e9).collect();
        assert!(Balance::of(&moved).unwrap().max_over_min > 1.039);
        let even = Balance::of(&without_skew(&moved, &shares)).unwrap();
        assert!((even.max_over_min - 1.0).abs() < 1e-9, "{even:?}");
    }

    #[test]
    fn chance_is_what_dice_give() {
        for disks in [2usize, 4, 8] {
            let (draws, worlds) = (10_000u64, 60u64);
            let range = |world: u64| {
                let mut moved = vec![0.0; disks];
                for at in 0..draws {
                    moved[scale(draw(3, Stream::Pick, world, at), disks as u64) as usize] += 1.0;
                }
                Balance::of(&moved).unwrap().max_over_min
            };
            let mean = (0..worlds).map(range).sum::<f64>() / worlds as f64;
            let expected = chance(disks, draws as f64);
            assert!(((mean - 1.0) / (expected - 1.0) - 1.0).abs() < 0.2, "{disks}: {mean} {expected}");
        }
        assert_eq!(chance(1, 5.0), 1.0);
    }
}
