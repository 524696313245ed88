//! Objects that are plain files: verified whole, and looked for on the disk.

use super::look::{TRIES, readable};
use super::{Check, Finding, digest_of};
use crate::error::{Error, Kind, Result};
use crate::store::BLOCK_BYTES;
use crate::store::disk::Disk;
use crate::store::entry::{BucketRef, Entry, Key};
use crate::store::index_key::parse_index_key;
use crate::store::lane::{Lane, Walk, name_of};
use crate::store::meta::read_meta;
use crate::store::mountpath::Mountpath;
use crate::store::open::OpenObject;
use crate::store::place::Place;
use crate::store::reader::Reader;
use crate::store::sidecar;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use uring::{OpenMode, Opened};
use wire::lom::{BlockCrcs, Generation, ObjectMeta};

/// A file with good metadata that the index does not know, or knows otherwise.
pub(super) struct Stray {
    pub(super) index_key: Vec<u8>,
    /// Beneath the mountpath.
    pub(super) path: String,
    pub(super) generation: Generation,
    /// The log says that it was deleted.
    pub(super) deleted: bool,
}

/// By mountpath and lane.
pub(super) type Strays = HashMap<(usize, u16), Vec<Stray>>;

impl Stray {
    /// Its metadata, if it is still the same file.
    pub(super) async fn still_there(&self, lane: &Lane) -> Result<Option<ObjectMeta>> {
        let path = lane.mountpath.path.join(&self.path);
        let meta = lane.disk.look(move |mountpath| Ok(meta_of(&mountpath.path, &path).ok())).await?;
        Ok(meta.filter(|meta| meta.generation == self.generation))
    }
}

impl Check<'_> {
    /// Verifies the file of an entry, until it is right or wrong for good.
    pub(super) async fn file(&self, lane: &Rc<Lane>, key: &[u8], mut entry: Entry) -> Result<()> {
        let Some((bucket_id, name)) = parse_index_key(key) else { return Ok(()) };
        let Some(name_key) = self.key(lane, bucket_id, name) else { return Ok(()) };
        self.count(|counts| counts.files += 1);
        for _ in 0..TRIES {
            lane.settled(&entry).await?;
            let wrong = self.wrong_with(&lane.disk, &name_key, Some(&entry)).await?;
            let Some(what) = wrong else { return Ok(()) };
            self.barrier(lane).await?;
            match lane.lookup(key).await? {
                Some(now) if digest_of(key, &now) != digest_of(key, &entry) && now.place.is_file() => {
                    entry = now
                }
                Some(now) if now.place.is_file() && self.store.is_alive(bucket_id) => {
                    // The file itself may have come to what the entry says since.
                    let Some(_) = self.wrong_with(&lane.disk, &name_key, Some(&entry)).await? else {
                        return Ok(());
                    };
                    self.found(lane, |finding| {
                        finding.file = Some(name_key.path());
                        finding.object = Some(self.object(bucket_id, name));
                        finding.what = what;
                    });
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Tells what is wrong with an object's file. The sidecar that it or its entry names is noted.
    async fn wrong_with(&self, disk: &Disk, key: &Key, expected: Option<&Entry>) -> Result<Option<String>> {
        let named = expected.and_then(Entry::sidecar).map(|id| (key.mountpath, id));
        self.sidecars.borrow_mut().extend(named);
        let path = key.path();
        let (meta, size_bytes) = match disk.look(move |mountpath| look_at(mountpath, &path)).await? {
            Ok(seen) => seen,
            Err(why) => return Ok(Some(why)),
        };
        let has_sidecar = match &meta.block_crcs {
            BlockCrcs::Sidecar { .. } => {
                self.sidecars.borrow_mut().push((key.mountpath, meta.generation));
                true
            }
            BlockCrcs::Inline(_) => false,
        };
        let there = Entry::from_meta(&meta, key.mountpath, Place::File { has_sidecar })?;
        let index_key = key.index_key();
        let same_name =
            (meta.bucket_id, &meta.bucket, &meta.name) == (key.bucket.id, &key.bucket.bck(), &key.name);
        if !same_name {
            return Ok(Some(format!(
                "its metadata are those of {:?} in {} ({})",
                meta.name, meta.bucket, meta.bucket_id
            )));
        }
        if expected.is_some_and(|entry| digest_of(&index_key, entry) != digest_of(&index_key, &there)) {
            return Ok(Some("the index says other than the metadata of its file".to_owned()));
        }
        if size_bytes != meta.size {
            return Ok(Some(format!("its file has {size_bytes} bytes, its metadata say {}", meta.size)));
        }
        Ok(readable(self.read_through(disk, key, &meta).await)?.err())
    }

    /// Reads a file whole.
    async fn read_through(&self, disk: &Disk, key: &Key, meta: &ObjectMeta) -> Result<()> {
        let (generation, crcs) = (meta.generation, meta.block_crcs.clone());
        let crcs = disk.look(move |mountpath| sidecar::load(mountpath, generation, crcs)).await?;
        if crcs.len() as u64 != meta.size.div_ceil(BLOCK_BYTES as u64) {
            return Err(Error::corrupt(format!("it has {} block checksums", crcs.len())));
        }
        let object = Rc::new(OpenObject::load(disk, key, meta.generation).await?);
        let mut reader = Reader::new(self.store.driver.clone(), object, 0..meta.size);
        loop {
            let len = match reader.next().await? {
                Some(piece) => piece.range.len(),
                None => return Ok(()),
            };
            // The piece is given back: nothing is held while this rests.
            self.advance(len as u64).await?;
        }
    }

    /// Walks through the buckets' directories and finds files that are not what an index says. Files of lanes without
    /// an index are verified here.
    pub(super) async fn walk(&self) -> Result<Strays> {
        let mut strays = Strays::new();
        for (at, disk) in self.store.disks.iter().enumerate() {
            for bucket in self.plan.buckets.values() {
                let mut walk = Walk::new(disk.mountpath().path.join(bucket.dir()).join("%ob"));
                loop {
                    let step = move |_: &Arc<Mountpath>| {
                        let files = walk.next_dir().map_err(|e| Error::disk("walk a mountpath", &e))?;
                        Ok((walk, files))
                    };
                    let files;
                    (walk, files) = disk.look(step).await?;
                    let Some(files) = files else { break };
                    for path in files {
                        self.walk_file(at, disk, bucket, &walk.root, &path, &mut strays).await?;
                    }
                    // The directories are many and cost nothing that is counted in bytes.
                    self.advance(4096).await?;
                }
            }
        }
        Ok(strays)
    }

    async fn walk_file(
        &self,
        at: usize,
        disk: &Disk,
        bucket: &Arc<BucketRef>,
        root: &Path,
        path: &Path,
        strays: &mut Strays,
    ) -> Result<()> {
        let mountpath = disk.mountpath();
        let shown = path.strip_prefix(&mountpath.path).unwrap_or(path).display().to_string();
        let tell = |lane: Option<u16>, what: String| {
            let finding = Finding::damaged(&mountpath.path, what);
            self.observer.found(Finding { lane, file: Some(shown.clone()), ..finding });
        };
        let Some(name) = name_of(&mountpath.path, root, path) else {
            // Each core would say so; the first lane speaks for all.
            if self.lane(at, 0).is_some() {
                tell(None, "it is no object: its path is no encoded name".to_owned());
            }
            return Ok(());
        };
        let digest = bucket.digest(&name);
        let Some(lane) = self.lane(at, placement::lane_of(digest, mountpath.lanes).get()) else {
            return Ok(());
        };
        let key = Key { bucket: Arc::clone(bucket), name, mountpath: at, lane: lane.number };
        let index_key = key.index_key();
        if !self.is_usable(lane) {
            self.count(|counts| counts.files += 1);
            let wrong = self.wrong_with(disk, &key, None).await?;
            wrong.into_iter().for_each(|what| tell(Some(lane.number), what));
            return Ok(());
        }
        match lane.lookup(&index_key).await {
            // It is verified with its entry.
            Ok(Some(entry)) if entry.place.is_file() => return Ok(()),
            Ok(_) => {}
            // The index has turned out to be damaged: that is told with the lane.
            Err(e) if e.kind == Kind::Rebuilding => return Ok(()),
            Err(e) => return Err(e),
        }
        let there = path.to_path_buf();
        let look = move |mountpath: &Arc<Mountpath>| {
            Ok(meta_of(&mountpath.path, &there).map_err(|why| (why, there.exists())))
        };
        match disk.look(look).await? {
            Ok(meta) if (meta.bucket_id, &meta.name) == (bucket.id, &key.name) => {
                let stray = Stray { index_key, path: shown, generation: meta.generation, deleted: false };
                strays.entry((at, lane.number)).or_default().push(stray);
            }
            Ok(meta) => tell(Some(lane.number), format!("its metadata are those of {:?}", meta.name)),
            // Removed since it was listed.
            Err((_, false)) => {}
            Err((why, true)) => tell(Some(lane.number), format!("it is no object that can be used: {why}")),
        }
        Ok(())
    }

    /// One of this core's lanes.
    fn lane(&self, mountpath: usize, number: u16) -> Option<&Rc<Lane>> {
        self.store.lanes.get(mountpath)?.get(usize::from(number))?.as_ref()
    }
}

/// The metadata of an object's file and its size; the inner error is a finding.
fn look_at(mountpath: &Mountpath, path: &str) -> Result<Result<(ObjectMeta, u64), String>> {
    let file = match Opened::open(mountpath.dir(), path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) => return Ok(Err(format!("its file cannot be opened: {e}"))),
    };
    let meta = match readable(read_meta(&mountpath.path, &file))? {
        Ok(Some(meta)) => meta,
        Ok(None) => return Ok(Err("its file has no metadata".to_owned())),
        Err(why) => return Ok(Err(why)),
    };
    let size_bytes = file.size_bytes().map_err(|e| Error::disk("look at a file", &e))?;
    Ok(Ok((meta, size_bytes)))
}

/// The metadata of a file.
fn meta_of(mountpath: &Path, path: &Path) -> Result<ObjectMeta, String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let meta = read_meta(mountpath, &file).map_err(|e| e.text)?;
    meta.ok_or_else(|| "it has no metadata".to_owned())
}
