//! An index as it lies on the disk, for tools that must not change anything.

use super::files::{Home, MANIFEST, checkpoint_name, run_name};
use super::index::LaneIndex;
use super::manifest::Manifest;
use super::open::{Opened, open_named, read_manifest};
use crate::error::{Error, Result};

impl LaneIndex {
    /// Opens the index to read it. What is put into it later stays in memory: it must never be flushed or merged.
    ///
    /// # Errors
    /// `Corrupt` when the manifest or a file that it names is missing or damaged. What the disk says otherwise.
    pub async fn open_as_is(home: Home) -> Result<Opened> {
        let manifest = read_manifest(&home).await?;
        let manifest = manifest.ok_or_else(|| Error::corrupt("the index has no manifest"))?;
        open_named(home, manifest).await
    }

    /// An empty index that exists in memory only, in the place of one that cannot be read.
    pub fn in_memory(home: Home) -> Opened {
        let manifest = Manifest { next_seq: 1, ..Manifest::default() };
        let index = Self::new(home, manifest, Vec::new());
        Opened { index, checkpoint: Vec::new() }
    }

    /// Names of the files that the index consists of.
    pub fn file_names(&self) -> Vec<String> {
        let runs = self.runs.borrow();
        let runs = runs.iter().map(|run| run_name(run.record().seq));
        let checkpoint = self.checkpoint.get().map(|checkpoint| checkpoint_name(checkpoint.seq));
        runs.chain(checkpoint).chain([MANIFEST.to_owned()]).collect()
    }
}
