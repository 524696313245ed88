//! The control state: which nodes, which buckets, which settings; who may change it, and who gets to see it.
//!
//! A change is a [`Command`]; [`ClusterState::apply`] is the only code that makes one happen, and it is pure. The
//! control thread persists the outcome before it publishes the new [`View`]; cores only ever read views.

mod control;
mod state;
mod view;

pub(crate) use control::Control;
pub(crate) use state::{ClusterState, Command, Outcome};
pub(crate) use view::{BucketView, View};
