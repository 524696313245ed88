//! Who may do what: the one place that is asked.

use crate::cluster::BucketView;
use crate::error::{Error, Result};
use wire::api::bprops::access;

/// Whoever asks for something. Nobody is told from anybody else before there are accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Anyone,
    /// The node itself, for a job that was allowed when it was asked for.
    Node,
}

/// An operation that somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Head,
    Put,
    Append,
    Delete,
    SetCustom,
    Rename,
    List,
}

impl Operation {
    /// True for what leaves something else behind.
    fn is_change(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::List)
    }

    /// The right that it needs, and its name in a refusal.
    fn needs(self) -> (u64, &'static str) {
        match self {
            Self::Get => (access::GET, "reading"),
            Self::Head => (access::OBJ_HEAD, "reading metadata"),
            Self::Put => (access::PUT, "writing"),
            Self::Append => (access::APPEND, "appending"),
            Self::Delete => (access::OBJ_DELETE, "deleting"),
            Self::SetCustom => (access::PATCH, "changing metadata"),
            Self::Rename => (access::OBJ_MOVE, "renaming"),
            Self::List => (access::OBJ_LIST, "listing"),
        }
    }
}

/// Lets a caller do something with a bucket, or refuses.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn allow(who: Caller, operation: Operation, bucket: &BucketView) -> Result<()> {
    if bucket.is_closed() && operation.is_change() {
        return Err(Error::access_denied(&bucket.bucket.name, "changes while it is renamed"));
    }
    let (right, name) = operation.needs();
    if who == Caller::Node || bucket.props.access & right == right {
        return Ok(());
    }
    Err(Error::access_denied(&bucket.bucket.name, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::api::bprops::Bprops;

    #[test]
    fn each_operation_needs_its_own_right() {
        use Operation::{Append, Delete, Get, Head, List, Put, Rename, SetCustom};
        let all = [Get, Head, Put, Append, Delete, SetCustom, Rename, List];
        for allowed in all {
            let props = Bprops { access: allowed.needs().0, ..Bprops::default() };
            let bucket = BucketView::new("b", props);
            for asked in all {
                let may = allow(Caller::Anyone, asked, &bucket).is_ok();
                assert_eq!(may, asked == allowed, "{asked:?} with the right for {allowed:?}");
                assert!(allow(Caller::Node, asked, &bucket).is_ok());
            }
        }
    }
}
