//! The ring of a tool's own thread.

use std::io;
use uring::{Driver, DriverConfig, PoolConfig};

/// Entries of the submission queue.
const RING_ENTRIES: u32 = 256;
/// Registered memory at most; it is taken as it is needed.
const POOL_BYTES: usize = 128 << 20;

/// A ring for a tool.
///
/// # Errors
/// When the kernel has none for us.
pub(super) fn open() -> io::Result<Driver> {
    Driver::new(DriverConfig { entries: RING_ENTRIES, pool: PoolConfig { size_bytes_max: POOL_BYTES } })
}
