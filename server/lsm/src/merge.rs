//! Merges sorted sources into one sequence in which each key occurs once, as its newest source has it.

use super::source::{Advance, Source};
use crate::error::Result;
use futures_util::future::try_join_all;

/// The place that a step of a scan has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To an entry.
    Item,
    /// To blocks that are not in memory: load, then step again.
    NeedsBlock,
    /// Behind the last entry.
    End,
}

/// A scan over several sources, the newest first.
pub(super) struct Merge {
    sources: Vec<Source>,
    /// Sources that stand at an entry: a heap, the smallest key first, of equal keys the newest source.
    heap: Vec<usize>,
    /// Sources that stand nowhere yet or before a block that is not in memory.
    waiting: Vec<usize>,
    /// The entry that the last step has led to, or that was passed over.
    key: Vec<u8>,
    has_key: bool,
}

impl Merge {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        let waiting = (0..sources.len()).collect();
        Self { heap: Vec::with_capacity(sources.len()), sources, waiting, key: Vec::new(), has_key: false }
    }

    /// Goes to the next key.
    pub(super) fn step(&mut self) -> Step {
        loop {
            self.waiting_advance();
            if !self.waiting.is_empty() {
                return Step::NeedsBlock;
            }
            let Some(first) = self.heap.first().and_then(|&first| self.sources.get(first)) else {
                self.has_key = false;
                return Step::End;
            };
            if !self.has_key || first.key() != self.key {
                break;
            }
            self.advance_first();
        }
        if let Some(first) = self.heap.first().and_then(|&first| self.sources.get(first)) {
            self.key.clear();
            self.key.extend_from_slice(first.key());
            self.has_key = true;
        }
        Step::Item
    }

    /// Of the entry that the last step has led to.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// `None` is a tombstone.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.heap.first().and_then(|&first| self.sources.get(first))?.value()
    }

    /// Loads what the last step did not find, all at once.
    pub(super) async fn load(&mut self) -> Result<()> {
        let waiting = &self.waiting;
        let sources = self.sources.iter_mut().enumerate().filter(|(at, _)| waiting.contains(at));
        // Each holds a buffer for the time of a read only, and none waits for another.
        try_join_all(sources.map(|(_, source)| source.load())).await.map(drop)
    }

    fn waiting_advance(&mut self) {
        let mut at = 0;
        while let Some(&source) = self.waiting.get(at) {
            match self.sources.get_mut(source).map_or(Advance::End, Source::advance) {
                Advance::NeedsBlock => {
                    at += 1;
                    continue;
                }
                Advance::Entry => self.push(source),
                Advance::End => {}
            }
            self.waiting.swap_remove(at);
        }
    }

    fn advance_first(&mut self) {
        let Some(&first) = self.heap.first() else { return };
        let Some(source) = self.sources.get_mut(first) else { return };
        match source.advance() {
            Advance::Entry => self.sift_down(),
            advance => {
                self.heap.swap_remove(0);
                self.sift_down();
                if advance == Advance::NeedsBlock {
                    self.waiting.push(first);
                }
            }
        }
    }

    fn push(&mut self, source: usize) {
        let (mut at, all) = (self.heap.len(), self.sources.len());
        assert!(at < all, "source {source} of a merge is in the heap twice: all {all} are there");
        self.heap.push(source);
        while at > 0 && self.is_before(at, (at - 1) / 2) {
            self.heap.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sift_down(&mut self) {
        let mut at = 0;
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let child = if self.is_before(right, left) { right } else { left };
            if !self.is_before(child, at) {
                return;
            }
            self.heap.swap(child, at);
            at = child;
        }
    }

    /// True if the entry at one place of the heap comes before that at another; false if there is none.
    fn is_before(&self, one: usize, other: usize) -> bool {
        let (Some(&one), Some(&other)) = (self.heap.get(one), self.heap.get(other)) else { return false };
        let (Some(a), Some(b)) = (self.sources.get(one), self.sources.get(other)) else { return false };
        match a.key().cmp(b.key()) {
            std::cmp::Ordering::Equal => one < other,
            order => order.is_lt(),
        }
    }
}
