//! Files that do not have their names yet.

use super::lane::Lane;
use std::rc::Rc;
use wire::lom::Generation;

/// A file that does not have its name yet. Whoever waits to read it is woken when this goes, whatever happens.
pub(crate) struct Unsettled {
    lane: Rc<Lane>,
    generation: Generation,
    named: bool,
}

impl Unsettled {
    pub(crate) fn new(lane: &Rc<Lane>, generation: Generation) -> Self {
        lane.unsettle(generation);
        Self { lane: Rc::clone(lane), generation, named: false }
    }

    /// The file has its name.
    pub(crate) fn settle(mut self) {
        self.named = true;
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.lane.unsettle_done(self.generation, self.named);
    }
}
