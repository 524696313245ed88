//! A directory that holds objects, and the file that says whose it is.

use super::entry::BucketRef;
use super::formatting::{
    FormatRequest, Identity, is_there, parse_identity, read_or_format, refuse_held, require_dirs,
    require_lanes,
};
use super::ground::{Ground, Reach};
use super::names;
use super::probe::{Abilities, probe};
use crate::error::{Error, Kind};
use crate::store::layout::{BEGUN_DIR, LANES_DIR, PRIVATE_DIR, SIDECAR_DIR, TRASH_DIR, WORK_DIR};
use crate::store::layout::{IDENTITY, lane_dir, provider_dirs};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use uring::{Helpers, sys};
use wire::lom::ObjectMeta;

/// Helper threads of a mountpath beside one for each CPU that looks, and two that change: a round and the upkeep of every
/// core may flush at a time, and short calls must still find one.
const HELPERS_SPARE: usize = 4;

/// An open mountpath. Shared by all cores: nothing in it changes but what is known of its health.
#[derive(Debug)]
pub(crate) struct Mountpath {
    /// The identity that is written on it: names are placed by that.
    pub(crate) id: String,
    /// A digest of its target's id, as generations name the node.
    pub(crate) node: u64,
    /// AIStore's, from the settings.
    pub(crate) label: String,
    pub(crate) path: PathBuf,
    pub(crate) file_system: sys::FileSystem,
    pub(crate) ground: Ground,
    pub(crate) abilities: Abilities,
    pub(crate) lanes: u16,
    dir: OwnedFd,
    /// The first failure that took away the trust in what is written here.
    suspect: OnceLock<String>,
    errors: AtomicU64,
    lookers: Helpers,
    changers: Helpers,
    available_bytes: AtomicU64,
    /// Lanes whose index is being made anew, each with the reason.
    lost_lanes: Mutex<BTreeMap<u16, String>>,
    /// Complete files that the sweep has found under no name, until the lanes have decided about theirs.
    displaced: Mutex<Vec<Displaced>>,
    // Held for as long as this process uses the mountpath.
    _lock: fs::File,
}

impl Mountpath {
    /// Opens a mountpath, marking an empty directory as ours.
    ///
    /// Refused: a directory of another node or another format, one in use by another process, one that holds objects but
    /// has lost its identity (formatting it could hide them), one with an identity that has lost what holds objects, one
    /// that is another mountpath than was asked for, and a file system that cannot do what is needed.
    pub(crate) fn open(path: &Path, request: &FormatRequest<'_>) -> io::Result<Self> {
        let refuse = |e: io::Error| io::Error::new(e.kind(), format!("mountpath {}: {e}", path.display()));
        fs::create_dir_all(path).map_err(refuse)?;
        let path = path.canonicalize().map_err(refuse)?;
        let dir = sys::open_dir(&path).map_err(refuse)?;
        let file_system = sys::file_system(dir.as_fd()).map_err(refuse)?;
        let ground = Ground::of(dir.as_fd(), file_system.kind, file_system.device).map_err(refuse)?;
        let fs_type = ground.fs_type.clone();
        let refuse =
            |e: io::Error| io::Error::new(e.kind(), format!("mountpath {} ({fs_type}): {e}", path.display()));
        let lock = make_ready(&path).map_err(refuse)?;
        let abilities = probe(dir.as_fd(), file_system.available_bytes).map_err(refuse)?;
        let identity = read_or_format(&path, request).map_err(refuse)?;
        require_lanes(&path, identity.lanes).map_err(refuse)?;
        identity.require(request).map_err(refuse)?;
        Self::assemble(path.clone(), &identity, (file_system, ground, abilities), dir, lock)
    }

    fn assemble(
        path: PathBuf,
        identity: &Identity,
        (file_system, ground, abilities): (sys::FileSystem, Ground, Abilities),
        dir: OwnedFd,
        lock: fs::File,
    ) -> io::Result<Self> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            id: identity.mountpath_id.clone(),
            node: placement::digest(identity.target_id.as_bytes()),
            label: String::new(),
            suspect: OnceLock::new(),
            errors: AtomicU64::new(0),
            lookers: Helpers::new("look", cpus + HELPERS_SPARE)?,
            changers: Helpers::new("change", 2 * cpus + HELPERS_SPARE)?,
            available_bytes: AtomicU64::new(file_system.available_bytes),
            lost_lanes: Mutex::default(),
            displaced: Mutex::default(),
            path,
            file_system,
            ground,
            abilities,
            lanes: identity.lanes,
            dir,
            _lock: lock,
        })
    }

    /// With AIStore's label.
    pub(crate) fn with_label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    /// True if each file and directory that a change rests on has to be flushed, because their order is not known.
    pub(crate) fn flushes_each(&self) -> bool {
        matches!(self.ground.reach, Reach::EachFile | Reach::WholeFileSystem)
    }

    /// Makes the names in a directory durable, where that takes a flush of their own.
    pub(crate) fn flush_dir(&self, path: &str) -> io::Result<()> {
        if !self.flushes_each() {
            return Ok(());
        }
        sys::flush(sys::open_dir_beneath(self.dir(), path)?.as_fd())
    }

    /// The same for the name at a path, and for the directories that lead to it.
    pub(crate) fn flush_name(&self, path: &str) -> io::Result<()> {
        let mut rest = path;
        while let Some((above, _)) = rest.rsplit_once('/') {
            self.flush_dir(above)?;
            rest = above;
        }
        Ok(())
    }

    /// Bytes that a lane may hold without having a use for them: allocated ahead, or out of use and not yet reclaimed.
    /// All lanes together then hold a small part of a small file system.
    pub(crate) fn slack_bytes(&self) -> u64 {
        const SHARE: u64 = 256;
        let share = self.file_system.total_bytes / u64::from(self.lanes.max(1)) / SHARE;
        share.clamp(64 << 10, 8 << 20)
    }

    /// Bytes that may be written before the file system is full.
    pub(crate) fn available_bytes(&self) -> io::Result<u64> {
        Ok(self.space()?.available_bytes)
    }

    /// The same when it was looked at last.
    pub(crate) fn last_available_bytes(&self) -> u64 {
        self.available_bytes.load(Ordering::Relaxed)
    }

    /// The file system as it is now.
    pub(crate) fn space(&self) -> io::Result<sys::FileSystem> {
        let now = sys::file_system(self.dir.as_fd())?;
        self.available_bytes.store(now.available_bytes, Ordering::Relaxed);
        Ok(now)
    }

    /// Opens a mountpath of a cluster for a tool. Unlike a start, this makes none and changes nothing.
    ///
    /// # Errors
    /// `ResourceBusy` when another process uses it; a text for what is no mountpath, or one of another cluster.
    pub(crate) fn open_existing(path: &Path, cluster_id: &str) -> io::Result<Self> {
        let refuse = |why: String| io::Error::other(format!("mountpath {}: {why}", path.display()));
        let bytes = fs::read(path.join(IDENTITY)).map_err(|e| refuse(format!("{IDENTITY}: {e}")))?;
        let identity = parse_identity(&bytes).map_err(|e| refuse(e.to_string()))?;
        if identity.cluster_id != cluster_id {
            return Err(refuse(format!(
                "it belongs to cluster {}, not to {cluster_id}",
                identity.cluster_id
            )));
        }
        let path = path.canonicalize()?;
        let lock = path.join(PRIVATE_DIR).join("lock");
        let lock = fs::File::open(&lock).or_else(|_| fs::File::create(&lock))?;
        if !sys::try_lock(&lock)? {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                refuse("another process uses it".to_owned()),
            ));
        }
        let dir = sys::open_dir(&path)?;
        let file_system = sys::file_system(dir.as_fd())?;
        let ground = Ground::of(dir.as_fd(), file_system.kind, file_system.device)?;
        Self::assemble(path, &identity, (file_system, ground, Abilities::ALL), dir, lock)
    }

    /// The directory that all paths are relative to.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The threads that make the calls that may wait for this disk and change nothing.
    pub(crate) fn lookers(&self) -> &Helpers {
        &self.lookers
    }

    /// The threads that make the calls that change something.
    pub(crate) fn changers(&self) -> &Helpers {
        &self.changers
    }

    /// Has files removed that nobody wants any more. What cannot be removed now is swept at the next start.
    pub(crate) fn remove_later(self: &Arc<Self>, paths: impl IntoIterator<Item = String> + Send + 'static) {
        let mountpath = Arc::clone(self);
        self.changers.post(move || {
            for path in paths {
                let _ = sys::unlink_beneath(mountpath.dir(), &path);
            }
        });
    }

    /// The file that a core's commit rounds change and flush.
    pub(crate) fn commit_marker(&self, core: usize) -> io::Result<OwnedFd> {
        let path = self.path.join(PRIVATE_DIR).join(format!("commit-{core}"));
        Ok(fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?.into())
    }

    /// After a failed write or flush nothing written here can be trusted to be durable: from now on it is only read.
    pub(crate) fn mark_suspect(&self, why: &Error) {
        if self.suspect.set(why.text.clone()).is_ok() {
            let path = self.path.display();
            tracing::error!(mountpath = %path, why = why.text, "the mountpath is suspect: it takes no more changes");
        }
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.get().is_some()
    }

    /// The failure that it is suspected for, if it is.
    pub(crate) fn suspicion(&self) -> Option<&str> {
        self.suspect.get().map(String::as_str)
    }

    /// Errors of the disk so far.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The answer to a change that comes after a failure.
    pub(crate) fn refusal(&self) -> Error {
        let why = self.suspicion().unwrap_or("a failure");
        let text = format!("mountpath {} takes no changes after a failure: {why}", self.path.display());
        Error { kind: Kind::Io, ..Error::internal(text) }
    }

    /// A step of a change that failed. One that says that the disk itself fails makes the mountpath suspect; one for
    /// want of room or of descriptors only fails the change.
    pub(crate) fn failed(&self, doing: &str, error: &io::Error) -> Error {
        self.note(Error::disk(&format!("mountpath {}: {doing}", self.path.display()), error), error)
    }

    /// The same for an error of the index.
    pub(crate) fn index_failed(&self, error: lsm::Error) -> Error {
        let path = self.path.display();
        match error {
            lsm::Error::Io { doing, error } => self.failed(&doing, &error),
            other => {
                let error = Error::from(other);
                Error { text: format!("mountpath {path}: {}", error.text), ..error }
            }
        }
    }

    /// A write or flush after which it is not known what of it is on the disk.
    pub(crate) fn lost(&self, doing: &str, error: &io::Error) -> Error {
        let error = self.failed(doing, error);
        self.mark_suspect(&error);
        error
    }

    fn note(&self, error: Error, cause: &io::Error) -> Error {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if is_of_the_disk(cause) {
            self.mark_suspect(&error);
        }
        error
    }

    /// The index of a lane is damaged, and the lane answers nothing until it has been made anew.
    pub(crate) fn note_lost(&self, lane: u16, why: &str) {
        self.lanes_lost().insert(lane, why.to_owned());
    }

    /// The index of a lane has been made anew.
    pub(crate) fn note_found(&self, lane: u16) {
        let why = self.lanes_lost().remove(&lane);
        assert!(why.is_some(), "the index of lane {lane} has been made anew, and was not lost");
    }

    /// Lanes whose index is being made anew, each with the reason.
    pub(crate) fn lost_lanes(&self) -> Vec<(u16, String)> {
        self.lanes_lost().iter().map(|(lane, why)| (*lane, why.clone())).collect()
    }

    /// Complete files under no name, of those that the sweep has found.
    pub(crate) fn take_displaced(&self, mut is_wanted: impl FnMut(&Displaced) -> bool) -> Vec<Displaced> {
        self.displaced().extract_if(.., |file| is_wanted(file)).collect()
    }

    pub(super) fn displaced(&self) -> MutexGuard<'_, Vec<Displaced>> {
        // Nothing can be left half-changed in here.
        self.displaced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory of a lane.
    pub(crate) fn lane_path(&self, lane: u16) -> PathBuf {
        self.path.join(lane_dir(lane))
    }

    fn lanes_lost(&self) -> MutexGuard<'_, BTreeMap<u16, String>> {
        // Nothing can be left half-changed in here.
        self.lost_lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a bucket's directory out of sight, to be removed at leisure. A bucket without objects has none.
    pub(crate) fn trash_bucket(&self, bucket: &BucketRef) -> io::Result<Option<PathBuf>> {
        let trash = format!("{TRASH_DIR}/{}-{}", bucket.name, bucket.id);
        let moved = uring::fault::step("bucket-trash")
            .and_then(|()| sys::rename_beneath(self.dir(), &bucket.dir(), &trash))
            .and_then(|()| self.flush_dir(TRASH_DIR))
            .and_then(|()| self.flush_dir(names::parent(&bucket.dir())));
        match moved {
            Ok(()) => Ok(Some(self.path.join(trash))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// A complete file that does not have its object's name.
#[derive(Debug)]
pub(crate) struct Displaced {
    /// Beneath the mountpath.
    pub(crate) path: String,
    pub(crate) meta: ObjectMeta,
}

/// Makes the directories that are missing, of a mountpath that has no identity yet, and keeps other processes out.
fn make_ready(path: &Path) -> io::Result<fs::File> {
    let tried = |what: &str, e: io::Error| io::Error::new(e.kind(), format!("it cannot {what}: {e}"));
    if is_there(&path.join(IDENTITY))? {
        require_dirs(path)?;
    } else {
        refuse_held(path)?;
    }
    let own = [PRIVATE_DIR, WORK_DIR, SIDECAR_DIR, BEGUN_DIR, TRASH_DIR, LANES_DIR].map(str::to_owned);
    for dir in own.into_iter().chain(provider_dirs()) {
        fs::create_dir_all(path.join(dir)).map_err(|e| tried("make a directory", e))?;
    }
    let lock = fs::File::create(path.join(PRIVATE_DIR).join("lock")).map_err(|e| tried("make a file", e))?;
    match sys::try_lock(&lock)? {
        true => Ok(lock),
        false => Err(io::Error::other("another process uses it")),
    }
}

/// True if an error says that the disk or its file system does not work, rather than that something is used up.
fn is_of_the_disk(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let of_the_disk = [
        Errno::IO,
        Errno::ROFS,
        Errno::NXIO,
        Errno::NODEV,
        Errno::UCLEAN,
        Errno::SHUTDOWN,
        Errno::REMOTEIO,
        Errno::NOMEDIUM,
        Errno::TIMEDOUT,
        Errno::NOLINK,
        Errno::BADMSG,
    ];
    error.raw_os_error().is_some_and(|raw| of_the_disk.iter().any(|errno| errno.raw_os_error() == raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::formatting::FORMAT;

    fn request(target: &str) -> FormatRequest<'_> {
        FormatRequest {
            mountpath_id: "mp123456789".to_owned(),
            target_id: target,
            cluster_id: "c1",
            lanes: 16,
        }
    }

    /// Beside the test's own binary: on a disk that can do direct I/O, which a temporary directory need not be.
    fn directory() -> tempfile::TempDir {
        tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap()
    }

    #[test]
    fn a_mountpath_knows_its_target() {
        let dir = directory();
        drop(Mountpath::open(dir.path(), &request("t1")).unwrap());
        assert_eq!(Mountpath::open(dir.path(), &request("t1")).unwrap().lanes, 16);
        let refused = Mountpath::open(dir.path(), &request("t2")).unwrap_err();
        assert!(refused.to_string().contains("belongs to target t1"), "{refused}");
    }

    #[test]
    fn another_format_is_refused() {
        let dir = directory();
        drop(Mountpath::open(dir.path(), &request("t1")).unwrap());
        let identity = dir.path().join(IDENTITY);
        let text = fs::read_to_string(&identity).unwrap();
        for (format, way) in
            [(1, "`aisnode store export`"), (FORMAT - 1, "PUT"), (FORMAT + 1, "a later version")]
        {
            let other = text.replace(&format!("\"format\": {FORMAT}"), &format!("\"format\": {format}"));
            assert_ne!(other, text);
            fs::write(&identity, other).unwrap();
            let refused = Mountpath::open(dir.path(), &request("t1")).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("its format is {format}")) && refused.contains(way),
                "{refused}"
            );
        }
        assert!(Mountpath::open_existing(dir.path(), "c1").is_err());
    }

    #[test]
    fn another_mountpath_than_was_asked_for_is_refused() {
        let dir = directory();
        drop(Mountpath::open(dir.path(), &request("t1")).unwrap());
        let other = FormatRequest { mountpath_id: "another".to_owned(), ..request("t1") };
        let refused = Mountpath::open(dir.path(), &other).unwrap_err().to_string();
        assert!(refused.contains("it is mountpath mp123456789, not another"), "{refused}");
    }

    #[test]
    fn two_processes_cannot_share_one() {
        let dir = directory();
        let _first = Mountpath::open(dir.path(), &request("t1")).unwrap();
        assert!(Mountpath::open(dir.path(), &request("t1")).is_err());
    }

    #[test]
    fn objects_without_identity_are_not_formatted_over() {
        let dir = directory();
        fs::create_dir_all(dir.path().join("@ais/bucket")).unwrap();
        assert!(Mountpath::open(dir.path(), &request("t1")).is_err());
    }
}
