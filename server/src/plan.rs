//! Where an operation goes. Pure: it looks at a view of the cluster and at nothing else.

use crate::cluster::View;
use placement::Route;

/// Something to be done, as far as its place depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Something with the object of this placement digest.
    OfObject { digest: u64 },
    /// Something that each core can do, because it asks the others or needs none of them.
    OfNode,
}

/// Where that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one lane that has the name, on the core that owns it.
    Lane(Route),
    AnyCore,
    /// No mountpath is enabled.
    Nowhere,
}

/// The place of an operation.
pub(crate) fn plan(operation: Operation, view: &View) -> Place {
    match operation {
        Operation::OfObject { digest } => view.layout.route(digest).map_or(Place::Nowhere, Place::Lane),
        Operation::OfNode => Place::AnyCore,
    }
}
