//! One core's part of the node's objects: its lanes, and the way to and from the disk.
//!
//! The interface is narrow on purpose: [`Store::find`], [`Store::read`], [`Store::read_small`], [`Store::writer`],
//! [`Store::remove`], [`Store::set_custom`], [`Store::scan_lines`], [`Store::summarize`], [`Store::forget_bucket`].
//!
//! * A name belongs to a [`lane`], which has a log of segments and an index ([`lsm`]) of its own.
//! * An [`index_key`] is a name in an index, a [`value`] the [`entry`] behind it. Generations come from a [`hybrid_clock`].
//! * Large objects are plain files: [`writer`], [`open`], [`reader`], [`meta`], [`sidecar`], under paths made by [`names`] and [`layout`].
//! * What may wait for a disk is done by helper threads ([`disk`]).
//! * Changes ([`change`]) take a name ([`lock`]), judge what they expect of it ([`expect`]), and are made durable together ([`commit`], [`after`]) or taken
//!   back ([`undo`], [`displaced`]); [`unsettled`] is what waits for its name, [`settle`] what a start decides. [`room`] is what they may not take.
//! * A [`mountpath`] is a directory on a disk; [`formatting`] is what marks it, [`ground`] what it stands on, [`probe`] what
//!   that can do.
//! * [`background`] is what runs beside requests.
//! * [`source`] is where bytes come from, a [`piece`] is some of them, [`slow`] the memory of those that come or go slowly.
//! * [`scan`] lists; [`cache`] keeps what was read again ([`doorkeeper`]); [`start`] opens it all.
//! * [`rebuild`] makes indexes anew that are found damaged while the node serves.
//! * [`check`] verifies everything against everything else; [`inspect`] opens it all without changing anything.

mod after;
mod background;
mod cache;
mod change;
mod check;
mod commit;
mod disk;
mod displaced;
mod doorkeeper;
mod engine;
mod entry;
mod expect;
mod formatting;
mod ground;
mod hybrid_clock;
mod index_key;
mod inspect;
mod lane;
mod layout;
mod lock;
mod meta;
mod mountpath;
mod names;
mod open;
mod piece;
mod place;
mod probe;
mod reader;
mod rebuild;
mod room;
mod scan;
mod sessions;
mod settle;
mod sidecar;
mod slow;
mod source;
mod start;
mod sums;
mod undo;
mod unsettled;
mod value;
mod writer;

#[cfg(test)]
mod history_changes;
#[cfg(test)]
mod history_damage;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod limits_tests;

pub(crate) use cache::FieldsForm;
pub(crate) use check::{CheckCounts, CheckPlan, Class, Finding, Observer, leftovers, sidecars_there};
pub(crate) use engine::{Caching, Store, StoreConfig, StoreStats};
pub(crate) use entry::{BucketRef, Entry, Key};
pub(crate) use expect::Expect;
pub(crate) use formatting::{FormatRequest, Identity as MountpathIdentity, holds_objects, identity_at};
pub(crate) use ground::Reach;
pub(crate) use lane::Share;
pub(crate) use layout::LANES_DIR;
pub(crate) use mountpath::Mountpath;
pub(crate) use open::OpenObject;
pub(crate) use piece::Piece;
pub(crate) use reader::Reader;
pub(crate) use scan::{EncodedEntry, ScanLine, ScanQuery, Summary};
pub(crate) use sessions::AppendSessions;
pub(crate) use slow::{OWN_BYTES, QUANTUM_BYTES};
pub(crate) use source::{Arrival, ByteSource, Fill};
pub(crate) use start::{RecoveryReport, StoreSetup};
pub(crate) use writer::{NewObject, Writer};

/// Data is checksummed and verified in blocks of this size.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;
/// Reads and writes go to the disk in pieces of this size.
pub(crate) const CHUNK_BYTES: usize = 512 << 10;
/// Name of the extended attribute that holds an object's metadata.
pub(crate) const META_XATTR: &str = "user.straightline";
