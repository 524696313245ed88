//! Group commit: one round of writes and one flush for every change in flight on a file system.
//!
//! A round takes what has come in since the last one began: it writes the batches of the lanes' logs, then makes what
//! concerns plain files visible (a record is always written before its file is touched), then flushes once, and then
//! removes the files that are no longer wanted. Rounds follow each other without a pause, so that a lone change waits
//! for nothing and many share one flush.
//!
//! It rests on the single ordered journal of ext4 and XFS: a flush of the file that was changed last makes every earlier
//! change durable too (crash-tested). Which of many files that was cannot be told from outside, so the round changes one of
//! its own, the marker, and flushes that. On other file systems nothing is known of the order ([`super::ground`]): there
//! the logs are flushed before any file is touched, each file before it gets its name, and then the directories. So no
//! file has a name whose record could be lost, whatever its bucket's durability.
//!
//! A failed write or flush makes the mountpath suspect: the next flush may well succeed, but says nothing about the
//! pages that were lost. Everything that is under way then fails at once ([`Committer::fail`]): it is taken back from the
//! latest change to the earliest, so that reads go on from what was durable, and whoever waits is answered. A file that
//! was replaced has only been put aside until the flush; it is read there, and the next start gives it its name again
//! ([`super::displaced`]). Where a file system cannot exchange two names it is gone, and the change stays as it is.

use super::META_XATTR;
use super::after::{After, Deed, Pending, Took, Unlink};
use super::disk::Disk;
use super::ground::Reach;
use super::lane::Lane;
use super::mountpath::Mountpath;
use super::undo::Undo;
use crate::error::{Error, Result};
use crate::fault;
use futures_channel::oneshot;
use futures_util::future::{join_all, try_join_all};
use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use uring::sys;
use wire::api::bprops::Durability;

/// A change whose record is in its lane's batch.
struct Change {
    lane: Rc<Lane>,
    /// `None` once it is done.
    after: Option<After>,
    took: Took,
    undo: Option<Undo>,
    durability: Durability,
    /// `None` once it is answered.
    done: Option<oneshot::Sender<Result<()>>>,
}

/// The commit group of one mountpath on one core.
pub(crate) struct Committer {
    disk: Disk,
    mountpath: Arc<Mountpath>,
    /// Changed and flushed by each round.
    marker: Arc<OwnedFd>,
    waiting: RefCell<Vec<Change>>,
    wake: RefCell<Option<oneshot::Sender<()>>>,
    flushes: Cell<u64>,
    commits: Cell<u64>,
}

impl Committer {
    /// The commit group of a core; `core` names its marker.
    pub(crate) fn new(disk: Disk, core: usize) -> Result<Rc<Self>> {
        let mountpath = Arc::clone(disk.mountpath());
        let marker = mountpath.commit_marker(core).map_err(|e| Error::disk("open the commit marker", &e))?;
        Ok(Rc::new(Self {
            disk,
            mountpath,
            marker: Arc::new(marker),
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
    /// the answer is waited for; the answer comes when the change is as durable as asked for, or has failed and, if
    /// `undo` says how, has been taken back.
    pub(crate) fn join(
        &self,
        lane: &Rc<Lane>,
        after: After,
        undo: Option<Undo>,
        durability: Durability,
    ) -> impl Future<Output = Result<()>> + use<> {
        let (done, outcome) = oneshot::channel();
        self.waiting.borrow_mut().push(Change {
            lane: Rc::clone(lane),
            after: Some(after),
            took: Took::default(),
            undo,
            durability,
            done: Some(done),
        });
        if let Some(wake) = self.wake.take() {
            let _ = wake.send(());
        }
        async move { outcome.await.unwrap_or_else(|_| Err(Error::internal("the commit group has stopped"))) }
    }

    /// Returns when everything that was handed in before has taken effect or has failed.
    pub(crate) async fn barrier(&self, lane: &Rc<Lane>) -> Result<()> {
        self.join(lane, After::Nothing, None, Durability::None).await
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
            let other = self.wake.replace(Some(wake));
            let is_alone = other.is_none_or(|other| other.is_canceled());
            assert!(is_alone, "two tasks commit for one group, {} changes wait", self.waiting.borrow().len());
            if woken.await.is_err() {
                return;
            }
        }
    }

    async fn round(&self, group: Vec<Change>) {
        let group = RefCell::new(group);
        if !self.mountpath.is_suspect() {
            self.write_batches(&group).await;
        }
        let group = group.into_inner();
        // Another core may have met the failure.
        if self.mountpath.is_suspect() {
            return self.fail(group, &self.mountpath.refusal());
        }
        if let Err(why) = self.flush_logs(&group).await {
            return self.fail(group, &why);
        }
        let group = self.take_effect(group).await;
        fault::point("round-effective");
        self.make_durable(group).await;
    }

    /// Writes the batches of all lanes that have changes in the group, side by side. After a failure the group is empty.
    async fn write_batches(&self, group: &RefCell<Vec<Change>>) {
        let mut lanes: Vec<Rc<Lane>> = Vec::new();
        for change in group.borrow().iter() {
            if !lanes.iter().any(|lane| Rc::ptr_eq(lane, &change.lane)) {
                lanes.push(Rc::clone(&change.lane));
            }
        }
        let writes = lanes.into_iter().map(|lane| async move {
            match lane.write_batch().await {
                Ok(()) => {}
                // At once, before anybody else gets the core: nobody shall see the log broken and the index unaware.
                Err(e) => self.fail(group.take(), &self.mountpath.lost("write to the log", &e)),
            }
        });
        join_all(writes).await;
    }

    /// Has one helper do what the changes do besides their records, in their order; returns those that did not fail.
    async fn take_effect(&self, mut group: Vec<Change>) -> Vec<Change> {
        let (mut deeds, mut begun) = (Vec::new(), Vec::with_capacity(group.len()));
        for change in &mut group {
            let after = change.after.take().unwrap_or(After::Nothing);
            let parts = after.begin(&self.mountpath, change.durability);
            begun.push(parts.map(|(deed, pending)| (deed.map(|deed| deeds.push(deed)).is_some(), pending)));
        }
        let mut outcomes = self.do_deeds(deeds).await.into_iter();
        // From here on without a wait: whoever looks sees either none of it or all.
        let mut effective = Vec::with_capacity(group.len());
        let mut rest = VecDeque::from(group);
        for begun in begun {
            let Some(mut change) = rest.pop_front() else { break };
            let done = begun.and_then(|(has_deed, pending): (bool, Pending)| {
                let outcome = if has_deed { outcomes.next().unwrap_or_else(lost) } else { Ok(None) };
                outcome.map(|displaced| pending.done(displaced))
            });
            match done {
                Ok(took) => {
                    change.took = took;
                    effective.push(change);
                }
                Err(e) => {
                    self.take_back(&change, &mut rest);
                    change.answer(Err(e));
                }
            }
        }
        effective
    }

    async fn do_deeds(&self, deeds: Vec<Deed>) -> Vec<Result<Option<Unlink>>> {
        if deeds.is_empty() {
            return Vec::new();
        }
        let count = deeds.len();
        let work = move |mountpath: &Arc<Mountpath>| {
            Ok(deeds.into_iter().map(|deed| deed.run(mountpath)).collect::<Vec<_>>())
        };
        let outcomes = self.disk.change(work).await;
        let outcomes = outcomes.unwrap_or_else(|e| (0..count).map(|_| Err(e.clone())).collect());
        assert!(outcomes.len() == count, "{count} deeds have {} outcomes", outcomes.len());
        outcomes
    }

    /// Takes one change back that has failed alone. A later one of the same name may have been published on top of it.
    fn take_back(&self, change: &Change, rest: &mut VecDeque<Change>) {
        let Some(undo) = &change.undo else { return };
        let mut waiting = self.waiting.borrow_mut();
        let later = rest.iter_mut().chain(waiting.iter_mut());
        let mut later = later
            .filter(|later| Rc::ptr_eq(&later.lane, &change.lane))
            .filter_map(|later| later.undo.as_mut());
        change.lane.take_back(undo, later.find(|later| later.key == undo.key));
    }

    /// Fails all changes that are under way: takes them back, the latest first, and answers everybody.
    fn fail(&self, group: Vec<Change>, why: &Error) {
        let mut changes = group;
        changes.append(&mut self.waiting.borrow_mut());
        // Files that were to go and may have been renamed over instead.
        let unwanted: HashSet<String> = changes
            .iter()
            .filter_map(|change| change.took.unwanted.as_ref())
            .map(|u| u.path.clone())
            .collect();
        // Names that a change stands for which cannot be taken back: what came before it is not to be seen again.
        let mut standing: HashSet<(u16, Vec<u8>)> = HashSet::new();
        let mut files = Vec::new();
        for change in changes.iter_mut().rev() {
            change.lane.log.fail(why);
            let stands = change.stands(&unwanted);
            let Some(undo) = change.undo.take() else { continue };
            if stands {
                standing.insert((change.lane.number, undo.key));
            } else if standing.is_empty() || !standing.contains(&(change.lane.number, undo.key.clone())) {
                change.lane.take_back(&undo, None);
                // It may come back with the next start if it cannot be removed now. One that has put another aside stays
                // until that start, which gives the other its name again.
                if change.took.displaced.is_none() {
                    files.extend(change.took.renamed.take());
                }
            }
        }
        files.extend(changes.iter().flat_map(Change::files));
        if !files.is_empty() {
            self.mountpath.remove_later(files);
        }
        for mut change in changes {
            change.answer(Err(why.clone()));
        }
    }

    async fn make_durable(&self, mut group: Vec<Change>) {
        let unflushed = |change: &&mut Change| change.durability == Durability::None;
        group.iter_mut().filter(unflushed).for_each(|change| change.answer(Ok(())));
        let flushed = self.flush_all(&group).await;
        // Another core's failure may have taken pages of ours with it.
        let suspect = || self.mountpath.is_suspect().then(|| self.mountpath.refusal());
        if let Some(why) = flushed.err().or_else(suspect) {
            return self.fail(group, &why);
        }
        self.remove_unwanted(&mut group).await;
        group.iter_mut().for_each(|change| change.answer(Ok(())));
    }

    /// Removes files whose records say that they are gone, unless a later change has put another one in their place.
    async fn remove_unwanted(&self, group: &mut [Change]) {
        let mut renamed: HashSet<&str> = HashSet::new();
        let (mut files, mut sidecars) = (Vec::new(), Vec::new());
        for Change { took: Took { renamed: name, unwanted, displaced, .. }, .. } in group.iter_mut().rev() {
            renamed.extend(name.as_deref());
            files.extend(displaced.take());
            match unwanted.take() {
                Some(unlink) if renamed.contains(unlink.path.as_str()) => sidecars.push(unlink),
                Some(unlink) => files.push(unlink),
                None => {}
            }
        }
        if files.is_empty() && sidecars.is_empty() {
            return;
        }
        let remove = move |mountpath: &Arc<Mountpath>| {
            files.iter().for_each(|unlink: &Unlink| unlink.run_or_leave(mountpath));
            sidecars.iter().for_each(|unlink: &Unlink| unlink.remove_sidecar(mountpath));
            Ok(())
        };
        if let Err(e) = self.disk.change(remove).await {
            tracing::error!(error = %e, "files that are no longer wanted are left in place");
        }
    }

    /// One flush for all that share one, and one for each that wants its own.
    async fn flush_all(&self, group: &[Change]) -> Result<()> {
        let of = |wanted| group.iter().filter(move |change| change.durability == wanted);
        self.flush_group(&of(Durability::Group).collect::<Vec<_>>()).await?;
        for change in of(Durability::Always) {
            self.flush_group(&[change]).await?;
        }
        Ok(())
    }

    async fn flush_group(&self, group: &[&Change]) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        self.commits.set(self.commits.get() + group.len() as u64);
        match self.mountpath.ground.reach {
            Reach::OrderedJournal | Reach::Nothing => self.flush_marker().await,
            // The log has been flushed, and each file with its name.
            Reach::EachFile => Ok(()),
            Reach::WholeFileSystem => self.flush_file_system().await,
        }
    }

    /// Flushes the logs on which a group rests, where that is not left to the end of the round.
    async fn flush_logs(&self, group: &[Change]) -> Result<()> {
        let ends_with_all = match self.mountpath.ground.reach {
            Reach::OrderedJournal | Reach::Nothing => return Ok(()),
            Reach::EachFile => false,
            Reach::WholeFileSystem => true,
        };
        // A file must not come before its record.
        let has_file = |change: &Change| !matches!(change.after, Some(After::Nothing) | None);
        let rests_on_it =
            |change: &&Change| has_file(change) || (change.durability != Durability::None && !ends_with_all);
        let mut lanes: Vec<&Rc<Lane>> = Vec::new();
        for change in group.iter().filter(rests_on_it) {
            if !lanes.iter().any(|lane| Rc::ptr_eq(lane, &change.lane)) {
                lanes.push(&change.lane);
            }
        }
        // Side by side: the disk makes one flush of many that come together.
        let flushes = lanes.iter().flat_map(|lane| lane.take_unflushed()).map(|file| async move {
            let file = file.try_clone().map_err(|e| self.mountpath.lost("flush", &e))?;
            self.flush(|| Ok(file)).await
        });
        try_join_all(flushes).await.map(drop)
    }

    /// Makes what a start has found durable: a later power cut must not take it away.
    pub(crate) async fn flush_found(&self) -> Result<()> {
        if !self.mountpath.flushes_each() {
            return self.flush_marker().await;
        }
        self.flush_file_system().await
    }

    async fn flush_file_system(&self) -> Result<()> {
        self.flushes.set(self.flushes.get() + 1);
        let flush = |mountpath: &Arc<Mountpath>| {
            let flushed = rustix::fs::syncfs(mountpath.dir()).map_err(io::Error::from);
            let flushed = flushed.and_then(|()| uring::fault::step("round-flush"));
            flushed.map_err(|e| mountpath.lost("flush the file system", &e))
        };
        self.disk.change(flush).await
    }

    /// Makes everything durable that was changed on the file system before.
    async fn flush_marker(&self) -> Result<()> {
        let marker = Arc::clone(&self.marker);
        let touch = move || {
            uring::fault::step("round-touch").and_then(|()| sys::touch(marker.as_fd())).map(|()| marker)
        };
        self.flush(touch).await
    }

    /// Flushes the file that `file` comes to, all of it at one hand-over.
    async fn flush<F: AsFd>(&self, file: impl FnOnce() -> io::Result<F> + Send + 'static) -> Result<()> {
        self.flushes.set(self.flushes.get() + 1);
        let flush = move |mountpath: &Arc<Mountpath>| {
            let flushed = file().and_then(|file| sys::flush(file.as_fd()).map(|()| file));
            fault::point("round-durable");
            // XFS may report success for a flush that it shut down under, and always does for one of a directory after
            // that (crash-tested). Reading an attribute tells: it fails from then on, and costs nothing next to a flush.
            let outcome = flushed
                .and_then(|file| uring::fault::step("round-flush").map(|()| file))
                .and_then(|file| sys::get_xattr(file.as_fd(), META_XATTR).map(drop));
            outcome.map_err(|e| mountpath.lost("flush", &e))
        };
        self.disk.change(flush).await
    }
}

impl Change {
    /// True if it has been promised, or has replaced a file that cannot come back.
    fn stands(&self, unwanted: &HashSet<String>) -> bool {
        let was_file =
            self.undo.as_ref().and_then(|undo| undo.old.as_ref()).is_some_and(|old| old.place.is_file());
        let replaced = |path: &String| was_file || unwanted.contains(path);
        let has_lost = self.took.displaced.is_none() && self.took.renamed.as_ref().is_some_and(replaced);
        self.done.is_none() || has_lost
    }

    /// Files that were made for it and are not in place yet.
    fn files(&self) -> Vec<String> {
        self.after.as_ref().map(After::files).unwrap_or_default()
    }

    fn answer(&mut self, outcome: Result<()>) {
        if let Some(done) = self.done.take() {
            // A client that has gone away waits for nothing.
            let _ = done.send(outcome);
        }
    }
}

fn lost() -> Result<Option<Unlink>> {
    Err(Error::internal("a helper has lost what it was to do"))
}
