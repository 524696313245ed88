//! The engine: workers on cores, each with one operation outstanding, one after another or when they are due.
//!
//! A [`Config`](crate::settings::Config) comes in; [`prepare`] makes a [`Plan`] of it, asking servers through a [`Control`].
//! An [`Interval`](crate::recorder::Interval) goes out every second, and a [`RunEnd`](crate::recorder::RunEnd) at the
//! end.
//!
//! * [`shared`] is what the cores of a run and its main thread share;
//! * a [`request`] is an exchange with a server, and everything that it takes;
//! * [`work`] is what one core does, with one request outstanding for each worker;
//! * [`run()`] runs cores, and puts together what they tell.

mod control;
pub(crate) mod prepare;
mod request;
mod run;
mod shared;
mod work;

pub use control::Control;
pub use run::{run, run_when};
pub use shared::plan::Plan;
