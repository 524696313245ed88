//! A request on its way through this façade.

use crate::error::{Error, Kind, Result};
use crate::message_budget::Message;
use crate::shard::{Body, Shard};
use std::rc::Rc;
use wire::api::query::Query;
use wire::http1::RequestHead;

/// The largest JSON message that is read.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The largest one that may name many objects.
pub(crate) const NAMES_BYTES_MAX: usize = 16 << 20;

/// A request on its way through this façade.
pub(crate) struct Request<'r, 'h> {
    pub(super) shard: &'r Rc<Shard>,
    pub(super) head: &'r RequestHead<'h>,
    pub(super) query: Query<'r>,
}

impl Request<'_, '_> {
    /// The request's body as a JSON message of a usual size.
    pub(super) async fn message(&self, body: &mut Body<'_>) -> Result<Message> {
        body.collect(&self.shard.node.messages, MESSAGE_BYTES_MAX).await
    }

    /// 405 with what would have been allowed.
    pub(super) fn wrong_method(&self) -> Error {
        Error::client(
            Kind::MethodNotAllowed,
            format!("invalid method '{}' for {}", self.head.method_text, self.head.path()),
        )
    }
}

/// Only AIStore's own buckets exist here so far.
pub(crate) fn check_provider(query: &Query<'_>) -> Result<()> {
    match query.text("provider") {
        "" | "ais" => Ok(()),
        other => Err(Error::not_implemented(format!("the provider {other:?}"))),
    }?;
    match query.text("namespace") {
        "" | "@#" => Ok(()),
        other => Err(Error::not_implemented(format!("the namespace {other:?}"))),
    }
}
