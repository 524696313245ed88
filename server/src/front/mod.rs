//! The choice of the façade that a request is for. An error is told in the words of the one that was asked.

use crate::error::{Error, Result};
use crate::native;
use crate::plan::{Operation, Place, plan};
use crate::reply::Reply;
use crate::shard::{Body, Handler, Shard};
use std::net::SocketAddr;
use std::rc::Rc;
use wire::http1::RequestHead;

/// The handler of this node's requests.
pub(crate) struct Front;

/// The façade that a request is for, with what that has read of it.
pub(crate) enum Routed<'h> {
    Native(native::Routed<'h>),
    /// Part of a protocol that is not built yet.
    Missing(&'static str),
}

impl Handler for Front {
    type Routed<'h> = Routed<'h>;

    fn route<'h>(head: &RequestHead<'h>) -> Routed<'h> {
        match head.path().trim_start_matches('/').split('/').next() {
            Some("s3") => Routed::Missing("the S3 API"),
            Some("gs" | "az" | "aws" | "oc") => Routed::Missing("a remote backend"),
            _ => Routed::Native(native::Routed::new(head)),
        }
    }

    fn is_control(routed: &Routed<'_>) -> bool {
        matches!(routed, Routed::Native(routed) if routed.is_control())
    }

    fn owner_core(shard: &Shard, routed: &Routed<'_>) -> Option<usize> {
        let Routed::Native(routed) = routed else { return None };
        let object = routed.object_digest().map(|digest| Operation::OfObject { digest });
        match plan(object.unwrap_or(Operation::OfNode), &shard.node.view.load()) {
            Place::Lane(route) => Some(route.core),
            Place::AnyCore | Place::Nowhere => None,
        }
    }

    async fn handle<'h>(
        shard: &Rc<Shard>,
        head: &RequestHead<'h>,
        routed: Routed<'h>,
        body: &mut Body<'_>,
    ) -> Result<Reply> {
        match routed {
            Routed::Native(routed) => native::handle(shard, head, routed, body).await,
            Routed::Missing(what) => Err(Error::not_implemented(what)),
        }
    }

    fn error_reply(shard: &Shard, error: &Error, head: &RequestHead<'_>, peer: SocketAddr) -> Reply {
        native::error_reply(shard, error, head.method, head.method_text, head.path(), peer)
    }

    fn bad_head_reply(shard: &Shard, what: &str, status: u16, peer: SocketAddr) -> Reply {
        native::head_error_reply(shard, what, status, peer)
    }
}
