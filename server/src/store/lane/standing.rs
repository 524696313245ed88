//! Says if a lane's index can be asked, and who hears when it cannot.
//!
//! Whatever reads the index tells the lane of the errors it meets. Damage takes the lane out of service at once: its names
//! are answered with "try again", until the index has been made anew from the log and the files.

use super::{Lane, Standing};
use crate::error::{Error, Kind, Result};
use lsm::LaneIndex;
use std::rc::Rc;

impl Lane {
    /// Takes the lane into service: from now on damage of its index has it made anew.
    pub(crate) fn serve(&self) {
        self.standing.set(Standing::Serving);
    }

    /// True if the index waits to be made anew.
    pub(crate) fn is_lost(&self) -> bool {
        self.standing.get() == Standing::Lost
    }

    /// Refuses what needs the index while there is none.
    ///
    /// # Errors
    /// `Rebuilding`.
    pub(crate) fn check_standing(&self) -> Result<()> {
        if self.is_lost() { Err(self.unavailable()) } else { Ok(()) }
    }

    /// The answer for an error of one of the lane's indexes. Damage of the one in service ends that.
    pub(crate) fn heard(&self, index: &Rc<LaneIndex>, error: Error) -> Error {
        let is_damage = error.kind == Kind::Corrupt;
        match self.standing.get() {
            Standing::Opening => error,
            Standing::Serving | Standing::Lost if !is_damage => error,
            Standing::Lost => self.unavailable(),
            // A scan may still read of an index that has been replaced since.
            Standing::Serving if !Rc::ptr_eq(index, &self.index.borrow()) => self.unavailable(),
            // Nothing can be made anew on a disk that takes no writes: the rest of the index goes on to answer.
            Standing::Serving if self.mountpath.is_suspect() => error,
            Standing::Serving => {
                self.lose(&error.text);
                self.unavailable()
            }
        }
    }

    /// Takes the lane out of service until its index has been made anew.
    pub(crate) fn lose(&self, why: &str) {
        if self.standing.get() != Standing::Serving {
            return;
        }
        self.standing.set(Standing::Lost);
        self.mountpath.note_lost(self.number, why);
        tracing::error!(
            lane = %self.path().display(),
            why,
            "the index is damaged: it is made anew, and the lane's names are answered with 503 meanwhile"
        );
    }

    fn unavailable(&self) -> Error {
        let text =
            format!("the index of {} is damaged and is being made anew: try again", self.path().display());
        Error { kind: Kind::Rebuilding, ..Error::internal(text) }
    }
}
