//! What can be done with objects and buckets, whatever protocol asks for it.
//!
//! A façade makes a typed request of what it has read and an answer of what comes back; everything in between is here:
//! rights ([`rights`]), conditions, ranges, versions, retries and counters. Each operation runs on the core that owns the
//! object; those that span cores ask the others by `Shard::call`.

mod append;
mod bucket;
mod change;
mod check;
mod copy;
mod get;
mod list;
mod locate;
mod many;
mod patience;
mod rights;

pub(crate) use append::{AppendHandle, append, flush};
pub(crate) use bucket::{change_cluster, create_bucket, create_like, destroy_bucket, usage};
pub(crate) use change::{Put, SetCustom, delete};
pub(crate) use check::{STORE_CHECK, start_check};
pub(crate) use copy::{copy_object, rename_object};
pub(crate) use get::{Get, Got, head};
pub(crate) use list::{Line, Lines, List};
pub(crate) use locate::{ObjectRef, bucket, locate, locate_digest};
pub(crate) use many::{copy_bucket, delete_many, rename_bucket};
pub(crate) use rights::{Caller, Operation, allow};
