//! S3 around the load, which is the engine's: keys, settings, and a client for control requests. The protocol itself is
//! [`wire::s3`].
//!
//! * [`credentials`] finds the keys in the environment and in the files that Amazon's tools share, [`profile`] reads
//!   those files;
//! * [`config`] is what the flags say about all this, and [`S3Client`] makes, lists and cleans up buckets.

mod client;
pub mod config;
pub mod credentials;
pub mod profile;

pub use client::S3Client;
pub(crate) use client::told;
pub use config::S3Config;
pub use credentials::{Credentials, Lookup};
pub use wire::s3::Endpoint;

use std::time::{SystemTime, UNIX_EPOCH};
use wire::s3::AmzTime;

/// The present, by the machine's clock.
pub(crate) fn now() -> AmzTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    AmzTime::from_unix_s(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}
