//! The dialect of requests and answers: AIStore's own protocol, or S3.

use super::call::Call;
use super::native::Native;
use super::room::{Facts, Room};
use super::s3::S3;
use crate::client::listing::PageSummary;
use crate::engine::shared::state::Run;
use crate::recorder::{ErrorKind, OpError};
use crate::settings::Config;

/// Bytes of an error's text that are shown.
const TEXT_BYTES_MAX: usize = 300;

/// The protocol of a run.
pub(crate) enum Dialect {
    /// AIStore's own.
    Native(Native),
    /// S3.
    S3(Box<S3>),
}

/// A page of names that has been read, and where the walk over the names goes on.
pub(crate) struct PageEnd {
    pub(crate) names: u64,
    /// The listing's id; empty where the protocol has none, and after the last page.
    pub(crate) uuid: String,
    /// Where the next page starts; empty after the last: then the walk starts again, as a new listing.
    pub(crate) token: String,
}

impl Dialect {
    pub(crate) fn of(config: &Config) -> Self {
        match &config.s3 {
            Some(s3) => Self::S3(Box::new(S3::new(s3))),
            None => Self::Native(Native::new(config)),
        }
    }

    /// Writes path and query; `name` is the object's.
    pub(crate) fn write_target(&self, run: &Run, call: &Call, name: &str, target: &mut String) {
        match self {
            Self::Native(native) => native.write_target(run, call, name, target),
            Self::S3(s3) => s3.write_target(&run.config, call, name, target),
        }
    }

    /// Writes the head into the room, and the body where that is small. `host` is the peer's.
    pub(crate) fn write_head(&self, run: &Run, call: &Call, room: &mut Room, host: &str, is_asked: bool) {
        match self {
            Self::Native(native) => {
                native.write_head(&run.config, call, &mut room.link.head, &room.target, host, is_asked);
            }
            Self::S3(s3) => s3.write_head(call, &mut room.link.head, &room.target),
        }
    }

    /// True where any server may send a request to another one. S3's signatures are bound to a host.
    pub(crate) fn has_redirects(&self) -> bool {
        matches!(self, Self::Native(_))
    }

    /// Reads a page of names.
    pub(crate) fn read_page(&self, body: &[u8]) -> Result<PageEnd, OpError> {
        let end = match self {
            Self::Native(_) => native_page(body).map_err(|e| e.to_string()),
            Self::S3(_) => wire::s3::xml::count_page(body)
                .map(|page| PageEnd { names: page.names, uuid: String::new(), token: page.next })
                .map_err(|e| e.to_string()),
        };
        end.map_err(|why| OpError::protocol(format!("the page of names: {why}")))
    }

    /// The text of an answer that is no success.
    pub(crate) fn failure(&self, status: u16, body: &[u8], facts: &Facts) -> OpError {
        match self {
            Self::Native(_) => OpError::new(ErrorKind::Status(status), shown(body)),
            Self::S3(s3) => s3.failure(status, body, facts),
        }
    }
}

fn native_page(body: &[u8]) -> serde_json::Result<PageEnd> {
    let page: PageSummary<'_> = serde_json::from_slice(body)?;
    // The id of a listing that has ended means nothing any more.
    let uuid = if page.continuation_token.is_empty() { String::new() } else { page.uuid.into_owned() };
    Ok(PageEnd { names: page.names, uuid, token: page.continuation_token.into_owned() })
}

/// The beginning of an error's text: of AIStore's JSON, its message.
fn shown(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    let text = serde_json::from_slice::<Message>(body)
        .map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |json| json.message);
    text.trim().chars().take(TEXT_BYTES_MAX).collect()
}
