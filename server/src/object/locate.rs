//! From names to places.

use crate::cluster::{BucketView, View};
use crate::error::{Error, Kind, Result};
use crate::plan::{Operation, Place, plan};
use crate::store::{Expect, Key, NewObject};
use placement::{BckRef, uname_digest};
use std::sync::Arc;
use wire::api::bck::{validate_bucket_name, validate_object_name};

/// An object's bucket, key and owner core.
#[derive(Clone, Debug)]
pub(crate) struct ObjectRef {
    pub(crate) bucket: Arc<BucketView>,
    pub(crate) key: Key,
    pub(crate) core: usize,
}

impl ObjectRef {
    /// An object that is to be written here, as its bucket wants it.
    pub(super) fn new_object(&self, size_hint: Option<u64>, custom: Vec<(String, String)>) -> NewObject {
        NewObject {
            size_hint,
            cksum_type: self.bucket.cksum_type,
            expected: None,
            custom,
            expect: Expect::Anything,
            durability: self.bucket.durability,
            segment_bytes_max: self.bucket.segment_bytes_max,
        }
    }
}

/// Finds a bucket by name.
pub(crate) fn bucket(view: &View, name: &str) -> Result<Arc<BucketView>> {
    if let Some(bucket) = view.bucket(name) {
        if view.is_waiting(bucket) {
            let text = format!("bucket \"ais://{name}\" waits for the end of an older one of its name");
            return Err(Error::busy(text));
        }
        return Ok(Arc::clone(bucket));
    }
    validate_bucket_name(name).map_err(Error::bad)?;
    Err(Error::bucket_missing(name))
}

/// Finds where an object is or would be.
pub(crate) fn locate(view: &View, bucket_name: &str, name: &str) -> Result<ObjectRef> {
    locate_digest(view, bucket_name, name, uname_digest(BckRef::ais(bucket_name), name))
}

/// Finds where an object of a certain bucket is: one that was made anew under the same name is another one.
pub(crate) fn locate_in(view: &View, bucket: &BucketView, name: &str) -> Result<ObjectRef> {
    let object = locate(view, &bucket.bucket.name, name)?;
    if object.bucket.bucket.id == bucket.bucket.id {
        Ok(object)
    } else {
        Err(Error::bucket_missing(&bucket.bucket.name))
    }
}

/// As [`locate`], for a name whose placement digest is known already.
pub(crate) fn locate_digest(view: &View, bucket_name: &str, name: &str, digest: u64) -> Result<ObjectRef> {
    validate_object_name(name, false).map_err(Error::bad)?;
    let bucket = bucket(view, bucket_name)?;
    let Place::Lane(route) = plan(Operation::OfObject { digest }, view) else {
        return Err(Error { kind: Kind::NoSpace, ..Error::internal("no mountpath is enabled") });
    };
    let key = Key {
        bucket: Arc::clone(&bucket.bucket),
        name: name.to_owned(),
        mountpath: route.mountpath,
        lane: route.lane.get(),
    };
    Ok(ObjectRef { bucket, key, core: route.core })
}
