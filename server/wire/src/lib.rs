//! Every byte that crosses a socket or lies in an extended attribute or a segment, as pure functions over byte slices.
//!
//! The one design decision: **sans I/O.** Nothing here owns a socket, a file, a clock or a task. Parsers take the
//! bytes that have arrived and say what they mean or that more are needed; writers append to a buffer that the
//! caller owns. So the shards read into registered buffers, the tests feed one byte at a time, the fuzzer feeds
//! anything, and the load generator and the command line use the very same code from the client's side.
//!
//! * [`http1`]: HTTP/1.1 heads, bodies and ranges;
//! * [`api`]: the messages of AIStore's native REST API;
//! * [`s3`]: S3's signatures, signed bodies and documents;
//! * [`cksum`]: checksums of objects and blocks;
//! * [`lom`]: an object's metadata on disk;
//! * [`hex`], [`varint`]: short forms of checksums and numbers;
//! * [`segment`]: files of many small objects, which are TAR archives.
//!
//! Input from outside is bounded before it is believed: every length, count and nesting has a limit that is a
//! named constant beside its parser, and no input makes a function here panic.

pub mod api;
pub mod cksum;
pub mod hex;
pub mod http1;
pub mod lom;
pub mod s3;
pub mod segment;
mod text;
pub mod varint;
