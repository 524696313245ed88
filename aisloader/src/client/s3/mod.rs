//! The S3 protocol from the client's side: pure functions over text, and a client for control requests. The load itself
//! is the engine's.
//!
//! * [`credentials`] finds the keys in the environment and in the files that Amazon's tools share, [`profile`] reads
//!   those files;
//! * [`sigv4`] signs requests with them, [`encode`] writes the texts that are signed;
//! * [`request`] turns a bucket, a name and an endpoint into a signed head;
//! * [`xml`] reads and writes the documents;
//! * [`config`] is what the flags say about all this, and [`S3Client`] makes, lists and cleans up buckets.
//!
//! A request's target is written in the canonical form that a signature is about, so that nothing is encoded twice.

mod client;
pub mod config;
pub mod credentials;
pub mod encode;
pub mod profile;
pub mod request;
pub mod sigv4;
pub mod xml;

pub use client::S3Client;
pub(crate) use client::told;
pub use config::S3Config;
pub use credentials::{Credentials, Lookup};
pub use request::{Endpoint, Head};
pub use sigv4::{AmzTime, Signer};
