//! The speed of a peer's bytes, judged by those that have come.

/// Bytes in this time are the mark of a peer that is worth a buffer.
const WINDOW_MS: u64 = 250;
const FAST_BYTES: usize = 32 << 10;
const STRIKES_MAX: u32 = 5;

/// The verdict on a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Speed {
    #[default]
    Unknown,
    Fast,
    Slow,
}

/// A peer's speed, and what it is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    speed: Speed,
    since_ms: u64,
    bytes: usize,
    /// It has kept a buffer waiting so often since it last filled one: each time it must show twice as much.
    strikes: u32,
}

impl Pace {
    pub(super) fn speed(self) -> Speed {
        self.speed
    }

    /// So many bytes have come. Being slow ends with many bytes at once; being fast ends by [`Pace::note_slow`] only.
    pub(super) fn note(&mut self, count: usize, now_ms: u64) {
        if now_ms.saturating_sub(self.since_ms) > WINDOW_MS {
            self.since_ms = now_ms;
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(count);
        if self.bytes >= FAST_BYTES << self.strikes.min(STRIKES_MAX) {
            self.speed = Speed::Fast;
        }
    }

    /// It has kept a buffer waiting.
    pub(super) fn note_slow(&mut self, now_ms: u64) {
        let strikes = self.strikes.saturating_add(1);
        *self = Self { speed: Speed::Slow, since_ms: now_ms, bytes: 0, strikes };
    }

    /// It has filled a large buffer in time.
    pub(super) fn note_filled(&mut self) {
        self.strikes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_peer_is_fast_again_after_many_bytes_at_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.speed(), Speed::Unknown);
        pace.note_slow(1000);
        // 20 kB in each second, in one go or drop by drop.
        for second in 1..100 {
            pace.note(20_000, second * 1000);
            assert_eq!(pace.speed(), Speed::Slow);
        }
        for drop in 0..10_000 {
            pace.note(1000, 200_000 + drop * 50);
            assert_eq!(pace.speed(), Speed::Slow);
        }
        pace.note(40_000, 1_000_000);
        pace.note(40_000, 1_000_100);
        assert_eq!(pace.speed(), Speed::Fast);
    }

    #[test]
    fn bursts_that_never_fill_a_buffer_lend_one_a_few_times_at_most() {
        let mut pace = Pace::default();
        let mut lent = 0;
        for second in 1..1000 {
            pace.note(200_000, second * 1000);
            if pace.speed() != Speed::Slow {
                lent += 1;
                pace.note_slow(second * 1000 + 300);
            }
        }
        assert!(lent <= STRIKES_MAX + 1, "a buffer was lent {lent} times");
        pace.note(2 << 20, 2_000_000);
        assert_eq!(pace.speed(), Speed::Fast);
        pace.note_filled();
        pace.note_slow(2_000_300);
        pace.note(80_000, 2_001_000);
        assert_eq!(pace.speed(), Speed::Fast);
    }
}
