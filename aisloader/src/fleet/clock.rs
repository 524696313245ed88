//! The distance of an agent's clock from ours, by asking for it: NTP's way, with the fastest of several answers.

/// A question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// When it was asked, by our clock.
    pub(super) asked_ns: u64,
    /// When the answer came, by our clock.
    pub(super) answered_ns: u64,
    /// The agent's clock in between.
    pub(super) theirs_ns: u64,
    /// The lead of the agent's time of the day over the middle between both, as far as ours is right.
    pub(super) day_ahead_ns: i64,
}

/// The clock of an agent, compared with ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offset {
    /// Its clock minus ours.
    ahead_ns: i128,
    /// The round trip of the answer that this was taken from; half of it is the error that is possible.
    pub(super) rtt_ns: u64,
    /// Its time of the day minus ours.
    pub(super) day_ahead_ns: i64,
}

impl Offset {
    /// The offset by the fastest answer; `None` without any.
    pub(super) fn of(samples: &[Sample]) -> Option<Self> {
        let rtt_ns = |sample: &Sample| sample.answered_ns.saturating_sub(sample.asked_ns);
        let best = samples.iter().min_by_key(|sample| rtt_ns(sample))?;
        let middle = i128::from(best.asked_ns).saturating_add(i128::from(rtt_ns(best) / 2));
        Some(Self {
            ahead_ns: i128::from(best.theirs_ns).saturating_sub(middle),
            rtt_ns: rtt_ns(best),
            day_ahead_ns: best.day_ahead_ns,
        })
    }

    /// One of our instants by the agent's clock.
    pub(super) fn theirs(&self, ours_ns: u64) -> u64 {
        saturated(i128::from(ours_ns).saturating_add(self.ahead_ns))
    }

    /// One of the agent's instants by our clock.
    pub(super) fn ours(&self, theirs_ns: u64) -> u64 {
        saturated(i128::from(theirs_ns).saturating_sub(self.ahead_ns))
    }
}

fn saturated(ns: i128) -> u64 {
    u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_error_is_at_most_half_of_the_shortest_round_trip(
            ahead_ns in -1_000_000_000_000i64..1_000_000_000_000,
            ways in prop::collection::vec((0u64..50_000_000, 0u64..50_000_000), 1..10),
        ) {
            let begin = 2_000_000_000_000u64;
            let samples: Vec<Sample> = ways.iter().enumerate().map(|(at, (there, back))| {
                let asked_ns = begin + at as u64 * 1_000_000_000;
                let theirs_ns = (asked_ns + there).checked_add_signed(ahead_ns).unwrap();
                Sample { asked_ns, answered_ns: asked_ns + there + back, theirs_ns, day_ahead_ns: 0 }
            }).collect();
            let offset = Offset::of(&samples).unwrap();
            let shortest = ways.iter().map(|(there, back)| there + back).min().unwrap();
            prop_assert_eq!(offset.rtt_ns, shortest);
            let truth = begin.checked_add_signed(ahead_ns).unwrap();
            prop_assert!(offset.theirs(begin).abs_diff(truth) <= shortest.div_ceil(2));
            prop_assert_eq!(offset.ours(offset.theirs(begin)), begin);
        }

        #[test]
        fn nonsense_from_elsewhere_overflows_nothing(asked_ns: u64, answered_ns: u64, theirs_ns: u64, at: u64) {
            let sample = Sample { asked_ns, answered_ns, theirs_ns, day_ahead_ns: i64::MIN };
            let offset = Offset::of(&[sample]).unwrap();
            let _ = (offset.theirs(at), offset.ours(at));
        }
    }
}
