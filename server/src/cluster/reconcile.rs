//! A node has to do something when the buckets are not as they were: this says it, purely, and the same at a start and after
//! each change.
//!
//! Actions say what is not as it should be. Whoever carries one out goes by the view of that moment, so that one that
//! comes late or a second time does no harm.

use super::buckets::{BucketMap, BucketView};
use crate::store::BucketRef;
use std::sync::Arc;

/// Something that this node has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A bucket is gone: no core may know it any more, and no job may work on it.
    Forget(Arc<BucketRef>),
    /// Its directories must get out of the way of the next bucket of that name.
    Bury(Arc<BucketRef>),
    /// A bucket takes no changes.
    Close(Arc<BucketRef>),
    /// It takes changes again.
    Open(Arc<BucketRef>),
}

/// The actions that lead from one map of buckets to another, as far as these names go.
pub(crate) fn reconcile<'n>(
    before: &BucketMap,
    after: &BucketMap,
    names: impl IntoIterator<Item = &'n str>,
) -> Vec<Action> {
    names
        .into_iter()
        .flat_map(|name| differences(before.get(name).map(Arc::as_ref), after.get(name).map(Arc::as_ref)))
        .collect()
}

fn differences(before: Option<&BucketView>, after: Option<&BucketView>) -> Vec<Action> {
    let mut actions = Vec::new();
    let same = |view: &&BucketView| after.is_some_and(|after| after.bucket.id == view.bucket.id);
    if let Some(gone) = before.filter(|before| !same(before)) {
        actions.push(Action::Forget(Arc::clone(&gone.bucket)));
        actions.push(Action::Bury(Arc::clone(&gone.bucket)));
    }
    let was_closed = before.filter(same).is_some_and(BucketView::is_closed);
    if let Some(now) = after.filter(|after| after.is_closed() != was_closed) {
        let bucket = Arc::clone(&now.bucket);
        actions.push(if now.is_closed() { Action::Close(bucket) } else { Action::Open(bucket) });
    }
    actions
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
