//! The engines by name.

use super::engine::IndexEngine;
use super::{blocking, with_fjall, with_lsm, with_redb};
use crate::error::Result;
use clap::ValueEnum;
use std::path::Path;

/// The engines that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// An LSM tree.
    Fjall,
    /// A B-tree.
    Redb,
    /// Our own LSM tree, alone: what is durable is in its runs.
    Lsm,
    /// The same with a log before it, as the server uses it.
    LsmLog,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Fjall, Self::Redb, Self::Lsm, Self::LsmLog];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Redb => "redb",
            Self::Lsm => "lsm",
            Self::LsmLog => "lsm-log",
        }
    }

    /// Version and settings, for the record.
    pub(super) const fn settings(self) -> &'static str {
        match self {
            Self::Fjall => with_fjall::SETTINGS,
            Self::Redb => with_redb::SETTINGS,
            Self::Lsm => with_lsm::SETTINGS,
            Self::LsmLog => with_lsm::SETTINGS_WITH_LOG,
        }
    }

    /// Opens what lies in the directory, or makes it.
    pub(super) fn open(self, dir: &Path) -> Result<Box<dyn IndexEngine>> {
        Ok(match self {
            Self::Fjall => Box::new(blocking::Calls::<with_fjall::Fjall>::open(dir)?),
            Self::Redb => Box::new(blocking::Calls::<with_redb::Redb>::open(dir)?),
            Self::Lsm => Box::new(with_lsm::Lsm::open(dir, with_lsm::Durable::ByRuns)?),
            Self::LsmLog => Box::new(with_lsm::Lsm::open(dir, with_lsm::Durable::ByLog)?),
        })
    }
}
