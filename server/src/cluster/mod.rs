//! The control state: which nodes, which buckets, which settings; who may change it, and who gets to see it.
//!
//! A change is a [`Command`]; [`ClusterState::apply`] is the only code that makes one happen, and it is pure. The
//! control thread writes it into the [`Journal`] before it publishes the new [`View`]; cores only ever read views. State and
//! views are persistent maps: neither grows dearer to change or to copy with the number of buckets.
//!
//! The state has nothing of one node's own, so that several nodes may apply the same commands. A [`Replica`] is a node's copy
//! with what it alone has to remember ([`Note`]); [`reconcile`] says what it has to do ([`Action`]).

mod buckets;
mod control;
mod journal;
mod local;
mod reconcile;
mod replica;
mod state;
mod view;

pub(crate) use buckets::BucketView;
pub(crate) use control::Control;
pub(crate) use journal::{Found, Journal, STATE_FILE, read_state};
pub(crate) use local::Note;
pub(crate) use reconcile::Action;
pub(crate) use replica::{Entry, Replica};
pub(crate) use state::{ClusterState, Command};
pub(crate) use view::View;
