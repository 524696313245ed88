//! Memory that is this node's alone, beside its copy of the cluster's state.
//!
//! The state knows that a bucket is gone. Directories that the bucket has left behind are this node's own affair: it
//! remembers them until they are out of the way, whatever the others have done meanwhile.

use super::buckets::bucket_ref;
use super::reconcile::Action;
use super::state::Command;
use crate::error::{Error, Kind, Result};
use crate::store::BucketRef;
use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

/// Something that this node alone has done; in its journal beside the commands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    /// The directories of a destroyed bucket are out of the way.
    BucketBuried { id: u64 },
}

/// A destroyed bucket as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doomed {
    id: u64,
    name: String,
}

/// A copy shares all with the original.
#[derive(Clone, Debug, Default)]
pub(crate) struct Local {
    /// Destroyed buckets whose directories may still be there: their names by number.
    doomed: RedBlackTreeMapSync<u64, String>,
}

impl Local {
    pub(crate) fn from_saved(doomed: Vec<Doomed>) -> Self {
        Self { doomed: doomed.into_iter().map(|doomed| (doomed.id, doomed.name)).collect() }
    }

    /// Its form on the disk.
    pub(crate) fn written(&self) -> Vec<Doomed> {
        self.doomed.iter().map(|(&id, name)| Doomed { id, name: name.clone() }).collect()
    }

    /// Remembers what there is to be done.
    pub(super) fn expect(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Bury(bucket) = action {
                self.doomed.insert_mut(bucket.id, bucket.name.clone());
            }
        }
    }

    pub(super) fn note(&mut self, note: &Note) {
        let Note::BucketBuried { id } = note;
        self.doomed.remove_mut(id);
    }

    /// Destroyed buckets that are to be buried.
    pub(super) fn doomed(&self) -> impl Iterator<Item = BucketRef> {
        self.doomed.iter().map(|(&id, name)| bucket_ref(id, name))
    }

    pub(super) fn is_doomed(&self, id: u64) -> bool {
        self.doomed.contains_key(&id)
    }

    /// True while the directories of a destroyed bucket may have this name.
    pub(super) fn holds_name(&self, name: &str) -> bool {
        // Few are on their way out at a time.
        self.doomed.values().any(|doomed| doomed == name)
    }

    /// Refuses what a client asks for and this node cannot carry out yet. What another node has let through is not
    /// refused: such a bucket waits.
    ///
    /// # Errors
    /// `Conflict`.
    pub(super) fn admit(&self, command: &Command) -> Result<()> {
        match command {
            Command::CreateBucket { name, .. } if self.holds_name(name) => {
                let text = format!("bucket \"ais://{name}\" is still being destroyed");
                Err(Error::client(Kind::Conflict, text))
            }
            _ => Ok(()),
        }
    }
}
