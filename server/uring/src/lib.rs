//! One io_uring per core, and everything `unsafe` that an object store needs.
//!
//! The one design decision: **the kernel owns what it was given until it says it is done.** Every operation moves its
//! buffers, paths and headers into an [`Op`] future. If that future is dropped while the kernel still works on it, the
//! operation is cancelled and its memory is parked in the driver's slot until the last completion arrives; so no
//! caller, however it races or times out, can free memory under a running DMA. Callers above this crate are entirely
//! safe Rust.
//!
//! * [`Driver`] is the ring of one core: it is `!Send`, submits in batches and wakes futures from completions.
//! * [`Pool`] is that core's registered memory: a buddy allocator over segments that are registered as they are needed,
//!   up to a budget. [`Buf`] is a uniquely owned piece of it, [`Chunk`] a shared, read-only one.
//! * [`Grower`] makes the memory of pools resident ahead of demand, on threads of its own; [`Tender`] takes it in.
//! * [`DirectFile`] is a file opened with `O_DIRECT` whose alignment came from `statx`.
//! * [`Mailbox`] carries values from other cores and rings this core's bell only when it sleeps.
//! * [`Helpers`] are threads for calls that may wait for a disk; [`Offload`] is one core's way to them and back.
//! * [`Executor`] runs a core's tasks and its ring; its thread sleeps in the ring only, and never on work.
//! * [`block_on()`] is an executor for a thread that has none: a tool's or a test's.
//! * [`fault`] has steps fail that a test names.
//! * [`sys`] holds the plain system calls that are faster outside a ring (cached metadata: 20 times).

mod arena;
mod block_on;
mod buddy;
mod bytes;
mod driver;
mod executor;
pub mod fault;
mod file;
mod growth;
mod helpers;
mod mailbox;
mod offload;
mod op;
mod ops;
mod pool;
mod probe;
mod slots;
pub mod sock;
pub mod sys;
mod tender;

pub use block_on::{block_on, block_on_within};
pub use bytes::StableBytes;
pub use driver::{Driver, DriverConfig, DriverStats};
pub use executor::{
    Executor, LoopStats, Pulse, SLEEP_MAX, STEP_BUCKETS, Task, loop_stats, spawn_local, step_bucket_ns,
    yield_now,
};
pub use file::{ClosedAside, DirectFile, OpenMode, Opened};
pub use growth::Grower;
pub use helpers::{HelperStats, Helpers};
pub use mailbox::{MailFull, MailReceiver, MailSender, Mailbox};
pub use offload::Offload;
pub use op::Op;
pub use ops::{AcceptStream, ZcVerdict};
pub use pool::{Buf, Chunk, Pool, PoolConfig, PoolStats};
pub use probe::{Features, KernelTooOld};
pub use tender::Tender;

/// Buffers are cut in multiples of this; it satisfies the direct-I/O alignment of every block device in use.
pub const LEAF_BYTES: usize = 4096;
/// The largest single buffer.
pub const BUF_BYTES_MAX: usize = 1 << 20;
