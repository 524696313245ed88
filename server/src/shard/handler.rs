//! A core hands its requests to a handler: it knows no protocol beyond HTTP itself.

use super::body::Body;
use super::context::Shard;
use crate::error::{Error, Result};
use crate::reply::Reply;
use std::net::SocketAddr;
use std::rc::Rc;
use wire::http1::RequestHead;

/// Makes answers of requests.
pub(crate) trait Handler: 'static {
    /// A head that has been read once.
    type Routed<'h>;

    fn route<'h>(head: &RequestHead<'h>) -> Self::Routed<'h>;

    /// True for what is about the node rather than about data: such requests are served even when no seat is left.
    fn is_control(routed: &Self::Routed<'_>) -> bool;

    /// The core that the request must be served on; `None` when any core will do.
    fn owner_core(shard: &Shard, routed: &Self::Routed<'_>) -> Option<usize>;

    fn handle<'h>(
        shard: &Rc<Shard>,
        head: &RequestHead<'h>,
        routed: Self::Routed<'h>,
        body: &mut Body<'_>,
    ) -> impl Future<Output = Result<Reply>>;

    /// The answer to a request that has failed.
    fn error_reply(shard: &Shard, error: &Error, head: &RequestHead<'_>, peer: SocketAddr) -> Reply;

    /// The answer to bytes that are no request.
    fn bad_head_reply(shard: &Shard, what: &str, status: u16, peer: SocketAddr) -> Reply;
}
