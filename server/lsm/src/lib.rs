//! The ordered index of one lane on disk: a small log-structured merge tree, driven by the ring of the lane's core.
//!
//! The one design decision: **the caller has a log, a lane's segments, and the index is only a faster way to know what
//! that says.** So it has no log of its own. Each flush records an opaque *checkpoint*, up to which the runs are complete;
//! the caller puts in what came later. And an index that is damaged is thrown away and built anew, so nothing is repaired:
//! every byte on disk is under a checksum, and what does not match is an error, never an answer.
//!
//! The caller also says when there is work: [`LaneIndex::freeze`] and [`LaneIndex::flush`] when a memtable is large,
//! [`LaneIndex::merge_step`] as long as there is something to merge. There are no threads: reads, writes and
//! flushes are futures of the ring, and what computes for long steps aside now and then.
//!
//! * Changes go into the [`memtable`]; frozen, it becomes a run ([`flush`]); runs are merged ([`compact`]).
//! * A [`run`] is a sorted file of [`block`]s; its [`filter`] and its [`sparse`] map stay in memory, about two bytes an
//!   entry. [`footer`] describes it, [`run_writer`] writes it.
//! * [`cache`] holds blocks and read buffers for all lanes of a core; [`reserve`] says why the buffers are its own.
//! * [`manifest`] says which runs there are, and which [`checkpoint`]; [`open`] starts from it, [`files`] replaces it.
//! * Scans ([`cursor`]) and merges are one [`merge`] over [`source`]s.
//! * [`inspect`] and [`verify`] are for the check tool; [`retire`] lets an index go that another one replaces. [`codec`] and [`turn`] are small helpers.
//! * [`Error`] tells damage from what the disk says.

mod block;
mod cache;
mod checkpoint;
mod codec;
mod compact;
mod cursor;
mod error;
mod files;
mod filter;
mod flush;
mod footer;
mod index;
mod inspect;
mod manifest;
mod memtable;
mod merge;
mod open;
mod reserve;
mod retire;
mod run;
mod run_writer;
mod source;
mod sparse;
mod turn;
mod verify;

pub use cache::{CacheStats, IndexCache};
pub use cursor::Cursor;
pub use error::{Error, Result};
pub use files::{Home, MANIFEST};
pub use index::{IndexStats, LaneIndex, Peek};
pub use merge::Step;
pub use open::Opened;

/// Everything in a file begins and ends at multiples of this, so that direct I/O can read and write it.
const PAGE_BYTES: usize = uring::LEAF_BYTES;
/// Bytes of the largest block: one entry alone may need as much.
const BLOCK_BYTES_MAX: usize = 128 << 10;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod testing;
