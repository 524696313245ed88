//! Small objects in memory, whole, with the header fields of their answers.

use super::entry::Entry;
use super::reader::Piece;
use quick_cache::unsync::Cache;
use std::cell::RefCell;
use std::rc::Rc;
use uring::LEAF_BYTES;

/// A small object in memory.
#[derive(Clone)]
struct Body {
    piece: Rc<Piece>,
    /// The fields of its answer as a façade has written them, with the variant they were written for.
    fields: Option<(bool, Rc<[u8]>)>,
}

#[derive(Clone)]
struct BodyWeight;

impl quick_cache::Weighter<u64, Body> for BodyWeight {
    fn weight(&self, _: &u64, body: &Body) -> u64 {
        // The fields are part of the budget as well.
        let fields_bytes = body.fields.as_ref().map_or(0, |(_, fields)| fields.len());
        (body.piece.chunk.len() + fields_bytes) as u64
    }
}

/// The bodies that one core keeps, by generation.
pub(crate) struct Bodies {
    cache: RefCell<Cache<u64, Body, BodyWeight>>,
}

impl Bodies {
    /// A cache of so many bytes; it resists scans: one pass over many objects does not push out the hot ones.
    pub(crate) fn new(size_bytes: usize) -> Self {
        let expected = (size_bytes / LEAF_BYTES).max(1);
        Self { cache: RefCell::new(Cache::with_weighter(expected, size_bytes as u64, BodyWeight)) }
    }

    pub(crate) fn get(&self, generation: u64) -> Option<Piece> {
        self.cache.borrow_mut().get(&generation).map(|body| body.piece.share())
    }

    pub(crate) fn insert(&self, generation: u64, piece: &Piece) {
        let body = Body { piece: Rc::new(piece.share()), fields: None };
        self.cache.borrow_mut().insert(generation, body);
    }

    pub(crate) fn remove(&self, generation: u64) {
        self.cache.borrow_mut().remove(&generation);
    }

    /// Its metadata has changed: the fields must be written anew.
    pub(crate) fn forget_fields(&self, generation: u64) {
        if let Some(mut body) = self.cache.borrow_mut().get_mut(&generation) {
            body.fields = None;
        }
    }

    /// What `write` makes of an object that is in memory, kept beside it; `None` for one that is not.
    pub(crate) fn kept_fields(
        &self,
        entry: &Entry,
        variant: bool,
        write: impl FnOnce() -> Vec<u8>,
    ) -> Option<Rc<[u8]>> {
        let mut bodies = self.cache.borrow_mut();
        let mut body = bodies.get_mut(&entry.generation)?;
        match &body.fields {
            Some((kept, fields)) if *kept == variant => Some(Rc::clone(fields)),
            _ => {
                let fields: Rc<[u8]> = write().into();
                body.fields = Some((variant, Rc::clone(&fields)));
                Some(fields)
            }
        }
    }
}
