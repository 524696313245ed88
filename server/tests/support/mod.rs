//! Shared by the whole-system tests: a real node as a process, a real client on real sockets.

#![allow(dead_code, unused_imports, reason = "every test binary uses its own part")]

mod cgroup;
mod data;
mod http;
mod loopfs;
mod process;
mod report;
mod writes;

pub(crate) use cgroup::Cgroup;
pub(crate) use data::{Bucket, content, files_beneath, numbered};
pub(crate) use http::{Client, Reply};
pub(crate) use loopfs::{Frozen, LoopFs, require_root};
pub(crate) use process::{Node, Site, metric};
pub(crate) use report::write_report;
pub(crate) use writes::{Known, Writes};
