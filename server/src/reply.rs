//! An answer as data, and the way it leaves.

use crate::error::{Error, Result};
use crate::message_budget::{FREE_BYTES, Held, MessageBudget};
use crate::shard::{Shard, Stream};
use crate::store::{Piece, Reader};
use serde::ser::{SerializeSeq, Serializer};
use std::rc::Rc;
use std::sync::Arc;
use wire::http1::HeadWriter;

/// Room for the status line and the fields that every answer has.
const HEAD_BYTES_USUAL: usize = 160;

/// Room for the fields of an object.
const FIELDS_BYTES_USUAL: usize = 320;

/// Bytes up to here are sent with the head in one call; of more a copy would cost more than a second call.
const BYTES_WITH_HEAD_MAX: usize = 32 << 10;

/// What follows the head.
pub(crate) enum Payload {
    Empty,
    Bytes(Vec<u8>),
    /// A small object, whole or in part.
    Piece(Piece),
    /// A larger one: its first piece, verified already, and the rest.
    Stream {
        first: Piece,
        // Boxed: an answer is moved several times on its way, and most have no reader.
        rest: Box<Reader>,
    },
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Header fields as they will be sent: one buffer instead of a string for each.
    fields: Vec<u8>,
    /// More of them, kept with the object.
    kept_fields: Option<Rc<[u8]>>,
    pub(crate) content_type: &'static str,
    /// What `Content-Length` says; without a body for the answers to `HEAD`.
    pub(crate) size_bytes: u64,
    pub(crate) body: Payload,
    /// The connection is to end after this answer.
    pub(crate) close: bool,
    /// The memory that bytes made for this answer take, given back when it is sent.
    held: Option<Held>,
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            fields: Vec::new(),
            kept_fields: None,
            content_type: "",
            size_bytes: 0,
            body: Payload::Empty,
            close: false,
            held: None,
        }
    }

    pub(crate) fn bytes(status: u16, content_type: &'static str, bytes: Vec<u8>) -> Self {
        let size_bytes = bytes.len() as u64;
        Self { content_type, size_bytes, body: Payload::Bytes(bytes), ..Self::empty(status) }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::bytes(200, "text/plain; charset=utf-8", text.into().into_bytes())
    }

    /// JSON of a value that cannot fail to serialize; if it does all the same, that is an internal error.
    pub(crate) fn json(value: &impl serde::Serialize) -> Result<Self> {
        Ok(Self::json_bytes(serde_json::to_vec(value).map_err(no_json)?))
    }

    /// As [`Reply::json`], an array of values that are not all there at once.
    pub(crate) fn json_list(values: impl Iterator<Item = impl serde::Serialize>) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut json = serde_json::Serializer::new(&mut bytes);
        let mut list = json.serialize_seq(None).map_err(no_json)?;
        for value in values {
            list.serialize_element(&value).map_err(no_json)?;
        }
        list.end().map_err(no_json)?;
        Ok(Self::json_bytes(bytes))
    }

    fn json_bytes(bytes: Vec<u8>) -> Self {
        Self::bytes(200, "application/json; charset=utf-8", bytes)
    }

    /// Counts what this answer holds until it is sent. A client may take its time to read it.
    ///
    /// # Errors
    /// `Busy` when the memory for messages is used up.
    pub(crate) fn counted(mut self, messages: &Arc<MessageBudget>) -> Result<Self> {
        if let Payload::Bytes(bytes) = &self.body
            && bytes.capacity() > FREE_BYTES
        {
            self.held = Some(messages.hold_answer(bytes.capacity() - FREE_BYTES)?);
        }
        Ok(self)
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.writer().header(name, value.as_ref());
        self
    }

    /// Adds fields that are written already, see [`Reply::into_fields`].
    pub(crate) fn with_kept(mut self, fields: Rc<[u8]>) -> Self {
        self.kept_fields = Some(fields);
        self
    }

    /// The fields that were added, in the form that goes out.
    pub(crate) fn into_fields(self) -> Vec<u8> {
        self.fields
    }

    fn writer(&mut self) -> HeadWriter<'_> {
        if self.fields.capacity() == 0 {
            self.fields.reserve(FIELDS_BYTES_USUAL);
        }
        HeadWriter::fields(&mut self.fields)
    }

    /// As [`Reply::with`], for what formats itself.
    pub(crate) fn with_display(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.writer().header_display(name, value);
        self
    }

    /// As [`Reply::with`], for a number.
    pub(crate) fn with_number(mut self, name: &str, value: u64) -> Self {
        self.writer().header_u64(name, value);
        self
    }

    fn head(&self, without_body: bool, keep_alive: bool) -> Vec<u8> {
        let kept = self.kept_fields.as_deref().unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEAD_BYTES_USUAL + kept.len() + self.fields.len());
        let mut head = HeadWriter::response(&mut bytes, self.status);
        if !self.content_type.is_empty() {
            head.header("Content-Type", self.content_type);
        }
        head.append(kept).append(&self.fields);
        // 204 and 304 must not announce a body; HEAD announces the one that GET would send.
        if !matches!(self.status, 204 | 304) || (without_body && self.size_bytes > 0) {
            head.content_length(self.size_bytes);
        }
        if !keep_alive {
            head.header("Connection", "close");
        }
        head.finish();
        bytes
    }
}

fn no_json(error: serde_json::Error) -> Error {
    Error::internal(format!("JSON: {error}"))
}

/// Sends an answer. `without_body` for the answers to `HEAD`.
pub(crate) async fn send(
    shard: &Rc<Shard>,
    stream: &mut Stream,
    reply: Reply,
    without_body: bool,
    keep_alive: bool,
) -> Result<()> {
    let mut head = reply.head(without_body, keep_alive);
    match reply.body {
        _ if without_body => stream.send(head).await.map(drop),
        Payload::Empty => stream.send(head).await.map(drop),
        Payload::Bytes(bytes) if bytes.len() > BYTES_WITH_HEAD_MAX => {
            stream.send(head).await?;
            stream.send(bytes).await.map(drop)
        }
        Payload::Bytes(bytes) => {
            head.extend_from_slice(&bytes);
            stream.send(head).await.map(drop)
        }
        Payload::Piece(piece) => stream.send_with_head(head, piece).await.map(drop),
        Payload::Stream { first, mut rest } => {
            stream.send_with_head(head, first).await?;
            while let Some(piece) = next_piece(shard, stream, &mut rest).await? {
                stream.send_piece(piece).await?;
            }
            Ok(())
        }
    }
}

/// Damage found after the head has left: the connection is cut short of its length, so that nobody takes it for whole.
async fn next_piece(shard: &Shard, stream: &mut Stream, rest: &mut Reader) -> Result<Option<Piece>> {
    rest.next().await.inspect_err(|e| {
        shard.store.count_corrupt(e);
        tracing::error!(error = %e, "read failed in mid-answer: connection cut");
        stream.give_up();
    })
}
