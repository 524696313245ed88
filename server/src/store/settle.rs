//! A start decides about files that have been put aside: which of two of one name is the object.

use super::entry::{BucketRef, Entry, Key};
use super::index_key::index_key;
use super::lane::{Buckets, Lane};
use super::mountpath::Mountpath;
use super::{BLOCK_BYTES, names, sidecar};
use crate::error::{Error, Result};
use crate::store::mountpath::Displaced;
use std::cmp::Reverse;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;
use uring::sys;
use wire::cksum::crc32c;

/// Blocks of a file that are read to tell whether its bytes are right: 256 MiB at most, spread over it. More would hold up a start.
const BLOCKS_LOOKED_AT: usize = 4096;

/// Decides about the displaced files of a lane whose index is up to date with its log. Returns how many were removed.
///
/// # Errors
/// An error of the disk.
pub(crate) async fn settle(lane: &Rc<Lane>, mut files: Vec<Displaced>, buckets: &Buckets) -> Result<usize> {
    // Of several versions of one name the latest that is right counts.
    files.sort_by_key(|file| Reverse(file.meta.generation));
    let (mut removed, mut has_restored) = (0, false);
    for file in files {
        lane.ledger.borrow_mut().note_generation(file.meta.generation);
        let Some(bucket) = buckets.get(&file.meta.bucket_id) else { continue };
        if counts(lane, &file, bucket).await? {
            restore(lane, &file, bucket).await?;
            has_restored = true;
        } else {
            let path = key_of(lane, &file, bucket).path();
            let in_place = Displaced::at(&lane.mountpath, path);
            match in_place.is_some_and(|in_place| in_place.meta.generation == file.meta.generation) {
                true => file.remove_twin(&lane.mountpath),
                false => file.remove(&lane.mountpath),
            }
            removed += 1;
        }
    }
    if has_restored {
        // The log goes on saying what it says; the index is the one that knows better.
        lane.first_checkpoint().await?;
    }
    Ok(removed)
}

/// True if a displaced file is what its name stands for.
async fn counts(lane: &Rc<Lane>, file: &Displaced, bucket: &Arc<BucketRef>) -> Result<bool> {
    let key = index_key(file.meta.bucket_id, &file.meta.name);
    let known = lane.lookup(&key).await?.filter(|known| known.place.is_file());
    let Some(known) = known else { return Ok(false) };
    let path = key_of(lane, file, bucket).path();
    let in_place = Displaced::at(&lane.mountpath, path).filter(|f| f.meta.generation == known.generation);
    Ok(match in_place {
        _ if known.generation < file.meta.generation => false,
        Some(in_place) => known.generation > file.meta.generation && !is_whole(&lane.mountpath, &in_place),
        None => true,
    } && is_whole(&lane.mountpath, file))
}

/// Gives a displaced file its name again, and has the index say so.
async fn restore(lane: &Rc<Lane>, file: &Displaced, bucket: &Arc<BucketRef>) -> Result<()> {
    let path = key_of(lane, file, bucket).path();
    let fail = |e: io::Error| lane.mountpath.failed("give a file its name again", &e);
    sys::make_dirs_beneath(lane.mountpath.dir(), names::parent(&path)).map_err(fail)?;
    sys::rename_beneath(lane.mountpath.dir(), &file.path, &path).map_err(fail)?;
    let key = index_key(file.meta.bucket_id, &file.meta.name);
    let old = lane.lookup(&key).await?;
    let entry = Entry::of_file(&file.meta, lane.mountpath_index)?;
    lane.publish(file.meta.bucket_id, &key, &entry, old.as_ref());
    tracing::warn!(
        bucket = bucket.name,
        object = file.meta.name,
        version = file.meta.version,
        "a version that was put aside is the object again: the one that came after it is not whole"
    );
    Ok(())
}

fn key_of(lane: &Lane, file: &Displaced, bucket: &Arc<BucketRef>) -> Key {
    let name = file.meta.name.clone();
    Key { bucket: Arc::clone(bucket), name, mountpath: lane.mountpath_index, lane: lane.number }
}

/// True if the bytes of a file are those that were written. One that cannot be read is not whole.
fn is_whole(mountpath: &Mountpath, file: &Displaced) -> bool {
    let look = || -> Result<()> {
        let crcs = sidecar::load(mountpath, file.meta.generation, file.meta.block_crcs.clone())?;
        let disk = |e: io::Error| Error::disk("read a file", &e);
        let opened = fs::File::open(mountpath.path.join(&file.path)).map_err(disk)?;
        let size_bytes = opened.metadata().map_err(disk)?.len();
        let blocks = file.meta.size.div_ceil(BLOCK_BYTES as u64);
        if size_bytes != file.meta.size || crcs.len() as u64 != blocks {
            return Err(Error::corrupt("its size is not the one that was written"));
        }
        let mut block = vec![0; BLOCK_BYTES];
        for (at, crc) in crcs.iter().enumerate().step_by(crcs.len().div_ceil(BLOCKS_LOOKED_AT).max(1)) {
            let offset = (at * BLOCK_BYTES) as u64;
            let len = (size_bytes - offset).min(BLOCK_BYTES as u64) as usize;
            let bytes = block.get_mut(..len).unwrap_or_default();
            opened.read_exact_at(bytes, offset).map_err(disk)?;
            if crc32c(bytes) != *crc {
                return Err(Error::corrupt(format!("block {at} does not match its checksum")));
            }
        }
        Ok(())
    };
    let outcome = look();
    outcome.inspect_err(|why| tracing::warn!(path = file.path, %why, "a file is not whole")).is_ok()
}
