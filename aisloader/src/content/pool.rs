//! The bytes that fill blocks: made once, before any clock starts, and never changed.

use super::stamp::{BLOCK_BYTES, Recipe};
use placement::mix;
use std::cell::RefCell;
use std::rc::Rc;

/// Objects start anywhere in this much, on a page's boundary.
pub const STARTS_BYTES: usize = 16 << 20;
/// Pages at which objects can start.
pub const PAGES: u64 = (STARTS_BYTES / BLOCK_BYTES) as u64;
/// The longest piece that is sent at once; the pool is that much longer, so that every piece is contiguous.
pub const PIECE_BYTES_MAX: usize = 4 << 20;
/// Pools that are kept for reading what other runs wrote; 20 MiB each.
const POOLS_MAX: usize = 4;
const WORD_BYTES: usize = 8;

/// A pool; copies share the memory.
#[derive(Clone, Debug)]
pub struct Pool {
    bytes: Rc<[u8]>,
}

impl Pool {
    /// Fills a pool of 20 MiB: of each page the share `compress_pct` is one word again and again, the rest random.
    /// Costs some ten milliseconds.
    #[must_use]
    pub fn new(seed: u64, compress_pct: u8) -> Self {
        let page_words = BLOCK_BYTES / WORD_BYTES;
        // Rounded to whole words, half a word up.
        let repeated = (page_words * usize::from(compress_pct.min(100)) + 50) / 100;
        let words = (STARTS_BYTES + PIECE_BYTES_MAX) / WORD_BYTES;
        let mut bytes = Vec::with_capacity(words * WORD_BYTES);
        for index in 0..words {
            let in_page = index % page_words;
            // The repeated word differs from page to page, so that two pages are never taken for each other.
            let source = if in_page >= page_words - repeated { index - in_page } else { index };
            bytes.extend_from_slice(&mix(seed ^ source as u64).to_le_bytes());
        }
        Self { bytes: bytes.into() }
    }

    /// A pool of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self { bytes: Rc::from([]) }
    }

    /// The memory.
    #[must_use]
    pub fn bytes(&self) -> &Rc<[u8]> {
        &self.bytes
    }

    /// A page; nothing from an empty pool.
    #[must_use]
    pub fn page(&self, page: u64) -> &[u8] {
        let start = usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(BLOCK_BYTES);
        self.bytes.get(start..start.saturating_add(BLOCK_BYTES)).unwrap_or_default()
    }
}

/// The pools of one core: its own, and those of the runs whose objects it reads.
#[derive(Debug, Default)]
pub struct Pools {
    /// The one used last comes last.
    kept: RefCell<Vec<((u64, u8), Pool)>>,
}

impl Pools {
    /// The pool for a recipe. Making it takes some ten milliseconds; the last four are kept.
    #[must_use]
    pub fn of(&self, recipe: &Recipe) -> Pool {
        let key = (recipe.seed, recipe.compress_pct);
        let mut kept = self.kept.borrow_mut();
        let found = kept.iter().position(|(other, _)| *other == key);
        let entry = match found {
            Some(at) if at.saturating_add(1) == kept.len() => return self.last(&kept),
            Some(at) => kept.remove(at),
            None => (key, Pool::new(recipe.seed, recipe.compress_pct)),
        };
        if kept.len() >= POOLS_MAX {
            kept.remove(0);
        }
        kept.push(entry);
        self.last(&kept)
    }

    fn last(&self, kept: &[((u64, u8), Pool)]) -> Pool {
        kept.last().map_or_else(Pool::empty, |(_, pool)| pool.clone())
    }
}
