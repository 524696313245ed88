//! The search for the load that a server takes: fresh open-loop measurements, one a rate, until the highest rate is
//! known at which it keeps its promise.
//!
//! * [`Sweep`](crate::settings::Sweep) is what the user asks for;
//! * [`Knee`] says which rate to try next: doubling until one fails, then halving the gap;
//! * [`Step`] is one measurement and its verdict, [`table`] shows all of them, [`SweepEnd`] is what they come to;
//! * [`sweep()`] puts them together.

mod end;
mod knee;
mod step;
mod sweep;
mod table;

pub use end::SweepEnd;
pub use knee::Knee;
pub use step::Step;
pub use sweep::{Ground, sweep};
