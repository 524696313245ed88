//! What a request names, and whether it may.

use super::{Request, check_provider};
use crate::cluster::BucketView;
use crate::error::{Error, Result};
use crate::object::{self, ObjectRef};
use crate::store::Entry;
use std::rc::Rc;
use std::sync::Arc;

/// The bucket of this name.
pub(super) fn bucket(request: &Request<'_, '_>, name: &str) -> Result<Arc<BucketView>> {
    check_provider(&request.query)?;
    object::bucket(&request.shard.node.view(), name)
}

/// The metadata of an object, which must be there.
pub(super) async fn entry(request: &Request<'_, '_>, object: &ObjectRef) -> Result<Rc<Entry>> {
    let missing = || Error::object_missing(&object.key.bucket.name, &object.key.name);
    request.shard.store.find(&object.key).await?.ok_or_else(missing)
}

/// Checks a bucket's access rights.
pub(super) fn allow(object: &ObjectRef, right: u64, what: &str) -> Result<()> {
    if object.bucket.props.access & right == right {
        return Ok(());
    }
    Err(Error::access_denied(&object.key.bucket.name, what))
}
