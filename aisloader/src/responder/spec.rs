//! The settings of a responder, and its notes on served requests.

use super::delay::{Delay, Stall};
use std::net::SocketAddr;
use std::time::Instant;

/// The settings of a responder.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where to listen; port 0: any.
    pub address: SocketAddr,
    /// Cores that serve; at most those that the process may use.
    pub cores: usize,
    /// Size of every object.
    pub object_bytes: usize,
    /// Names in the listing.
    pub objects: u64,
    /// Service time.
    pub delay: Delay,
    /// Regular stalls.
    pub stall: Option<Stall>,
    /// Note every object request; see [`Responder::served`](super::Responder::served).
    pub is_logged: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            cores: 1,
            object_bytes: 4096,
            objects: 1000,
            delay: Delay::None,
            stall: None,
            is_logged: false,
        }
    }
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// When all of it had been received.
    pub received: Instant,
    /// When its answer was given to the kernel.
    pub answered: Instant,
}
