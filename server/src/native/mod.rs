//! AIStore's native API: requests to operations, outcomes to answers.
//!
//! [`route()`] reads the path, [`objects`], [`buckets`], [`listing`], [`jobs`], [`cluster`], [`daemon`] and [`health`]
//! serve the families, [`errors`] writes what went wrong the way AIStore does. What does not exist yet answers 501.

mod buckets;
mod cluster;
mod daemon;
mod errors;
mod headers;
mod health;
mod jobs;
mod lines;
mod listing;
mod long;
mod metrics;
mod named;
mod node_info;
mod objects;
mod request;
mod route;
mod status;
mod summary;

pub(crate) use errors::{error_reply, head_error_reply};

use crate::error::{Error, Result};
use crate::object;
use crate::reply::Reply;
use crate::shard::{Body, Shard};
pub(crate) use request::{MESSAGE_BYTES_MAX, NAMES_BYTES_MAX, Request, check_provider};
use route::{Route, route};
use std::rc::Rc;
use wire::api::query::Query;
use wire::http1::{Method, RequestHead};

/// The thing that a request's path names, and for an object its place.
pub(crate) struct Routed<'h> {
    route: Result<Route<'h>>,
    /// Placement digest; 0 for what is no object.
    digest: u64,
}

impl<'h> Routed<'h> {
    pub(crate) fn new(head: &RequestHead<'h>) -> Self {
        let route = route(head.path());
        let digest = match &route {
            Ok(Route::Object { bucket, name }) => {
                placement::uname_digest(placement::BckRef::ais(bucket), name)
            }
            _ => 0,
        };
        Self { route, digest }
    }

    /// True for what is about the node rather than about data: such requests are served even when no seat is left.
    pub(crate) fn is_control(&self) -> bool {
        matches!(
            self.route,
            Ok(Route::Health
                | Route::Metrics
                | Route::Daemon { .. }
                | Route::Reverse { .. }
                | Route::Cluster { .. })
        )
    }

    /// The placement digest of the object that it is about, if it is about one.
    pub(crate) fn object_digest(&self) -> Option<u64> {
        matches!(self.route, Ok(Route::Object { .. })).then_some(self.digest)
    }
}

/// Serves a request. Answers that were made in memory count against the memory for messages until they are sent.
pub(crate) async fn handle(
    shard: &Rc<Shard>,
    head: &RequestHead<'_>,
    routed: Routed<'_>,
    body: &mut Body<'_>,
) -> Result<Reply> {
    serve(shard, head, routed, body).await?.counted(&shard.node.messages)
}

async fn serve(
    shard: &Rc<Shard>,
    head: &RequestHead<'_>,
    routed: Routed<'_>,
    body: &mut Body<'_>,
) -> Result<Reply> {
    if head.method == Method::Options {
        return Ok(Reply::empty(200));
    }
    let query = Query::parse(head.query()).map_err(|e| Error::bad(e.to_string()))?;
    let request = Request { shard, head, query };
    match routed.route? {
        Route::Object { bucket, name } => {
            check_provider(&request.query)?;
            let object = object::locate_digest(&shard.node.view.load(), &bucket, &name, routed.digest)?;
            objects::handle(&request, &object, body).await
        }
        Route::Buckets { bucket, prefix } => buckets::handle(&request, &bucket, &prefix, body).await,
        Route::Daemon { item } => daemon::handle(&request, None, &item, body).await,
        Route::Reverse { item } => {
            let id = head.headers.get_str("Ais-Node-Id").ok_or_else(|| Error::bad("missing node ID"))?;
            daemon::handle(&request, Some(id), &item, body).await
        }
        Route::Cluster { item } => cluster::handle(&request, &item, body).await,
        Route::Health => health::handle(&request),
        Route::Metrics => metrics::handle(&request).await,
        // Clients list what runs at every step; there is none of these here, and none can be started.
        Route::Empty { .. } if head.method == Method::Get => Reply::json(&[0u8; 0]),
        Route::Empty { what } => Err(Error::not_implemented(what)),
        Route::Missing { what } => Err(Error::not_implemented(what)),
    }
}
