//! The judgement of a run: its figures may be quoted or not, and they are figures of something that is named.
//!
//! Intervals and the end of a run come in, and what this machine and the servers tell; a [`Judgement`] goes out.
//!
//! * [`witness`] watches a run: its seconds ([`series`]), the clock ([`clock`]), this machine ([`machine`]), and the
//!   server as far as it tells or is here ([`server`]);
//! * what it saw is [`evidence`], of several loaders that of each ([`agents`]), of which [`steady`] finds the part that
//!   counts, [`limit`] what limited the run, and [`rules`] what speaks against it: all that is a [`Judgement`], and its
//!   [`verdict`] goes into the log;
//! * [`text`] says so, [`host`] says where all this was.

pub mod agents;
pub mod clock;
pub mod evidence;
pub mod host;
pub mod judgement;
pub mod limit;
pub mod machine;
pub mod rules;
pub mod series;
pub mod server;
pub mod steady;
pub mod text;
pub mod verdict;
pub mod witness;

pub use judgement::Judgement;
