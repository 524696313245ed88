//! Memory of messages: bodies of requests that are no objects, their parsed form, and answers that are made in memory.
//!
//! All cores take from one sum, as bytes arrive and not as they are announced. Nobody waits for it, because whoever
//! waits may hold a part himself: what does not fit now is refused with 503, and what can never fit with 413. Three fifths
//! are for all, the fourth for small holders only, so that a few large messages keep nobody from asking for something
//! small, and the last for small answers, so that metrics and the state of the node can be had when nothing else can.

use crate::error::{Error, Kind, Result};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A connection's own share covers so much of a message: a small one never depends on the shares of others.
pub(crate) const FREE_BYTES: usize = 8 << 10;
/// Holders of up to this much are small.
const SMALL_BYTES: usize = 64 << 10;
const FIFTHS_LARGE: usize = 3;
const FIFTHS_SMALL: usize = 4;
/// A message's buffer grows by its own size, and by at most this.
const GROWTH_BYTES: std::ops::RangeInclusive<usize> = 4 << 10..=1 << 20;
/// For each part of a JSON document, what trees, texts and lists of it take while it is read: measured 40 to 110.
const PARSED_BYTES: usize = 128;

/// The sum that all cores share.
#[derive(Debug)]
pub(crate) struct MessageBudget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    refused: AtomicU64,
}

/// A part of it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<MessageBudget>,
    bytes: usize,
}

impl MessageBudget {
    pub(crate) fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self { limit_bytes, used_bytes: AtomicUsize::new(0), refused: AtomicU64::new(0) })
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// The number of times that there was not enough.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Nothing yet, to be grown.
    pub(crate) fn nothing(self: &Arc<Self>) -> Held {
        Held { budget: Arc::clone(self), bytes: 0 }
    }

    /// So many bytes.
    ///
    /// # Errors
    /// `Busy` when they are not free now, `TooLarge` when they never are.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held> {
        let mut held = self.nothing();
        held.resize(bytes)?;
        Ok(held)
    }

    /// As much of `bytes` as is free, halved until it is, or until it is less than `least`.
    ///
    /// # Errors
    /// As [`MessageBudget::hold`], of the least.
    pub(crate) fn hold_some(self: &Arc<Self>, bytes: usize, least: usize) -> Result<Held> {
        let mut wanted = bytes.min(self.large_max());
        while wanted > least && !self.has_room(wanted) {
            wanted /= 2;
        }
        // Another core may have been faster.
        self.hold(wanted).or_else(|_| self.hold(least.min(wanted)))
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.used_bytes().saturating_add(bytes) <= self.most_for(bytes)
    }

    /// Bytes of an answer that is there already. One that is larger than all there is goes out as long as no other
    /// one does.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) fn hold_answer(self: &Arc<Self>, bytes: usize) -> Result<Held> {
        if bytes > SMALL_BYTES {
            return self.hold(bytes.min(self.large_max()));
        }
        let mut held = self.nothing();
        held.grow(bytes, self.limit_bytes)?;
        Ok(held)
    }

    /// The most that one holder may have.
    pub(crate) fn large_max(&self) -> usize {
        self.limit_bytes / 5 * FIFTHS_LARGE
    }

    /// The level up to which a holder of so many bytes may fill the whole.
    fn most_for(&self, bytes: usize) -> usize {
        if bytes <= SMALL_BYTES { self.limit_bytes / 5 * FIFTHS_SMALL } else { self.large_max() }
    }

    fn take(&self, more: usize, most: usize) -> bool {
        // Nothing else is ordered by the sum.
        let add = |used: usize| used.checked_add(more).filter(|sum| *sum <= most);
        self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }
}

impl Held {
    /// Holds `bytes` from now on, more or fewer than before.
    ///
    /// # Errors
    /// As [`MessageBudget::hold`]; then it holds what it held.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<()> {
        if bytes <= self.bytes {
            self.budget.used_bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
            return Ok(());
        }
        self.grow(bytes, self.budget.most_for(bytes))
    }

    fn grow(&mut self, bytes: usize, most: usize) -> Result<()> {
        let large_max = self.budget.large_max();
        if self.budget.take(bytes - self.bytes, most) {
            self.bytes = bytes;
            return Ok(());
        }
        self.budget.refused.fetch_add(1, Ordering::Relaxed);
        if bytes > large_max {
            let text = format!(
                "the request needs {} KiB of memory, of {} KiB that this node has for one",
                bytes >> 10,
                large_max >> 10
            );
            return Err(Error::client(Kind::TooLarge, text));
        }
        Err(Error::busy("the memory for messages is used up at the moment"))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A message with the memory that it takes.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    held: Held,
}

impl Message {
    pub(crate) fn new(budget: &Arc<MessageBudget>) -> Self {
        Self { bytes: Vec::new(), held: budget.nothing() }
    }

    /// Adds bytes that have come.
    ///
    /// # Errors
    /// As [`MessageBudget::hold`].
    pub(crate) fn add(&mut self, part: &[u8]) -> Result<()> {
        let needed = self.bytes.len() + part.len();
        if needed > self.bytes.capacity() {
            let growth = self.bytes.len().clamp(*GROWTH_BYTES.start(), *GROWTH_BYTES.end());
            let capacity = needed.max(self.bytes.len() + growth);
            self.held.resize(capacity.saturating_sub(FREE_BYTES))?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// Holds what its parsed form may take too. A document of many tiny values takes many times its length.
    ///
    /// # Errors
    /// As [`MessageBudget::hold`].
    pub(crate) fn hold_parsed(&mut self) -> Result<()> {
        let parts = self.bytes.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
        let parsed = self.bytes.len() + parts * PARSED_BYTES;
        self.held.resize((self.bytes.capacity() + parsed).saturating_sub(FREE_BYTES))
    }

    /// Drops the bytes, and keeps what is held for what has been made of them.
    pub(crate) fn into_held(self) -> Held {
        self.held
    }
}

impl Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;

    #[test]
    fn what_is_held_comes_back() {
        let budget = MessageBudget::new(1000 * KIB);
        let mut held = budget.hold(300 * KIB).unwrap();
        held.resize(100 * KIB).unwrap();
        assert_eq!(budget.used_bytes(), 100 * KIB);
        let other = budget.hold(450 * KIB).unwrap();
        assert_eq!(held.resize(200 * KIB).unwrap_err().kind, Kind::Busy);
        assert_eq!((held.bytes(), budget.refused()), (100 * KIB, 1));
        drop((held, other));
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_part_is_for_small_ones_and_one_for_small_answers() {
        let budget = MessageBudget::new(1000 * KIB);
        let _large = budget.hold(600 * KIB).unwrap();
        assert_eq!(budget.hold(65 * KIB).unwrap_err().kind, Kind::Busy);
        let small: Vec<Held> = std::iter::from_fn(|| budget.hold(50 * KIB).ok()).collect();
        assert_eq!(small.len(), 4);
        assert_eq!(budget.hold(KIB).unwrap_err().kind, Kind::Busy);
        assert_eq!(budget.hold_answer(65 * KIB).unwrap_err().kind, Kind::Busy);
        let answers: Vec<Held> = std::iter::from_fn(|| budget.hold_answer(50 * KIB).ok()).collect();
        assert_eq!(answers.len(), 4);
    }

    #[test]
    fn what_can_never_fit_is_not_asked_to_come_back() {
        let budget = MessageBudget::new(1000 * KIB);
        assert_eq!(budget.hold(601 * KIB).unwrap_err().kind, Kind::TooLarge);
        let answer = budget.hold_answer(5000 * KIB).unwrap();
        assert_eq!(budget.hold_answer(5000 * KIB).unwrap_err().kind, Kind::Busy);
        drop(answer);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn less_is_held_where_there_is_less() {
        let budget = MessageBudget::new(1000 * KIB);
        assert_eq!(budget.hold_some(5000 * KIB, KIB).unwrap().bytes(), 600 * KIB);
        let _other = budget.hold(450 * KIB).unwrap();
        assert_eq!(budget.hold_some(400 * KIB, KIB).unwrap().bytes(), 100 * KIB);
        let _rest = budget.hold(150 * KIB).unwrap();
        assert_eq!(budget.hold_some(400 * KIB, 100 * KIB).unwrap_err().kind, Kind::Busy);
        assert_eq!(budget.hold_some(400 * KIB, 50 * KIB).unwrap().bytes(), 50 * KIB);
    }

    #[test]
    fn a_message_holds_what_has_come() {
        let budget = MessageBudget::new(1000 * KIB);
        let mut message = Message::new(&budget);
        message.add(br#"{"action":"list"}"#).unwrap();
        message.hold_parsed().unwrap();
        assert_eq!(budget.used_bytes(), 0, "the connection's own share covers it");
        for _ in 0..100 {
            message.add(&[b' '; KIB]).unwrap();
            assert!(budget.used_bytes() + FREE_BYTES >= message.bytes.capacity());
        }
        let before = budget.used_bytes();
        assert!(before < 250 * KIB, "{before}");
        let outcome = std::iter::repeat_with(|| message.add(&[b'x'; KIB])).find_map(Result::err).unwrap();
        assert_eq!(outcome.kind, Kind::TooLarge);
        assert!(budget.used_bytes() <= 600 * KIB);
        drop(message);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn many_tiny_values_count_by_their_number() {
        let budget = MessageBudget::new(100 << 20);
        let mut message = Message::new(&budget);
        message.add(format!("[{}0]", "0,".repeat(50_000)).as_bytes()).unwrap();
        let before = budget.used_bytes();
        message.hold_parsed().unwrap();
        assert!(budget.used_bytes() - before > 50_000 * 100);
        let held = message.into_held();
        assert_eq!(budget.used_bytes(), held.bytes());
    }

    #[test]
    fn cores_share_one_sum() {
        let budget = MessageBudget::new(1 << 20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for at in 0..10_000 {
                        let held = budget.hold(at % (300 * KIB));
                        assert!(budget.used_bytes() <= 1 << 20);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(budget.used_bytes(), 0);
    }
}
