//! Verified bytes of objects in memory: small objects whole, with the header fields of their answers, and pieces of
//! large ones. They lie in a pool of their own, registered like the other, so they are sent as they are.
//!
//! A piece that is asked for again comes in ([`Doorkeeper`]), if not for want of memory: then a promise without bytes
//! takes its place, and others make room for it. While the pool still grows nobody has to: what finds no memory then is read past
//! the cache, and comes in another time.

use super::CHUNK_BYTES;
use super::doorkeeper::Doorkeeper;
use super::entry::Entry;
use crate::store::piece::Piece;
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use uring::{Buf, LEAF_BYTES, Pool};
use wire::lom::Generation;

/// Entries by index key.
pub(crate) type EntryCache = RefCell<Cache<Box<[u8]>, Rc<Entry>>>;

/// The generation of an object, and which of its pieces; small objects are one.
type PieceKey = (Generation, u64);

/// The form that header fields are written in. Two that differ in anything must not be equal: an answer takes the fields of its
/// form as they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldsForm {
    pub(crate) facade: &'static str,
    /// With the version of the object.
    pub(crate) versioned: bool,
}

/// Part of the pool that is left to reads under way and to answers that still send what has been pushed out.
const SLACK: u64 = 16;

#[derive(Clone)]
struct Kept {
    /// `None` for a promise.
    piece: Option<Rc<Piece>>,
    size_bytes: usize,
    /// The fields of its answer as a façade has written them, with their form.
    fields: Option<(FieldsForm, Rc<[u8]>)>,
}

#[derive(Clone)]
struct KeptWeight;

impl quick_cache::Weighter<PieceKey, Kept> for KeptWeight {
    fn weight(&self, _: &PieceKey, kept: &Kept) -> u64 {
        // The fields are part of the budget as well.
        let fields_bytes = kept.fields.as_ref().map_or(0, |(_, fields)| fields.len());
        (kept.size_bytes + fields_bytes) as u64
    }
}

/// The cache of one core. It resists scans: one pass over many objects does not push out the hot ones.
pub(crate) struct ReadCache {
    pool: Pool,
    cache: RefCell<Cache<PieceKey, Kept, KeptWeight>>,
    door: RefCell<Doorkeeper>,
    hits: Cell<u64>,
    misses: Cell<u64>,
}

impl ReadCache {
    /// A cache of all of a pool.
    pub(crate) fn new(pool: Pool) -> Self {
        let size_bytes = pool.stats().limit_bytes as u64;
        let expected = (size_bytes as usize / LEAF_BYTES).max(1);
        let mut cache = Cache::with_weighter(expected, size_bytes - size_bytes / SLACK, KeptWeight);
        // Tables that double as they fill would stop the core for as long as it takes to copy them. With half of them
        // empty they are not tidied up in one go either.
        cache.reserve(expected.saturating_mul(2));
        let door = RefCell::new(Doorkeeper::new(size_bytes, expected));
        Self { pool, cache: RefCell::new(cache), door, hits: Cell::new(0), misses: Cell::new(0) }
    }

    /// Piece `number` of an object, if it is there. Pieces start at multiples of [`CHUNK_BYTES`].
    pub(crate) fn piece(&self, generation: Generation, number: u64) -> Option<Piece> {
        let cache = self.cache.borrow();
        let found = cache.get(&(generation, number)).and_then(|kept| kept.piece.as_ref());
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.set(count.get() + 1);
        found.map(|piece| piece.share())
    }

    /// Memory for a piece that was asked for before; `None` for another one, and when there is no room at the moment.
    pub(crate) fn room(&self, generation: Generation, number: u64, size_bytes: usize) -> Option<Buf> {
        let hash = generation.mixed() ^ number.rotate_left(u64::BITS / 2);
        if !self.door.borrow_mut().has_seen(hash, size_bytes as u64) {
            return None;
        }
        let buf = self.pool.try_alloc(size_bytes);
        if buf.is_none() && !self.pool.can_grow() {
            self.promise((generation, number), size_bytes);
        }
        buf
    }

    /// Keeps what was read into memory from here. What lies elsewhere passes.
    pub(crate) fn keep(&self, generation: Generation, number: u64, piece: &Piece) {
        if !self.pool.owns(&piece.chunk) {
            return;
        }
        let (end, all) = (piece.range.end, piece.chunk.len());
        assert!(end <= all, "piece {number} of {generation} ends at {end} of {all} bytes");
        let kept = Kept { size_bytes: piece.chunk.len(), piece: Some(Rc::new(piece.share())), fields: None };
        self.cache.borrow_mut().insert((generation, number), kept);
    }

    /// An object has been overwritten or removed.
    pub(crate) fn forget(&self, entry: &Entry) {
        // The pieces of a huge one are never asked for again and leave as they age.
        const PIECES_MAX: u64 = 64;
        let pieces = if entry.place.is_file() { entry.size_bytes.div_ceil(CHUNK_BYTES as u64) } else { 1 };
        let mut cache = self.cache.borrow_mut();
        for number in 0..pieces.min(PIECES_MAX) {
            cache.remove(&(entry.generation, number));
        }
    }

    /// Its metadata has changed: the fields must be written anew.
    pub(crate) fn forget_fields(&self, generation: Generation) {
        if let Some(mut kept) = self.cache.borrow_mut().get_mut(&(generation, 0)) {
            kept.fields = None;
        }
    }

    /// Keeps what `write` makes of a small object beside it in memory; `None` for one that is not there.
    pub(crate) fn kept_fields(
        &self,
        generation: Generation,
        form: FieldsForm,
        write: impl FnOnce() -> Vec<u8>,
    ) -> Option<Rc<[u8]>> {
        let mut cache = self.cache.borrow_mut();
        let mut kept = cache.get_mut(&(generation, 0)).filter(|kept| kept.piece.is_some())?;
        match &kept.fields {
            Some((known, fields)) if *known == form => Some(Rc::clone(fields)),
            _ => {
                let fields: Rc<[u8]> = write().into();
                kept.fields = Some((form, Rc::clone(&fields)));
                Some(fields)
            }
        }
    }

    /// Look-ups that found something, and that did not.
    pub(crate) fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.get(), self.misses.get())
    }

    /// Where its memory comes from.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Makes room for what will be wanted again: others go as if it were here.
    fn promise(&self, key: PieceKey, size_bytes: usize) {
        let size_bytes = size_bytes.next_power_of_two().max(LEAF_BYTES);
        self.cache.borrow_mut().insert(key, Kept { piece: None, size_bytes, fields: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uring::{Driver, DriverConfig, PoolConfig};

    const SEGMENT_BYTES: usize = 16 << 20;

    fn cache(segments: usize) -> (Driver, ReadCache) {
        let pool = PoolConfig { size_bytes_max: (1 + segments) * SEGMENT_BYTES };
        let driver = Driver::new(DriverConfig { entries: 8, pool }).unwrap();
        let cache = ReadCache::new(driver.pool().split_off(segments * SEGMENT_BYTES));
        (driver, cache)
    }

    fn read_piece(cache: &ReadCache, clock: u64) -> bool {
        let generation = Generation { clock, node: 1 };
        if cache.piece(generation, 0).is_some() {
            return true;
        }
        if let Some(buf) = cache.room(generation, 0, CHUNK_BYTES) {
            cache.keep(generation, 0, &Piece { chunk: buf.freeze(), range: 0..CHUNK_BYTES });
        }
        false
    }

    fn used_bytes(cache: &ReadCache) -> u64 {
        cache.pool.stats().used_bytes as u64
    }

    #[test]
    fn a_piece_comes_in_when_it_is_asked_for_again() {
        let (_driver, cache) = cache(2);
        let found: Vec<bool> = (0..4).map(|_| read_piece(&cache, 7)).collect();
        assert_eq!(found, [false, false, true, true]);
        assert_eq!(used_bytes(&cache), CHUNK_BYTES as u64);
    }

    #[test]
    fn a_pass_over_many_takes_no_memory_and_pushes_nothing_out() {
        let (_driver, cache) = cache(2);
        for _ in 0..4 {
            (0..20).for_each(|generation| _ = read_piece(&cache, generation));
        }
        let before = used_bytes(&cache);
        (1000..11_000).for_each(|generation| assert!(!read_piece(&cache, generation)));
        assert!(used_bytes(&cache) <= before);
        let hot = (0..20).filter(|generation| read_piece(&cache, *generation)).count();
        assert!(hot >= 18, "{hot} of 20 hot pieces are left");
    }

    #[test]
    fn a_cache_full_of_small_objects_gives_way_to_large_ones() {
        let (_driver, cache) = cache(2);
        for clock in (0..10_000).flat_map(|clock| [clock; 2]) {
            let generation = Generation { clock, node: 1 };
            if let Some(buf) = cache.room(generation, 0, 4096) {
                cache.keep(generation, 0, &Piece { chunk: buf.freeze(), range: 0..4096 });
            }
        }
        let rounds = (0..200).map(|_| (20_000..20_040).filter(|g| read_piece(&cache, *g)).count());
        let last = rounds.last();
        // Small ones that stay break up some of the room.
        assert!(last >= Some(32), "{last:?} of 40 pieces are kept, room is for 60");
    }

    #[test]
    fn no_room_at_all_keeps_nothing() {
        let (_driver, cache) = cache(0);
        assert!((0..3).all(|_| !read_piece(&cache, 2)));
    }
}
