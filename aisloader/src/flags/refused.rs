//! AIStore's flags that need what a cluster of ours does not have. They are read and checked as all others, and may
//! state their defaults; anything else is refused with the reason.

use super::table::{
    Flag,
    Kind::{Bool, Int, Text},
    flag,
};

/// A flag that is known, and why it has no effect.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The flag; its help says what it does in AIStore's loader.
    pub flag: Flag,
    /// Why it cannot be served.
    pub why: &'static str,
}

const BATCHES: &str = "the loader sends no GetBatch requests";
const PARALLEL: &str =
    "the loader reads an object over one connection; several workers share the load instead";
const REMOTE: &str = "it concerns buckets of a remote backend, and the loader works on the cluster's own";
const TRANSFORMS: &str = "the cluster runs no transformations (ETL)";

/// All of them.
pub const REFUSED: &[Refused] = &[
    refused("get-batchsize", Int, "0", "names per GetBatch request", BATCHES),
    refused("cont-on-err", Bool, "false", "GetBatch: tolerate missing names", BATCHES),
    refused("mpdstream-chunk-size", Int, "0", "bytes per parallel part of a GET", PARALLEL),
    refused("mpdstream-workers", Int, "0", "parallel parts of a GET", PARALLEL),
    refused("pctmpdstream", Int, "0", "percentage of GETs made in parallel parts", PARALLEL),
    refused("latest", Bool, "false", "validate objects against the remote backend", REMOTE),
    refused("cached", Bool, "false", "list only objects that are in the cluster", REMOTE),
    refused("list-dirs", Bool, "false", "list virtual directories", REMOTE),
    refused("nbi", Bool, "false", "list by a bucket inventory", REMOTE),
    refused("evict-batchsize", Int, "1000", "names per evict request", REMOTE),
    refused("etl", Text, "", "transformation of GET, by name", TRANSFORMS),
    refused("etl-spec", Text, "", "transformation of GET, by the file that specifies it", TRANSFORMS),
];

const fn refused(
    name: &'static str,
    kind: super::table::Kind,
    default: &'static str,
    help: &'static str,
    why: &'static str,
) -> Refused {
    Refused { flag: flag(name, kind, default, help), why }
}
