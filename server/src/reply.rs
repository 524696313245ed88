//! An answer as data.

use crate::error::{Error, Result};
use crate::message_budget::{FREE_BYTES, Held, MessageBudget};
use crate::store::Piece;
use crate::store::Reader;
use std::rc::Rc;
use std::sync::Arc;
use wire::http1::HeadWriter;

/// Room for the status line and the fields that every answer has.
const HEAD_BYTES_USUAL: usize = 160;

/// Room for the fields of an object.
const FIELDS_BYTES_USUAL: usize = 320;

/// The payload that follows the head.
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
    /// The value of `Content-Length`; without a body for the answers to `HEAD`.
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

    /// The head as it goes out.
    pub(crate) fn head(&self, without_body: bool, keep_alive: bool) -> Vec<u8> {
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
