//! An object as the index knows it.

use super::index_key::index_key;
use super::names;
use super::place::Place;
use crate::error::{Error, Result};
use crate::store::layout::segment_path;
use std::cell::Cell;
use std::sync::Arc;
use wire::api::bck::{Bck, Ns, Provider};
use wire::api::custom;
use wire::cksum::CksumType;
use wire::lom::{BlockCrcs, Generation, ObjectKind, ObjectMeta};

/// A bucket as the store sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketRef {
    /// Never reused, so that a bucket made anew under an old name does not see old objects.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) provider: Provider,
    pub(crate) namespace: Ns,
}

impl BucketRef {
    pub(crate) fn new(id: u64, bck: Bck) -> Self {
        Self { id, name: bck.name, provider: bck.provider, namespace: bck.namespace }
    }

    /// Its full name.
    pub(crate) fn bck(&self) -> Bck {
        Bck { name: self.name.clone(), provider: self.provider, namespace: self.namespace.clone() }
    }

    /// Its directory beneath a mountpath.
    pub(crate) fn dir(&self) -> String {
        self.bck().full_path()
    }

    /// The placement digest of one of its objects.
    pub(crate) fn digest(&self, name: &str) -> u64 {
        let ns = placement::NsRef { uuid: &self.namespace.uuid, name: &self.namespace.name };
        let bucket = placement::BckRef { provider: self.provider.as_str(), ns, name: &self.name };
        placement::uname_digest(bucket, name)
    }
}

/// Names an object, and the mountpath on which it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) bucket: Arc<BucketRef>,
    pub(crate) name: String,
    pub(crate) mountpath: usize,
    /// The lane of that mountpath.
    pub(crate) lane: u16,
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
    pub(crate) kind: ObjectKind,
    pub(crate) size_bytes: u64,
    /// Counts the writes of this name; what clients see as the version.
    pub(crate) version: u64,
    /// Unique for each written object; keys the caches.
    pub(crate) generation: Generation,
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
    /// # Errors
    /// `NotImplemented` for what is no whole object: a later version wrote it.
    pub(crate) fn from_meta(meta: &ObjectMeta, mountpath: usize, place: Place) -> Result<Self> {
        let whose = || format!("{}/{}", meta.bucket, meta.name);
        require_served(meta.kind, whose)?;
        Ok(Self {
            kind: meta.kind,
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
        })
    }

    /// The entry of an object that is a plain file, from the metadata on it.
    ///
    /// # Errors
    /// As [`Entry::from_meta`].
    pub(crate) fn of_file(meta: &ObjectMeta, mountpath: usize) -> Result<Self> {
        let has_sidecar = matches!(meta.block_crcs, BlockCrcs::Sidecar { .. });
        Self::from_meta(meta, mountpath, Place::File { has_sidecar })
    }

    /// The durable form.
    pub(crate) fn to_meta(&self, key: &Key, block_crcs: BlockCrcs) -> ObjectMeta {
        ObjectMeta {
            kind: self.kind,
            bucket: key.bucket.bck(),
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
        own.unwrap_or_else(|| self.generation.to_string())
    }

    /// Seconds since 1970 of the last write.
    pub(crate) fn modified_s(&self) -> i64 {
        self.mtime_ns.div_euclid(1_000_000_000)
    }

    /// The generation that names its sidecar, if it has one.
    pub(crate) fn sidecar(&self) -> Option<Generation> {
        matches!(self.place, Place::File { has_sidecar: true }).then_some(self.generation)
    }
}

/// Refuses what this version knows of and cannot give out: a part or a slice is not the object.
pub(crate) fn require_served(kind: ObjectKind, whose: impl FnOnce() -> String) -> Result<()> {
    if kind == ObjectKind::Whole {
        return Ok(());
    }
    Err(Error::not_implemented(format!(
        "{}: it is a {kind}, and this version serves whole objects only",
        whose()
    )))
}
