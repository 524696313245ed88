//! Group commit: one round of writes and one flush for every change in flight on a file system.
//!
//! A round takes what has come in since the last one began: it writes the batches of the lanes' logs, then makes what
//! concerns plain files visible (a record is always written before its file is renamed or removed), then flushes once.
//! Rounds follow each other without a pause, so that a lone change waits for nothing and many share one flush.
//!
//! It rests on the single ordered journal of ext4 and XFS: a flush of the file that was changed last makes every earlier
//! change durable too (crash-tested; other file systems get a flush for each file). Which of many files that was cannot
//! be told from outside, so the round changes one of its own, the marker, and flushes that. A failed flush fails everyone
//! who waited for it, and the mountpath is suspect from then on: the next flush may well succeed, but says nothing about
//! the pages that were lost.

use super::META_XATTR;
use super::after::After;
use super::lane::Lane;
use super::mountpath::Mountpath;
use crate::error::{Error, Result};
use crate::fault;
use futures_channel::oneshot;
use futures_util::future::join_all;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use uring::{Driver, sys};
use wire::api::bprops::Durability;

/// A change whose record is in its lane's batch.
struct Change {
    lane: Rc<Lane>,
    after: After,
    durability: Durability,
    done: oneshot::Sender<Result<()>>,
}

/// A change that has taken effect and is to be made durable.
struct Effect {
    changed: Rc<OwnedFd>,
    durability: Durability,
    done: oneshot::Sender<Result<()>>,
}

/// The commit group of one mountpath on one core.
pub(crate) struct Committer {
    driver: Driver,
    mountpath: Arc<Mountpath>,
    /// Changed and flushed by each round.
    marker: Rc<OwnedFd>,
    waiting: RefCell<Vec<Change>>,
    wake: RefCell<Option<oneshot::Sender<()>>>,
    flushes: Cell<u64>,
    commits: Cell<u64>,
}

impl Committer {
    /// The commit group of a core; `core` names its marker.
    pub(crate) fn new(driver: Driver, mountpath: Arc<Mountpath>, core: usize) -> Result<Rc<Self>> {
        let marker = mountpath.commit_marker(core).map_err(|e| Error::disk("open the commit marker", &e))?;
        Ok(Rc::new(Self {
            driver,
            mountpath,
            marker: Rc::new(marker),
            waiting: RefCell::default(),
            wake: RefCell::default(),
            flushes: Cell::new(0),
            commits: Cell::new(0),
        }))
    }

    /// (flushes issued, changes that they made durable).
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.flushes.get(), self.commits.get())
    }

    /// Hands in a change whose record has just been appended to its lane's log. It takes its course whether or not
    /// the answer is waited for; the answer comes when the change is as durable as asked for.
    pub(crate) fn join(
        &self,
        lane: &Rc<Lane>,
        after: After,
        durability: Durability,
    ) -> impl Future<Output = Result<()>> + use<> {
        let (done, outcome) = oneshot::channel();
        self.waiting.borrow_mut().push(Change { lane: Rc::clone(lane), after, durability, done });
        if let Some(wake) = self.wake.take() {
            let _ = wake.send(());
        }
        async move { outcome.await.unwrap_or_else(|_| Err(Error::internal("the commit group has stopped"))) }
    }

    /// The loop of the task that commits for the group; runs as long as the core does.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            let group = self.waiting.take();
            if !group.is_empty() {
                self.round(group).await;
                continue;
            }
            let (wake, woken) = oneshot::channel();
            self.wake.replace(Some(wake));
            if woken.await.is_err() {
                return;
            }
        }
    }

    async fn round(&self, group: Vec<Change>) {
        let written = write_batches(&group).await;
        if written.iter().any(|(_, outcome)| outcome.is_err()) {
            self.mountpath.mark_suspect();
        }
        let mut effects = Vec::with_capacity(group.len());
        for change in group {
            let file = written.iter().find(|(lane, _)| Rc::ptr_eq(lane, &change.lane)).map(|(_, file)| file);
            match file {
                Some(Ok(file)) => effects.extend(self.take_effect(change, file.as_ref())),
                Some(Err(e)) => answer(change.done, Err(e.clone())),
                None => answer(change.done, Err(Error::internal("a change without its lane"))),
            }
        }
        fault::point("round-effective");
        self.make_durable(effects).await;
    }

    /// What a change does besides its record.
    fn take_effect(&self, change: Change, log: Option<&Rc<OwnedFd>>) -> Option<Effect> {
        match change.after.run(&self.mountpath, &change.lane) {
            Ok(changed) => {
                // With nothing of its own to flush, it waits for what was there before it.
                let changed = changed.or_else(|| log.cloned()).unwrap_or_else(|| Rc::clone(&self.marker));
                Some(Effect { changed, durability: change.durability, done: change.done })
            }
            Err(e) => {
                answer(change.done, Err(e));
                None
            }
        }
    }

    async fn make_durable(&self, effects: Vec<Effect>) {
        let mut group = Vec::with_capacity(effects.len());
        let mut alone = Vec::new();
        for effect in effects {
            match effect.durability {
                Durability::None => answer(effect.done, Ok(())),
                Durability::Group => group.push(effect),
                Durability::Always => alone.push(effect),
            }
        }
        let outcome = self.flush_group(&group).await;
        for effect in group {
            answer(effect.done, outcome.clone());
        }
        for effect in alone {
            let outcome = self.flush_group(std::slice::from_ref(&effect)).await;
            answer(effect.done, outcome);
        }
    }

    async fn flush_group(&self, group: &[Effect]) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        self.commits.set(self.commits.get() + group.len() as u64);
        if self.ordered_journal() {
            return self.flush_marker().await;
        }
        let mut flushed: Vec<&Rc<OwnedFd>> = Vec::new();
        for effect in group {
            if !flushed.iter().any(|file| Rc::ptr_eq(file, &effect.changed)) {
                self.flush(&effect.changed).await?;
                flushed.push(&effect.changed);
            }
        }
        Ok(())
    }

    /// Makes everything durable that was changed on the file system before.
    pub(crate) async fn flush_marker(&self) -> Result<()> {
        sys::touch(self.marker.as_fd()).map_err(|e| self.failed(&e))?;
        self.flush(&self.marker).await
    }

    async fn flush(&self, changed: &Rc<OwnedFd>) -> Result<()> {
        self.flushes.set(self.flushes.get() + 1);
        // XFS may report success for a flush that it shut down under, and always does for one of a directory after that
        // (crash-tested). Reading an attribute tells: it fails from then on, and costs nothing next to a flush.
        let flushed = self.driver.fsync(changed, false).await;
        fault::point("round-durable");
        let outcome = flushed.and_then(|()| sys::get_xattr(changed.as_fd(), META_XATTR).map(drop));
        outcome.map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &io::Error) -> Error {
        self.mountpath.mark_suspect();
        tracing::error!(mountpath = %self.mountpath.path.display(), %error, "flush failed: mountpath is suspect");
        Error::disk("flush", error)
    }

    fn ordered_journal(&self) -> bool {
        matches!(self.mountpath.file_system.kind, "ext4" | "xfs")
    }
}

type Written = Vec<(Rc<Lane>, Result<Option<Rc<OwnedFd>>>)>;

/// Writes the batches of all lanes that have changes in the group, side by side.
async fn write_batches(group: &[Change]) -> Written {
    let mut lanes: Vec<Rc<Lane>> = Vec::new();
    for change in group {
        if !lanes.iter().any(|lane| Rc::ptr_eq(lane, &change.lane)) {
            lanes.push(Rc::clone(&change.lane));
        }
    }
    let writes = lanes.into_iter().map(|lane| async move {
        let outcome = lane.write_batch().await;
        (lane, outcome)
    });
    join_all(writes).await
}

fn answer(done: oneshot::Sender<Result<()>>, outcome: Result<()>) {
    // A client that has gone away waits for nothing.
    let _ = done.send(outcome);
}
