//! Group commit: one flush for every change in flight on a file system.
//!
//! It rests on the single ordered journal of ext4 and XFS: flushing the file or directory that was changed last makes
//! every earlier change durable too (crash-tested; other file systems get a flush for each change). A failed flush
//! fails everyone who waited for it, and the mountpath is suspect from then on: the next flush may well succeed, but
//! says nothing about the pages that were lost.

use super::META_XATTR;
use super::mountpath::Mountpath;
use crate::error::{Error, Result};
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use uring::{Driver, sys};
use wire::api::bprops::Durability;

struct Waiter {
    changed: Rc<OwnedFd>,
    done: oneshot::Sender<Result<()>>,
}

/// The commit group of one mountpath on one core.
pub(crate) struct Committer {
    driver: Driver,
    mountpath: Arc<Mountpath>,
    waiting: RefCell<Vec<Waiter>>,
    wake: RefCell<Option<oneshot::Sender<()>>>,
    flushes: Cell<u64>,
    commits: Cell<u64>,
}

impl Committer {
    pub(crate) fn new(driver: Driver, mountpath: Arc<Mountpath>) -> Rc<Self> {
        Rc::new(Self {
            driver,
            mountpath,
            waiting: RefCell::default(),
            wake: RefCell::default(),
            flushes: Cell::new(0),
            commits: Cell::new(0),
        })
    }

    /// (flushes issued, changes that they made durable).
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.flushes.get(), self.commits.get())
    }

    /// Returns when the change to `changed` (a file or directory) is as durable as asked for.
    pub(crate) async fn commit(&self, changed: Rc<OwnedFd>, durability: Durability) -> Result<()> {
        match durability {
            Durability::None => Ok(()),
            Durability::Group if self.ordered_journal() => self.join_group(changed).await,
            Durability::Group | Durability::Always => self.flush(&changed, 1).await,
        }
    }

    /// The loop of the task that flushes for the group; runs as long as the core does.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            let group = self.waiting.take();
            let Some(last) = group.last() else {
                let (wake, woken) = oneshot::channel();
                self.wake.replace(Some(wake));
                if woken.await.is_err() {
                    return;
                }
                continue;
            };
            let changed = Rc::clone(&last.changed);
            let outcome = self.flush(&changed, group.len() as u64).await;
            for waiter in group {
                // A client that has gone away waits for nothing.
                let _ = waiter.done.send(outcome.clone());
            }
        }
    }

    async fn join_group(&self, changed: Rc<OwnedFd>) -> Result<()> {
        let (done, outcome) = oneshot::channel();
        self.waiting.borrow_mut().push(Waiter { changed, done });
        if let Some(wake) = self.wake.take() {
            let _ = wake.send(());
        }
        outcome.await.unwrap_or_else(|_| Err(Error::internal("the commit group has stopped")))
    }

    async fn flush(&self, changed: &Rc<OwnedFd>, changes: u64) -> Result<()> {
        self.flushes.set(self.flushes.get() + 1);
        self.commits.set(self.commits.get() + changes);
        // XFS may report success for a flush that it shut down under, and always does for one of a directory after that
        // (crash-tested). Reading an attribute tells: it fails from then on, and costs nothing next to a flush.
        let flushed = self.driver.fsync(changed, false).await;
        let outcome = flushed.and_then(|()| sys::get_xattr(changed.as_fd(), META_XATTR).map(drop));
        outcome.map_err(|e| {
            self.mountpath.mark_suspect();
            tracing::error!(mountpath = %self.mountpath.path.display(), error = %e, "flush failed: mountpath is suspect");
            Error::disk("flush", &e)
        })
    }

    fn ordered_journal(&self) -> bool {
        matches!(self.mountpath.file_system.kind, "ext4" | "xfs")
    }
}
