//! Where an object lives, as pure data.
//!
//! The one design decision: **placement is a function, never a table.** Given the name of an object and the
//! cluster map, every party (proxy, target, load generator, an AIStore client that reads directly) computes the
//! same target, the same mountpath, the same lane and the same core, and nobody asks anybody. For that the
//! hash must be AIStore's to the bit ([`hrw`]), the bytes that are hashed must be AIStore's ([`uname`]), and
//! the map must be the JSON that AIStore's clients read ([`smap`]). Our own part starts below the
//! mountpath: [`lane`] divides a disk among cores, and [`layout`] tells a client which core's port to dial.
//!
//! Nothing here does I/O, reads a clock or waits, so all of it runs in the simulator unchanged.

pub mod hrw;
pub mod lane;
pub mod layout;
pub mod smap;
mod smap_serde;
pub mod uname;

pub use hrw::{SEED, digest, mix, pick, pick_weighted, weight};
pub use lane::{LaneId, lane_of, lane_owner};
pub use layout::{Mountpath, NodeLayout, Route};
pub use smap::{NetInfo, Role, Smap, Snode};
pub use uname::{BckRef, NsRef, Uname, uname_digest, write_uname};
