//! S3's protocol without I/O: signatures (AWS Signature Version 4) from both sides, the framing of signed bodies, documents.
//!
//! * [`Signer`] signs requests in a header or in the query, [`Claim`] is what a request says of its signature and verifies
//!   it; both from a [`SigningKey`], [`Keys`] and an [`AmzTime`]; [`canonical`] is what both sign;
//! * [`Payload`] is what `x-amz-content-sha256` says of a body; [`AwsChunked`] decodes bodies of signed or checked chunks,
//!   [`ChunkWriter`] frames them;
//! * [`Endpoint`] and [`Head`] turn a bucket, a name and a signer into a request, [`encode`] writes the texts that are signed;
//! * [`xml`] reads and writes the documents;
//! * a [`Refusal`] is what a server answers to all that is not so.
//!
//! The clock is the caller's. The texts of a request are signed as they were sent: nothing in a name is cleaned, since `a//b`
//! and `a/../b` are names like any other.

pub mod canonical;
mod chunk_writer;
mod chunks;
mod claim;
pub mod encode;
mod key;
mod payload;
mod refusal;
mod request;
mod sign;
mod time;
pub mod xml;

pub use chunk_writer::ChunkWriter;
pub use chunks::AwsChunked;
pub use claim::{Claim, Form, Seal};
pub use key::{Keys, SigningKey, sha256_hex};
pub use payload::{EMPTY_SHA256, Payload, UNSIGNED_PAYLOAD};
pub use refusal::Refusal;
pub use request::{Endpoint, Head, list_query, push_query};
pub use sign::{Signable, Signer};
pub use time::{AmzTime, iso_from_unix_ms, unix_ms_from_iso};
