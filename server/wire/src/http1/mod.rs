//! HTTP/1.1 without I/O: bytes in, facts out, and the reverse. Both the server and the load generator use
//! it, so a disagreement about the wire shows up in either.
//!
//! It is stricter than RFC 9112 asks: every message whose length two parsers could read differently is
//! refused, because a node may sit behind a proxy that reads it the other way (request smuggling).

mod chunked;
mod conditions;
mod date;
mod error;
mod facts;
mod headers;
mod lines;
mod method;
mod range;
mod reason;
mod request;
mod response;
mod target;
mod uri;
mod writer;

pub use chunked::{ChunkStep, ChunkedDecoder, LAST_CHUNK, write_chunk_head};
pub use conditions::{Conditions, Precondition, Validators, is_conditional};
pub use date::{format_http_date, parse_http_date};
pub use error::{HeadError, HeadLimits};
pub use facts::Framing;
pub use headers::Headers;
pub use method::Method;
pub use range::{RangeOutcome, parse_range};
pub use reason::reason;
pub use request::{RequestHead, parse_request};
pub use response::{ResponseHead, parse_response};
pub use uri::{percent_decode, percent_encode_path, query_pairs};
pub use writer::HeadWriter;
