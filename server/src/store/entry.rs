//! An object as the index knows it.

use super::lane::segment_path;
use super::names;
use super::place::Place;
use std::cell::Cell;
use std::sync::Arc;
use wire::api::custom;
use wire::cksum::CksumType;
use wire::lom::{BlockCrcs, ObjectMeta};

/// A bucket as the store sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketRef {
    /// Never reused, so that a bucket made anew under an old name does not see old objects.
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl BucketRef {
    /// Its directory beneath a mountpath.
    pub(crate) fn dir(&self) -> String {
        format!("@ais/{}", self.name)
    }
}

/// Which object, and on which mountpath it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) bucket: Arc<BucketRef>,
    pub(crate) name: String,
    pub(crate) mountpath: usize,
    /// The lane of that mountpath.
    pub(crate) lane: u16,
}

/// What an object is called in an index: ordered by bucket, then by name.
pub(crate) fn index_key(bucket_id: u64, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(size_of::<u64>() + name.len());
    key.extend_from_slice(&bucket_id.to_be_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

/// The bucket and the name that an index key stands for.
pub(crate) fn parse_index_key(key: &[u8]) -> Option<(u64, &str)> {
    let (bucket, name) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*bucket), str::from_utf8(name).ok()?))
}

impl Key {
    /// Its key in the index of its lane.
    pub(crate) fn index_key(&self) -> Vec<u8> {
        index_key(self.bucket.id, &self.name)
    }

    /// Path, beneath its mountpath, of the file that holds the object's bytes.
    pub(crate) fn location(&self, entry: &Entry) -> String {
        match &entry.place {
            Place::File { .. } => self.path(),
            Place::Segment(extent) => segment_path(self.lane, extent.segment),
        }
    }

    /// Path of the object's file beneath its mountpath.
    pub(crate) fn path(&self) -> String {
        format!("{}/%ob/{}", self.bucket.dir(), names::encode(&self.name))
    }
}

/// An object's metadata in memory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) size_bytes: u64,
    /// Counts the writes of this name; what clients see as the version.
    pub(crate) version: u64,
    /// Unique for each written object on this node; keys the caches.
    pub(crate) generation: u64,
    pub(crate) mtime_ns: i64,
    /// Kept in memory only: a read must not cost a write.
    pub(crate) atime_ns: Cell<i64>,
    pub(crate) cksum_type: CksumType,
    pub(crate) cksum_value: Box<str>,
    pub(crate) custom: Box<[(String, String)]>,
    /// The mountpath that it lies on.
    pub(crate) mountpath: usize,
    /// Its bytes.
    pub(crate) place: Place,
}

impl Entry {
    pub(crate) fn from_meta(meta: &ObjectMeta, mountpath: usize, place: Place) -> Self {
        Self {
            size_bytes: meta.size,
            version: meta.version,
            generation: meta.generation,
            mtime_ns: meta.mtime_ns,
            atime_ns: Cell::new(meta.atime_ns),
            cksum_type: meta.cksum_type,
            cksum_value: meta.cksum_value.as_str().into(),
            custom: meta.custom.clone().into_boxed_slice(),
            mountpath,
            place,
        }
    }

    /// The entry of an object that is a plain file, from the metadata on it.
    pub(crate) fn of_file(meta: &ObjectMeta, mountpath: usize) -> Self {
        let has_sidecar = matches!(meta.block_crcs, BlockCrcs::Sidecar { .. });
        Self::from_meta(meta, mountpath, Place::File { has_sidecar })
    }

    /// The durable form.
    pub(crate) fn to_meta(&self, key: &Key, block_crcs: BlockCrcs) -> ObjectMeta {
        ObjectMeta {
            size: self.size_bytes,
            version: self.version,
            generation: self.generation,
            atime_ns: self.atime_ns.get(),
            mtime_ns: self.mtime_ns,
            cksum_type: self.cksum_type,
            cksum_value: self.cksum_value.to_string(),
            custom: self.custom.to_vec(),
            name: key.name.clone(),
            bucket_id: key.bucket.id,
            block_crcs,
        }
    }

    /// The entity tag without quotes: the one a client has stored, else what is unique for each write.
    pub(crate) fn etag(&self) -> String {
        let own = custom::get(&self.custom, "ETag").map(|tag| tag.trim_matches('"').to_owned());
        own.unwrap_or_else(|| format!("{:016x}", self.generation))
    }

    /// Seconds since 1970 of the last write.
    pub(crate) fn modified_s(&self) -> i64 {
        self.mtime_ns.div_euclid(1_000_000_000)
    }

    /// The generation that names its sidecar, if it has one.
    pub(crate) fn sidecar(&self) -> Option<u64> {
        matches!(self.place, Place::File { has_sidecar: true }).then_some(self.generation)
    }
}
