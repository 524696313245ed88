//! Client connections on the ring: what the loader, and a node that talks to others, send requests with.
//!
//! The one design decision: **an exchange owns nothing.** Connections belong to a core's [`Peers`], memory to the [`Room`] of
//! whoever asks, time to its [`Slot`]; a [`Line`] borrows all three for one request and its answer. So a worker that asks
//! all day long allocates nothing, and whoever gives up an exchange only drops a future.
//!
//! ```text
//! Peers::take -> Conn    Room, Slot
//!       \          |       /
//!            Line::ask / push -> Answer -> next ... None -> Peers::keep
//! ```
//!
//! * [`address`]: `host:port` and `https://host:port`, URLs, redirects. [`Tls`]: whom to trust, and who we are.
//! * [`Peers`]: the servers of a core, the connections that are kept to each, and how many there may be ([`PoolLimits`]).
//! * [`Line`]: sends the head in [`Room::head`] and a body from a [`Source`], reads the head of the [`Answer`], then its body
//!   piece by piece. TLS (rustls) lies between line and socket; the ring carries the ciphertext.
//! * [`Watch`]: cuts exchanges that are out of time ([`Patience`]): at an instant, or some time after the last byte moved.
//! * [`LinkError`]: why there is no answer. A status is an answer, whatever it says; redirects are the caller's to follow,
//!   who knows whether its signature, token and body may go elsewhere ([`address::follow`]).
//!
//! Sizes are in bytes, times are [`std::time::Duration`]s or instants of the monotonic clock.

pub mod address;
mod body;
mod error;
mod exchange;
mod line;
mod peers;
mod ready;
mod session;
mod source;
pub mod trust;
mod watch;

pub use error::{ErrorKind, LinkError};
pub use exchange::Leave;
pub use line::{Answer, Line, Room};
pub use peers::{Conn, Manner, PeerId, Peers, PoolLimits};
pub use source::{Piece, Source};
pub use trust::Tls;
pub use watch::{Patience, Slot, Watch};
