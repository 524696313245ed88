//! What one core keeps of the node's objects: its lanes, their index, and the way to and from the disk.
//!
//! The interface is narrow on purpose, because the engine behind it will change: [`Store::find`], [`Store::read`],
//! [`Store::writer`], [`Store::remove`], [`Store::set_custom`], [`Store::scan`], [`Store::forget_bucket`]. In this
//! first form every object is one plain file with its metadata in an extended attribute, and the ordered index lives
//! in memory and is rebuilt at the start.

mod commit;
mod engine;
mod entry;
mod index;
mod lsm;
mod mountpath;
mod names;
mod open;
mod reader;
mod recover;
mod sidecar;
mod writer;

pub(crate) use engine::{Store, StoreConfig, StoreStats};
pub(crate) use entry::{BucketRef, Entry, Key};
pub(crate) use index::{ScanItem, ScanQuery};
pub(crate) use mountpath::{FormatRequest, Mountpath};
pub(crate) use open::OpenObject;
pub(crate) use reader::{Piece, Reader};
pub(crate) use recover::{Recovered, RecoveryReport, recover};
pub(crate) use writer::{ByteSource, NewObject, Writer};

/// Data is checksummed and verified in blocks of this size.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;
/// Reads and writes go to the disk in pieces of this size.
pub(crate) const CHUNK_BYTES: usize = 512 << 10;
/// Name of the extended attribute that holds an object's metadata.
pub(crate) const META_XATTR: &str = "user.straightline";
