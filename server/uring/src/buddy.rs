//! Knows which leaves of the pool are free: a buddy allocator over numbers, without any memory of its own.
//!
//! A block of order `o` is `1 << o` leaves, aligned to its size. Free blocks of one order hang on a doubly linked
//! list kept in side tables, so that a buddy is unlinked in constant time when two halves merge.

/// Blocks reach from one leaf (order 0) to 256 leaves (order 8).
pub(crate) const ORDERS: usize = 9;
const NONE: u32 = u32::MAX;
/// Tag of a leaf that does not head a free block.
const BUSY: u8 = 0xff;

/// Free lists over leaf numbers.
pub(crate) struct Buddy {
    next: Vec<u32>,
    prev: Vec<u32>,
    tag: Vec<u8>,
    heads: [u32; ORDERS],
    free_leaves: usize,
}

impl Buddy {
    /// For leaves with numbers below `leaves_max`; there are none yet.
    pub(crate) fn with_room_for(leaves_max: usize) -> Self {
        // Room for all at once: tables that double as they grow would be copied by the core, some day a long one. Only
        // what is written becomes resident.
        Self {
            next: Vec::with_capacity(leaves_max),
            prev: Vec::with_capacity(leaves_max),
            tag: Vec::with_capacity(leaves_max),
            heads: [NONE; ORDERS],
            free_leaves: 0,
        }
    }

    /// Adds the leaves from `first` on, as free blocks of the largest order. Once for each, in any order.
    pub(crate) fn add(&mut self, first: usize, leaves: usize) {
        let largest = 1 << (ORDERS - 1);
        assert!(first.is_multiple_of(largest) && leaves.is_multiple_of(largest), "whole blocks are added");
        if self.tag.len() < first + leaves {
            self.next.resize(first + leaves, NONE);
            self.prev.resize(first + leaves, NONE);
            self.tag.resize(first + leaves, BUSY);
        }
        // Pushed from the back, so that the first block is handed out first.
        for block in (first..first + leaves).step_by(largest).rev() {
            self.link(block as u32, ORDERS - 1);
        }
        self.free_leaves += leaves;
    }

    pub(crate) fn free_leaves(&self) -> usize {
        self.free_leaves
    }

    /// Takes a block of the order, splitting a larger one when needed.
    pub(crate) fn take(&mut self, order: usize) -> Option<u32> {
        let found = (order..ORDERS).find(|&o| self.heads[o] != NONE)?;
        let leaf = self.heads[found];
        self.unlink(leaf, found);
        for half in (order..found).rev() {
            self.link(leaf + (1 << half), half);
        }
        self.free_leaves -= 1 << order;
        Some(leaf)
    }

    /// Returns a block and merges it with its free neighbours.
    pub(crate) fn give(&mut self, leaf: u32, order: usize) {
        self.free_leaves += 1 << order;
        let (free, all) = (self.free_leaves, self.tag.len());
        assert!(free <= all, "{free} of {all} leaves are free once leaf {leaf} of order {order} is");
        let (mut leaf, mut order) = (leaf, order);
        while order < ORDERS - 1 {
            let buddy = leaf ^ (1 << order);
            if self.tag.get(buddy as usize) != Some(&(order as u8)) {
                break;
            }
            self.unlink(buddy, order);
            leaf &= !(1 << order);
            order += 1;
        }
        self.link(leaf, order);
    }

    fn link(&mut self, leaf: u32, order: usize) {
        assert_eq!(self.tag[leaf as usize], BUSY, "leaf {leaf} of order {order} is freed twice");
        let head = self.heads[order];
        self.next[leaf as usize] = head;
        self.prev[leaf as usize] = NONE;
        if head != NONE {
            self.prev[head as usize] = leaf;
        }
        self.heads[order] = leaf;
        self.tag[leaf as usize] = order as u8;
    }

    fn unlink(&mut self, leaf: u32, order: usize) {
        let tag = self.tag[leaf as usize];
        assert!(usize::from(tag) == order, "leaf {leaf} is tagged {tag} and on the list of order {order}");
        let (next, prev) = (self.next[leaf as usize], self.prev[leaf as usize]);
        match prev {
            NONE => self.heads[order] = next,
            _ => self.next[prev as usize] = next,
        }
        if next != NONE {
            self.prev[next as usize] = prev;
        }
        self.tag[leaf as usize] = BUSY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_space_comes_back_as_largest_blocks() {
        let mut buddy = Buddy::with_room_for(512);
        buddy.add(0, 512);
        let small: Vec<u32> = (0..512).map(|_| buddy.take(0).unwrap()).collect();
        assert_eq!(buddy.take(0), None);
        for leaf in small {
            buddy.give(leaf, 0);
        }
        assert_eq!(buddy.take(8), Some(256));
        assert_eq!(buddy.take(8), Some(0));
        assert_eq!(buddy.free_leaves(), 0);
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_all_return(steps in prop::collection::vec((0usize..ORDERS, any::<bool>()), 1..400)) {
            let mut buddy = Buddy::with_room_for(1024);
            buddy.add(512, 512);
            buddy.add(0, 512);
            let mut held: Vec<(u32, usize)> = Vec::new();
            let mut used = vec![false; 1024];
            for (order, take) in steps {
                if take {
                    let Some(leaf) = buddy.take(order) else { continue };
                    prop_assert_eq!(leaf as usize % (1 << order), 0);
                    let block = &mut used[leaf as usize..leaf as usize + (1 << order)];
                    prop_assert!(block.iter().all(|&u| !u));
                    block.fill(true);
                    held.push((leaf, order));
                } else if let Some((leaf, order)) = held.pop() {
                    used[leaf as usize..leaf as usize + (1 << order)].fill(false);
                    buddy.give(leaf, order);
                }
            }
            for (leaf, order) in held {
                buddy.give(leaf, order);
            }
            prop_assert_eq!(buddy.free_leaves(), 1024);
            prop_assert_eq!((0..4).filter_map(|_| buddy.take(8)).count(), 4);
        }
    }
}
