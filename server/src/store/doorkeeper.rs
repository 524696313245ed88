//! Remembers what was asked for lately, in a few bits each: caches let in what is asked for again.
//!
//! One pass over more than a cache can hold then costs it nothing: it pushes nothing out, takes no memory, and reads go
//! into buffers that are still warm.

use placement::mix;

const WORD_BITS: usize = u64::BITS as usize;
/// With two bits set for each of the things remembered, one in thirty others is taken for one of them.
const BITS_PER_THING: usize = 16;

/// Remembers what a cache was asked for since things as large as the whole cache were asked for.
pub(crate) struct Doorkeeper {
    recent: Vec<u64>,
    /// The ones of the time before.
    older: Vec<u64>,
    /// The next recent ones. They are emptied little by little, because emptying megabytes at once, or touching them for
    /// the first time, would stop the core for milliseconds.
    next: Vec<u64>,
    /// Words of the next ones that are empty.
    emptied: usize,
    /// The size of the recent ones together.
    asked: u64,
    window: u64,
}

impl Doorkeeper {
    /// For a cache of the size `window`, in whatever unit, that holds up to so many things.
    pub(crate) fn new(window: u64, things_max: usize) -> Self {
        let words = (things_max * BITS_PER_THING).div_ceil(WORD_BITS).next_power_of_two();
        let [recent, older, next] = std::array::from_fn(|_| vec![0; words]);
        Self { recent, older, next, emptied: words, asked: 0, window }
    }

    /// True if this was asked for lately; from now on it was.
    pub(crate) fn has_seen(&mut self, hash: u64, size: u64) -> bool {
        let hash = mix(hash);
        let places = [hash as usize, (hash >> 32) as usize];
        let seen = places.into_iter().all(|place| is_set(&self.recent, place))
            || places.into_iter().all(|place| is_set(&self.older, place));
        if !seen {
            self.note(places, size);
        }
        seen
    }

    fn note(&mut self, places: [usize; 2], size: u64) {
        self.asked += size;
        if self.asked > self.window {
            self.turn_over();
            self.asked = size;
        }
        self.empty_some(size);
        let words = self.recent.len();
        for place in places {
            if let Some(word) = self.recent.get_mut(place / WORD_BITS % words) {
                *word |= 1 << (place % WORD_BITS);
            }
        }
    }

    /// The recent ones are the older ones now.
    fn turn_over(&mut self) {
        // Only what came in one large step is left to do.
        self.empty_to(self.next.len());
        std::mem::swap(&mut self.recent, &mut self.older);
        std::mem::swap(&mut self.recent, &mut self.next);
        self.emptied = 0;
    }

    /// Empties of the next ones twice the share that `size` is of the window, so that they are ready in time.
    fn empty_some(&mut self, size: u64) {
        let words = self.next.len();
        if self.emptied < words {
            let share = size.saturating_mul(2 * words as u64) / self.window.max(1);
            let step = usize::try_from(share).unwrap_or(words).saturating_add(1);
            self.empty_to(self.emptied.saturating_add(step).min(words));
        }
    }

    fn empty_to(&mut self, end: usize) {
        let (from, words) = (self.emptied, self.next.len());
        assert!(from <= end && end <= words, "words {from} to {end} of {words} are to be emptied");
        if let Some(words) = self.next.get_mut(self.emptied..end) {
            words.fill(0);
        }
        self.emptied = end;
    }
}

fn is_set(bits: &[u64], place: usize) -> bool {
    let word = bits.get(place / WORD_BITS % bits.len());
    word.is_some_and(|word| word & 1 << (place % WORD_BITS) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_again_soon_is_known() {
        let mut door = Doorkeeper::new(1000, 1000);
        let new = (0..1000).filter(|hash| !door.has_seen(*hash, 1)).count();
        assert!(new >= 950, "{new} of 1000 are new");
        assert!((0..1000).all(|hash| door.has_seen(hash, 1)));
    }

    #[test]
    fn what_is_asked_for_much_later_is_not() {
        let mut door = Doorkeeper::new(1000, 1000);
        for _ in 0..4 {
            // Twenty times what it remembers.
            let known = (0..20_000).filter(|hash| door.has_seen(*hash, 1)).count();
            assert!(known < 1500, "{known} of 20,000 are taken for known");
        }
    }

    #[test]
    fn large_things_are_forgotten_after_fewer_of_them() {
        let mut door = Doorkeeper::new(1000, 1000);
        assert!(!door.has_seen(1, 400) && door.has_seen(1, 400));
        (10..20).for_each(|hash| _ = door.has_seen(hash, 400));
        assert!(!door.has_seen(1, 400));
    }

    #[test]
    fn a_table_is_emptied_little_by_little_and_in_time() {
        let mut door = Doorkeeper::new(10_000, 10_000);
        let words = door.next.len();
        let (mut before, mut turns) = (door.emptied, 0);
        for hash in 0..100_000 {
            door.has_seen(hash, 1);
            if door.emptied < before {
                assert_eq!(before, words, "it is empty when its turn comes");
                (before, turns) = (0, turns + 1);
            }
            assert!(door.emptied - before <= 1, "{} of {words} words at once", door.emptied - before);
            before = door.emptied;
        }
        assert!(turns >= 5, "{turns}");
    }

    #[test]
    fn a_cache_of_nothing_has_a_door_too() {
        let mut door = Doorkeeper::new(0, 0);
        assert!(!door.has_seen(1, 1));
    }
}
