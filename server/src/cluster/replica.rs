//! A node's copy of the cluster's state with what it alone knows, as it is written down and read back.

use super::buckets::BucketMap;
use super::local::{Doomed, Local, Note};
use super::reconcile::{Action, reconcile};
use super::state::{Closed, ClusterState, Command};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wire::api::bmd::Bmd;
use wire::api::config::ClusterConfig;
use wire::api::smap::Smap;

/// An entry of a journal: all nodes apply commands, and this one alone knows its notes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Entry {
    Command(Command),
    Note(Note),
}

/// All that a node remembers. A copy shares all with the original.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    /// The same on all nodes that have applied the same commands.
    pub(crate) cluster: ClusterState,
    pub(super) local: Local,
}

/// All of it as it is written down.
#[derive(Serialize)]
struct Written<'r> {
    #[serde(flatten)]
    cluster: &'r ClusterState,
    doomed: Vec<Doomed>,
    journal: u64,
}

/// The same as it was written down.
#[derive(Deserialize)]
pub(crate) struct Saved {
    smap: Smap,
    bmd: Bmd,
    config: ClusterConfig,
    next_bucket_id: u64,
    #[serde(default)]
    closed: Vec<Closed>,
    #[serde(default)]
    doomed: Vec<Doomed>,
    /// The first journal that has changes behind it; none in what was written before there were journals.
    #[serde(default)]
    pub(crate) journal: Option<u64>,
}

impl Replica {
    /// That of the first node of a cluster that has just been made.
    pub(crate) fn new(cluster: ClusterState) -> Self {
        Self { cluster, local: Local::default() }
    }

    /// All of it as it was written down.
    ///
    /// # Errors
    /// A text when it cannot be.
    pub(crate) fn from_saved(saved: Saved) -> Result<Self, String> {
        let Saved { smap, bmd, config, next_bucket_id, closed, doomed, journal: _ } = saved;
        let mut buckets = BucketMap::from_bmd(bmd)?;
        closed.into_iter().for_each(|closed| buckets.set_closed(&closed.name, Some(closed.by)));
        let cluster = ClusterState::from_parts(Arc::new(smap), buckets, Arc::new(config), next_bucket_id);
        Ok(Self { cluster, local: Local::from_saved(doomed) })
    }

    /// Its form on the disk; changes behind it are in this journal and later ones.
    pub(crate) fn written(&self, journal: u64) -> impl Serialize {
        Written { cluster: &self.cluster, doomed: self.local.written(), journal }
    }

    /// Applies an entry: all of it, or an error and nothing. Returns what this node has to do now.
    pub(crate) fn apply(&mut self, entry: Entry) -> Result<Vec<Action>> {
        let command = match entry {
            Entry::Command(command) => command,
            Entry::Note(note) => {
                self.local.note(&note);
                return Ok(Vec::new());
            }
        };
        let name = command.bucket_name().map(str::to_owned);
        let before = self.cluster.bmd.clone();
        self.cluster.apply(command)?;
        let actions = reconcile(&before, &self.cluster.bmd, name.as_deref());
        self.local.expect(&actions);
        Ok(actions)
    }

    /// Refuses what a client asks for and this node cannot carry out yet.
    ///
    /// # Errors
    /// `Conflict`.
    pub(crate) fn admit(&self, entry: &Entry) -> Result<()> {
        match entry {
            Entry::Command(command) => self.local.admit(command),
            Entry::Note(_) => Ok(()),
        }
    }

    /// A node that starts has this to do: it has nothing open, and what it had not buried lies there still.
    pub(crate) fn at_start(&self) -> Vec<Action> {
        let names = self.cluster.bmd.all().map(|view| view.bucket.name.as_str());
        let mut actions = reconcile(&BucketMap::default(), &self.cluster.bmd, names);
        actions.extend(self.local.doomed().map(|bucket| Action::Bury(Arc::new(bucket))));
        actions
    }

    /// Numbers of the buckets that directories of an older one of their name are in the way of.
    pub(super) fn waiting(&self) -> Vec<u64> {
        let next = self.local.doomed().filter_map(|old| self.cluster.bmd.get(&old.name).cloned());
        next.map(|view| view.bucket.id).collect()
    }
}
