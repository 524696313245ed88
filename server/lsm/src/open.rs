//! Opening an index, making a new one, and starting over.

use super::PAGE_BYTES;
use super::checkpoint;
use super::files::{Home, MANIFEST};
use super::index::LaneIndex;
use super::manifest::{self, Manifest};
use super::run::Run;
use crate::error::{Error, Result};
use std::rc::Rc;

/// An index as it was when it was last flushed.
pub struct Opened {
    /// It takes changes from here on.
    pub index: Rc<LaneIndex>,
    /// That of the last flush; empty in a new index. The caller puts in what its log has behind it.
    pub checkpoint: Vec<u8>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({:?}, a checkpoint of {} bytes)", self.index.stats(), self.checkpoint.len())
    }
}

impl LaneIndex {
    /// Opens the index in a lane's directory, or makes an empty one where there is none.
    ///
    /// # Errors
    /// `Corrupt` when the manifest or a run is missing or damaged: then [`LaneIndex::reset`] and put in everything
    /// anew. What the disk says otherwise.
    pub async fn open(home: Home) -> Result<Opened> {
        home.sweep_aside()?;
        let present = home.numbered_files()?;
        let Some(manifest) = read_manifest(&home).await? else {
            // The manifest of an empty index comes before its first run.
            return if present.is_empty() {
                create(home).await
            } else {
                Err(Error::corrupt("the index has runs but no manifest"))
            };
        };
        let opened = open_named(home, manifest).await?;
        let named = opened.index.file_names();
        // A crash in a flush or in a merge has left it.
        for name in present.iter().filter(|name| !named.contains(name)) {
            opened.index.home.remove(name)?;
        }
        Ok(opened)
    }

    /// Removes what there is of an index and makes an empty one.
    ///
    /// # Errors
    /// The disk's error.
    pub async fn reset(home: Home) -> Result<Opened> {
        home.sweep_aside()?;
        // First, and durably: a crash in between leaves files without a manifest, which is no index.
        home.remove(MANIFEST)?;
        home.flush(&home.dir).await?;
        for name in home.numbered_files()? {
            home.remove(&name)?;
        }
        home.flush(&home.dir).await?;
        create(home).await
    }
}

async fn create(home: Home) -> Result<Opened> {
    let manifest = Manifest { next_seq: 1, ..Manifest::default() };
    home.replace_manifest(manifest.encode(), Vec::new()).await?;
    Ok(Opened { index: LaneIndex::new(home, manifest, Vec::new()), checkpoint: Vec::new() })
}

/// Opens what a manifest names.
pub(super) async fn open_named(home: Home, manifest: Manifest) -> Result<Opened> {
    let checkpoint = match &manifest.checkpoint {
        Some(record) => checkpoint::read(&home, record).await?,
        None => Vec::new(),
    };
    let mut runs = Vec::with_capacity(manifest.runs.len());
    for record in &manifest.runs {
        runs.push(Rc::new(Run::open(&home, record).await?));
    }
    Ok(Opened { index: LaneIndex::new(home, manifest, runs), checkpoint })
}

/// `None` when there is none.
pub(super) async fn read_manifest(home: &Home) -> Result<Option<Manifest>> {
    let Some((file, bytes)) = home.open(MANIFEST).await? else { return Ok(None) };
    let damaged = |why: &str| Error::corrupt(format!("the manifest: {why}"));
    if bytes < PAGE_BYTES as u64 {
        return Err(damaged("it is cut short"));
    }
    let first = home.read(&file, 0, PAGE_BYTES as u64).await?;
    match manifest::file_bytes(&first) {
        Some(expected) if expected == bytes => {}
        Some(_) => return Err(damaged("it is not as long as its runs need")),
        None => return Err(damaged("it is no manifest, or one of another version")),
    }
    let whole = if bytes == PAGE_BYTES as u64 { first } else { home.read(&file, 0, bytes).await? };
    Manifest::decode(&whole).map(Some).map_err(damaged)
}
