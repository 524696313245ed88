//! Operations on objects and buckets, the same for every protocol that asks for them.
//!
//! A façade makes a typed request of what it has read and an answer of what comes back; everything in between is here:
//! rights ([`rights`]), conditions, ranges, versions, retries and counters. Each operation runs on the core that owns the
//! object; those that span cores ask the others by `Shard::call`.

mod append;
mod bucket;
mod carry_out;
mod change;
mod copy;
mod get;
mod list;
mod locate;
mod rights;

pub(crate) use append::{AppendHandle, append, flush};
pub(crate) use bucket::{
    change_cluster, close_bucket, create_bucket, create_like, destroy_bucket, open_bucket, usage,
};
pub(crate) use change::{Put, SetCustom, delete};
pub(crate) use copy::{copy_object, rename_object};
pub(crate) use get::{Get, Got, head};
pub(crate) use list::{Line, Lines, List, names_page};
pub(crate) use locate::{ObjectRef, bucket, locate, locate_digest, locate_in};
pub(crate) use rights::{Caller, Operation, allow};
