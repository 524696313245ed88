//! What can be done with objects and buckets, whatever protocol asks for it.
//!
//! Each operation runs on the core that owns the object; those that span cores ask the others by `Shard::call`.

mod append;
mod bucket;
mod check;
mod copy;
mod list;
mod locate;
mod many;
mod patience;
mod read;
mod write;

pub(crate) use append::{AppendHandle, AppendSessions, append, flush};
pub(crate) use bucket::{change_cluster, destroy_bucket, usage};
pub(crate) use check::{STORE_CHECK, start_check};
pub(crate) use copy::{copy_object, rename_object};
pub(crate) use list::{list_page, location};
pub(crate) use locate::{ObjectRef, bucket, locate, locate_digest};
pub(crate) use many::{begin_renaming, copy_bucket, delete_many, rename_bucket};
pub(crate) use read::payload;
pub(crate) use write::put;
