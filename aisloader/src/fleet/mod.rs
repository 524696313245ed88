//! Several loaders that make one load: agents do it, a coordinator starts them at one instant and merges what they count.
//!
//! * [`protocol`] is what they say to each other, and its bounds;
//! * bottom up: `frame` cuts bytes into messages, `token` proves and seals, `link` is a connection, `handshake` its begin;
//! * `clock` says how far the clocks of two programs are apart;
//! * [`agent`] is `aisloader agent`; [`coordinator`] is the other side, whose seconds `merge` puts together.

pub mod agent;
mod clock;
pub mod coordinator;
mod frame;
mod handshake;
mod link;
mod merge;
mod protocol;
mod token;
