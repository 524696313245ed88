//! Content that can be verified without the server's help.
//!
//! An object is a sequence of blocks of 4 KiB. Each begins with a [`Stamp`] that says whose block it is: of which name,
//! which version, at which place, made from which seed. The rest of the block comes from a [`Pool`] of bytes, at a place
//! that follows from the stamp. So every byte of an object can be computed again from what its stamps say, and no list
//! of what was written has to be kept:
//!
//! * [`stamp`] is the stamp as bytes, [`pool`] what fills the blocks, [`generate`] both together;
//! * [`settings`] are the flags about all that;
//! * [`verify`] reads an object and finds what is wrong with it, as a [`damage`] with a name and a place;
//! * [`versions`] knows which versions this run has seen acknowledged, and so which ones are stale.

pub mod damage;
pub mod generate;
pub mod pool;
pub mod settings;
pub mod stamp;
pub mod verify;
pub mod versions;

pub use damage::{Damage, DamageKind};
pub use pool::{Pool, Pools};
pub use settings::{Settings, Verify};
pub use stamp::{Identity, Recipe, Stamp};
pub use verify::{Expected, Verifier};
pub use versions::{Known, Outcome, Versions};

#[cfg(test)]
mod tests;
