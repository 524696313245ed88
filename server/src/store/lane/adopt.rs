//! The file of an object, taken over into the index as it lies there.

use super::Lane;
use crate::error::Result;
use crate::store::entry::{BucketRef, Entry};
use crate::store::index_key::index_key;
use crate::store::meta::read_meta;
use crate::store::names;
use std::fs;
use std::path::Path;
use wire::lom::ObjectMeta;

/// The name of the object that a file beneath its bucket's directory is of, as the path says it, or where that is only a
/// digest, the metadata; `None` for a path that no object has.
pub(crate) fn name_of(mountpath: &Path, root: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root).ok()?.to_str()?;
    if !names::is_digest(relative) {
        return names::decode(relative);
    }
    let file = fs::File::open(path).ok()?;
    let name = read_meta(mountpath, &file).ok()??.name;
    (names::encode(&name) == relative).then_some(name)
}

/// The metadata of an object's file.
pub(crate) fn read_object(
    mountpath: &Path,
    path: &Path,
    name: &str,
    bucket: &BucketRef,
) -> Result<ObjectMeta, String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let meta = read_meta(mountpath, &file).map_err(|e| e.text)?.ok_or("it has no metadata")?;
    if meta.bucket_id != bucket.id || meta.bucket != bucket.bck() || meta.name != name {
        return Err(format!(
            "its metadata is that of {:?} in {} ({})",
            meta.name, meta.bucket, meta.bucket_id
        ));
    }
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    if size != meta.size {
        return Err(format!("it has {size} bytes, its metadata says {}", meta.size));
    }
    Ok(meta)
}

/// Puts a file's metadata into the index, unless something newer is there.
pub(crate) async fn adopt_file(lane: &Lane, meta: &ObjectMeta) -> Result<()> {
    let key = index_key(meta.bucket_id, &meta.name);
    let old = lane.lookup(&key).await?;
    if old.as_ref().is_none_or(|old| old.generation <= meta.generation) {
        let entry = Entry::of_file(meta, lane.mountpath_index)?;
        lane.publish(meta.bucket_id, &key, &entry, old.as_ref());
    }
    Ok(())
}
