//! Jobs: what runs in the background inside the cluster, beside requests.
//!
//! A façade starts a job and tells its id. The job's body ([`delete_many`], [`copy_bucket`], [`rename_bucket`],
//! [`start_check`]) works in steps on the core that was asked, with the operations of `object`. Between steps it looks for the
//! word that ends it ([`abort`]), and it counts what it has done in the [`job`] that it holds ([`run`]). The [`list`] answers
//! questions about all of them, and the [`mod@file`] remembers them beyond a restart.
//!
//! Names that a request selects are never all in memory: templates make theirs one batch at a time, prefixes and
//! buckets are walked a page at a time.

mod abort;
mod check;
mod check_state;
mod copy;
mod delete;
mod file;
mod filter;
mod job;
mod list;
mod run;

pub(crate) use check::start_check;
pub(crate) use check_state::CheckReport;
pub(crate) use copy::{copy_bucket, rename_bucket};
pub(crate) use delete::delete_many;
pub(crate) use filter::{Filter, is_kind};
pub(crate) use job::{About, STORE_CHECK};
pub(crate) use list::Jobs;
