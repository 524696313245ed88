//! Talking to servers outside of the load: what comes before a run and after it, and what both sides of that say.
//!
//! From settings come addresses and keys; out come names, buckets and the way to each object. The engine words its own
//! requests with [`listing`] and [`s3`], and finds its servers with [`route`].
//!
//! * [`http`] is one blocking exchange with whoever is at a [`link::address`];
//! * [`Client`] speaks AIStore's own protocol, [`s3`] is the other one; [`listing`] is the exchange for names;
//! * [`gateways`] says who can be asked, [`DirectMap`] where each object lives.

pub mod gateways;
pub(crate) mod http;
pub mod listing;
mod native;
pub mod route;
pub mod s3;

pub use link::Tls;
pub use native::{Client, ClientError, Detail};
pub use route::DirectMap;
