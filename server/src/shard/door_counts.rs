//! Counts of connections that find no place.

use std::cell::Cell;

/// Connections that were refused or ended at the door.
#[derive(Debug, Default)]
pub(crate) struct DoorCounts {
    /// Refused because all seats were taken by connections that were being served.
    pub(super) at_limit: Cell<u64>,
    /// Refused for want of descriptors.
    pub(super) no_descriptor: Cell<u64>,
    /// The spare descriptor is in use.
    pub(super) is_short: Cell<bool>,
    /// Idle connections that were ended for new ones.
    pub(super) made_room: Cell<u64>,
}

impl DoorCounts {
    /// Refusals by reason, as the metric names them.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 2] {
        [("connections", self.at_limit.get()), ("descriptors", self.no_descriptor.get())]
    }

    pub(crate) fn made_room(&self) -> u64 {
        self.made_room.get()
    }
}

pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}
