//! One request and its response on one connection.

use super::put_body::PutBody;
use super::room::Facts;
use super::sink::Sink;
use crate::recorder::OpError;
use link::{Answer, Leave, Line, LinkError, Manner};
use std::cell::RefCell;
use wire::cksum::{CksumType, Hasher};

/// The bytes that go out.
pub(crate) enum Outgoing<'a> {
    /// Only `Room::head`.
    Head,
    /// The head and an object.
    Object {
        /// The object.
        body: &'a PutBody,
        /// Ask first whether the peer wants the body.
        is_asked: bool,
    },
}

/// The outcome of a request.
pub(crate) struct Exchanged {
    pub(crate) answer: Answer,
    /// The way in which the peer takes large PUTs, as learned.
    pub(crate) learned: Option<Manner>,
    pub(crate) body_bytes: u64,
}

/// Why nothing has.
pub(crate) enum Failed {
    /// Of the connection.
    Link(LinkError),
    /// Of the answer.
    Answer(OpError),
}

impl From<LinkError> for Failed {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

/// Sends a request, reads the head of its answer into `facts`, and gives the body to `sink` if it is a success, to
/// `refusal` otherwise.
pub(crate) async fn exchange(
    line: &mut Line<'_>,
    outgoing: &Outgoing<'_>,
    facts: &RefCell<&mut Facts>,
    sink: &mut Sink<'_>,
    refusal: &mut Vec<u8>,
) -> Result<Exchanged, Failed> {
    let (mut answer, learned) = match outgoing {
        Outgoing::Head => (line.ask().await?, None),
        Outgoing::Object { body, is_asked: false } => (line.push(&mut &**body).await?, None),
        Outgoing::Object { body, is_asked: true } => {
            let (answer, leave) = line.push_with_leave(&mut &**body).await?;
            let learned = learned(leave, answer.status);
            (answer, learned)
        }
    };
    let body_bytes = if (200..300).contains(&answer.status) {
        if let Sink::Hash(hasher) = sink {
            **hasher = CksumType::parse(&facts.borrow().cksum_type).map(Hasher::new);
        }
        read_body(line, &mut answer, sink).await?
    } else {
        refusal.clear();
        read_body(line, &mut answer, &mut Sink::Collect(refusal)).await?
    };
    Ok(Exchanged { answer, learned, body_bytes })
}

fn learned(leave: Leave, status: u16) -> Option<Manner> {
    match leave {
        Leave::Given => Some(Manner::Stores),
        Leave::Refused => (300..400).contains(&status).then_some(Manner::Redirects),
        // It may still redirect, so the next PUT asks again.
        Leave::Silence => Some(Manner::Unknown),
    }
}

/// Reads the body to its end; returns its length.
async fn read_body(line: &mut Line<'_>, answer: &mut Answer, sink: &mut Sink<'_>) -> Result<u64, Failed> {
    if matches!(sink, Sink::Drop) {
        return Ok(line.discard(answer).await?);
    }
    let mut bytes = 0u64;
    while let Some(piece) = line.next(answer).await? {
        bytes = bytes.saturating_add(piece.len() as u64);
        sink.take(piece).map_err(Failed::Answer)?;
    }
    Ok(bytes)
}
