//! The settings of a run: its flags, checked against each other, with every default resolved.
//!
//! [`Parsed`](crate::flags::Parsed) flags come in; a [`Config`] goes out, and no other room looks at a flag of a run.
//!
//! * [`config`] is the whole, and checks what concerns several of its parts;
//! * the other files are parts that come from a few flags each;
//! * [`whose`] says which flags concern each of several loaders.

mod archives;
mod bucket_props;
pub mod choices;
pub mod config;
pub mod fleet;
mod gateway;
mod naming;
mod range;
mod secret;
pub mod slo;
pub mod sweep;
pub mod terms;
mod token;
pub mod trace;
pub(crate) mod whose;

pub use choices::Choices;
pub use config::{Bounds, Config, Output, Warmup};
pub use fleet::Fleet;
pub(crate) use naming::loader_id;
pub(crate) use secret::Token;
pub use slo::Slo;
pub use sweep::Sweep;
pub use terms::Terms;
pub(crate) use token::token;

#[cfg(test)]
mod tests;
