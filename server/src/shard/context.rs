//! The state that every task of a core can reach.

use super::call::{Letter, OpenCalls};
use super::door_counts::DoorCounts;
use super::limits::StreamLimits;
use super::runtime::spawn_local;
use super::seat::Seats;
use super::turns::Turns;
use super::watch::Watch;
use crate::metrics::Counters;
use crate::node::Node;
use crate::store::{AppendSessions, BucketRef, Store};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use uring::{Driver, MailSender, Offload};

/// One core of the node.
pub(crate) struct Shard {
    /// Number of this core among the node's, from 0.
    pub(crate) core: usize,
    pub(crate) driver: Driver,
    /// Threads for what belongs to no mountpath and may take a while.
    pub(crate) helpers: Offload,
    pub(crate) store: Rc<Store>,
    pub(crate) node: Arc<Node>,
    pub(crate) counters: Counters,
    pub(crate) appends: AppendSessions,
    pub(crate) limits: StreamLimits,
    /// Turns of the jobs that this core looks after.
    pub(crate) job_turns: Turns,
    pub(super) mail: Vec<MailSender<Letter>>,
    /// Seats of the whole node.
    pub(super) seats: Arc<Seats>,
    pub(crate) watch: Rc<Watch>,
    pub(crate) door: DoorCounts,
    /// Another core has been asked for room.
    pub(super) room_asked: Cell<bool>,
    pub(super) calls: RefCell<OpenCalls>,
    pub(super) stopping: Cell<bool>,
}

impl Shard {
    /// Runs something in the background of this core.
    pub(crate) fn background(&self, task: impl Future<Output = ()> + 'static) {
        spawn_local(task);
    }

    /// Cores of this node.
    pub(crate) fn cores(&self) -> usize {
        self.mail.len()
    }

    /// Connections open on this core.
    pub(crate) fn connections(&self) -> usize {
        self.watch.len()
    }

    /// Has the store take changes in a bucket, or none, as the view says at this moment: so it does not matter which of
    /// several changes of the view this is asked for, as long as it is asked for after each.
    pub(crate) fn settle(&self, bucket: &BucketRef) {
        if self.node.view().is_closed(bucket) {
            self.store.freeze_bucket(bucket.id);
        } else {
            self.store.thaw_bucket(bucket.id);
        }
    }

    /// True once the node takes no new requests.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }
}
