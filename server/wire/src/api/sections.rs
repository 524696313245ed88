//! The settings that a bucket inherits from the cluster: the same structs appear in both JSON trees.
//!
//! Every field is always written, since AIStore's command line dereferences the sections without a check;
//! every field may be missing when read, and is then the default.

use serde::{Deserialize, Serialize};

use super::units::{GoDuration, SizeIec};

/// `checksum`: how objects are protected end to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CksumConf {
    /// Type of the stored checksum; see [`crate::cksum::CksumType`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Check what comes from a remote backend.
    pub validate_cold_get: bool,
    /// Check the whole-object checksum on every read. (Block checksums are checked always.)
    pub validate_warm_get: bool,
    /// Check objects that move between nodes.
    pub validate_obj_move: bool,
    /// Send the checksum of the range rather than of the object with a 206.
    pub enable_read_range: bool,
}

impl Default for CksumConf {
    fn default() -> Self {
        CksumConf {
            kind: "xxhash2".to_owned(),
            validate_cold_get: false,
            validate_warm_get: false,
            validate_obj_move: false,
            enable_read_range: false,
        }
    }
}

/// `versioning`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionConf {
    /// Number the versions of an object: 1, 2, ...
    pub enabled: bool,
    /// Compare with the remote version on reads.
    pub validate_warm_get: bool,
    /// Also delete what the remote side deleted.
    pub synchronize: bool,
}

impl Default for VersionConf {
    fn default() -> Self {
        VersionConf { enabled: true, validate_warm_get: false, synchronize: false }
    }
}

/// `mirror`: copies on other mountpaths of the same target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MirrorConf {
    /// Copies in all, 2 to 32.
    pub copies: i64,
    /// Depth of the copying queue.
    pub burst_buffer: i64,
    /// True if copies are made.
    pub enabled: bool,
}

impl Default for MirrorConf {
    fn default() -> Self {
        MirrorConf { copies: 2, burst_buffer: 128, enabled: false }
    }
}

/// Settings of every job that sends data between nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct XactConf {
    /// `always` or `never`.
    pub compression: String,
    /// Streams per destination.
    pub bundle_multiplier: i64,
    /// Depth of the work queue.
    pub burst_buffer: i64,
}

impl Default for XactConf {
    fn default() -> Self {
        XactConf { compression: "never".to_owned(), bundle_multiplier: 2, burst_buffer: 128 }
    }
}

/// `ec`: erasure coding across targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EcConf {
    /// Compression and queue of the encoding job.
    #[serde(flatten)]
    pub xact: XactConf,
    /// Bytes; smaller objects are replicated, 0 slices all, -1 replicates all.
    pub objsize_limit: i64,
    /// Data slices, 1 to 32.
    pub data_slices: i64,
    /// Parity slices, 1 to 32: so many nodes may be lost.
    pub parity_slices: i64,
    /// True if objects are encoded.
    pub enabled: bool,
    /// Never buffer slices in memory.
    pub disk_only: bool,
}

impl Default for EcConf {
    fn default() -> Self {
        EcConf {
            xact: Default::default(),
            objsize_limit: 262_144,
            data_slices: 1,
            parity_slices: 1,
            enabled: false,
            disk_only: false,
        }
    }
}

/// `chunks`: large objects as several files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChunksConf {
    /// Objects of this size and more are stored in chunks; 0 never.
    pub objsize_limit: SizeIec,
    /// The most that one file may hold, whatever the limit.
    pub max_monolithic_size: SizeIec,
    /// Size of a chunk.
    pub chunk_size: SizeIec,
    /// Save the partial manifest after so many chunks; 0 keeps it in memory.
    pub checkpoint_every: i64,
    /// Reserved.
    pub flags: u64,
}

impl Default for ChunksConf {
    fn default() -> Self {
        ChunksConf {
            objsize_limit: SizeIec(0),
            max_monolithic_size: SizeIec(1 << 40),
            chunk_size: SizeIec(1 << 30),
            checkpoint_every: 0,
            flags: 0,
        }
    }
}

/// `lru`: eviction of objects that a remote backend also has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LruConf {
    /// Objects read more recently stay.
    pub dont_evict_time: GoDuration,
    /// The time between measurements of capacity.
    pub capacity_upd_time: GoDuration,
    /// Objects per step.
    pub batch_size: i64,
    /// True if eviction runs.
    pub enabled: bool,
}

impl Default for LruConf {
    fn default() -> Self {
        LruConf {
            dont_evict_time: GoDuration::from_secs(7200),
            capacity_upd_time: GoDuration::from_secs(600),
            batch_size: 32_768,
            enabled: true,
        }
    }
}

/// `write_policy`: `immediate`, `delayed` or `never`; empty is the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WritePolicyConf {
    /// When object data is written.
    pub data: String,
    /// When metadata is written.
    pub md: String,
}

impl Default for WritePolicyConf {
    fn default() -> Self {
        WritePolicyConf { data: "immediate".to_owned(), md: "immediate".to_owned() }
    }
}

/// `rate_limit.backend`: how we pace ourselves against a remote backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimitBackend {
    /// Exceptions by verb: `get:5000 put:3500`.
    pub per_op_max_tokens: String,
    /// The interval of `max_tokens`.
    pub interval: GoDuration,
    /// Requests per interval.
    pub max_tokens: i64,
    /// True if the limit applies.
    pub enabled: bool,
    /// Tries after a 429 or 503 of the backend.
    pub num_retries: i64,
}

impl Default for RateLimitBackend {
    fn default() -> Self {
        RateLimitBackend {
            per_op_max_tokens: String::new(),
            interval: GoDuration::from_secs(60),
            max_tokens: 1000,
            enabled: false,
            num_retries: 3,
        }
    }
}

/// `rate_limit.frontend`: how clients are paced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimitFrontend {
    /// Exceptions by verb: `get:5000 put:3500`.
    pub per_op_max_tokens: String,
    /// The interval of `max_tokens`.
    pub interval: GoDuration,
    /// Requests per interval.
    pub max_tokens: i64,
    /// True if the limit applies.
    pub enabled: bool,
    /// Requests above the rate that are let through at once.
    pub burst_size: i64,
}

impl Default for RateLimitFrontend {
    fn default() -> Self {
        RateLimitFrontend {
            per_op_max_tokens: String::new(),
            interval: GoDuration::from_secs(60),
            max_tokens: 1000,
            enabled: false,
            burst_size: 375,
        }
    }
}

/// `rate_limit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimitConf {
    /// Towards remote backends.
    pub backend: RateLimitBackend,
    /// Towards clients.
    pub frontend: RateLimitFrontend,
}
