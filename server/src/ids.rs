//! Ids that nobody else makes: of jobs, listings, nodes and mountpaths.

use crate::clock;
use wire::api::ids::uuid_from;

/// A fresh id for a job, a listing or a node.
pub(crate) fn new_uuid() -> String {
    uuid_from(random_u64(), random_u64())
}

/// Eight random bytes from the system.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => u64::from_ne_bytes(bytes),
        // The call cannot fail after boot; time is unique enough for an id.
        Err(_) => clock::unix_ns() as u64,
    }
}
