//! The bucket that a request names.

use super::{Request, check_provider};
use crate::cluster::BucketView;
use crate::error::Result;
use crate::object;
use std::sync::Arc;

/// The bucket of this name.
pub(super) fn bucket(request: &Request<'_, '_>, name: &str) -> Result<Arc<BucketView>> {
    check_provider(&request.query)?;
    object::bucket(&request.shard.node.view(), name)
}
