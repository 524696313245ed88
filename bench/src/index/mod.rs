//! Engines for the ordered index of a lane, measured side by side.
//!
//! An engine joins by implementing [`engine::IndexEngine`], whose methods are whole pieces of a scenario, so that one with an
//! executor and a ring of its own can do them its way (`with_lsm`); engines with blocking calls implement
//! `blocking::Store`.
//! Then it gets a variant in [`kind::Kind`] and a line in [`kind::Kind::open`].

mod blocking;
mod children;
mod command;
mod crash;
mod engine;
mod handover;
mod keys;
mod kind;
mod legend;
mod lsm_dead;
mod lsm_log;
mod measure;
mod meters;
mod result;
mod with_fjall;
mod with_lsm;
mod with_redb;

pub(crate) use children::{ChildArgs, run as run_part};
pub(crate) use command::{IndexArgs, run};

pub(crate) use engine::{Applied, CACHE_BYTES, IndexEngine, Visit};
pub(crate) use kind::Kind;

#[cfg(test)]
mod testing {
    /// Beside the test's own binary: on a disk that can do direct I/O, which a temporary directory need not be.
    pub(super) fn direct_dir() -> tempfile::TempDir {
        let beside = std::env::current_exe().unwrap();
        tempfile::tempdir_in(beside.parent().unwrap()).unwrap()
    }
}
