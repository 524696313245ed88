//! The data that a tool works on: what the data directory says, and the mountpaths themselves.

use super::args;
use crate::cluster::{Replica, STATE_FILE, View, read_state};
use crate::disks::{self, Found, Known};
use crate::store::{BucketRef, Mountpath, StoreConfig, StoreSetup};
use placement::NodeLayout;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uring::Driver;

/// The facts that a data directory holds.
pub(super) struct Site {
    pub(super) data_dir: PathBuf,
    pub(super) buckets: Vec<Arc<BucketRef>>,
    /// Where the node was reached, without a trailing slash.
    pub(super) url: Option<String>,
    /// All that the node has.
    known: Vec<Known>,
    /// Where they are looked for.
    paths: Vec<PathBuf>,
    /// Some of them are enough.
    is_partial: bool,
    cluster_id: String,
    first_new_bucket: u64,
}

/// The mountpaths of a store that nobody else uses.
pub(super) struct OpenSite {
    pub(super) mountpaths: Arc<[Arc<Mountpath>]>,
    /// Mountpaths of the node that are not among them.
    pub(super) left_out: Vec<Known>,
}

impl Site {
    /// Reads the state of the node's data directory.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(super) fn find(args: &args::Site) -> io::Result<Self> {
        let data_dir = data_dir(args);
        let found = read_state(&data_dir)?.ok_or_else(|| {
            io::Error::other(format!(
                "there is no {}: the names and numbers of the buckets are in it (--data-dir)",
                data_dir.join(STATE_FILE).display()
            ))
        })?;
        let known = disks::read(&data_dir, STATE_FILE)?.unwrap_or_default();
        Ok(Self::new(data_dir, &found.replica, known, args))
    }

    fn new(data_dir: PathBuf, replica: &Replica, known: Vec<Known>, args: &args::Site) -> Self {
        let state = &replica.cluster;
        let target = state.smap.tmap.values().next();
        let layout = target.and_then(|target| target.layout.clone()).unwrap_or_default();
        let last = || known.iter().map(|known| known.path.clone()).collect();
        let paths = if args.mountpaths.is_empty() { last() } else { args.mountpaths.clone() };
        let url = state.smap.pmap.values().next().map(|proxy| proxy.public_net.direct_url.clone());
        let view = View::new(replica, &Arc::new(layout));
        Self {
            data_dir,
            buckets: view.buckets().map(|view| Arc::clone(&view.bucket)).collect(),
            url: url.filter(|url| !url.is_empty()),
            known,
            paths,
            is_partial: args.partial,
            cluster_id: state.smap.uuid.clone(),
            first_new_bucket: state.first_new_bucket_id(),
        }
    }

    /// Opens the mountpaths and keeps others out of them.
    ///
    /// # Errors
    /// `ResourceBusy` when one is in use; a text for what is no mountpath of this node, and for those that are missing
    /// unless some are enough.
    pub(super) fn open(&self) -> io::Result<OpenSite> {
        let found: Vec<Found> = self.paths.iter().map(|path| Found::at(path)).collect::<io::Result<_>>()?;
        disks::refuse_twins(&found)?;
        let missing = disks::missing(&self.known, &found);
        if !missing.is_empty() && !self.is_partial {
            let named: Vec<String> = missing.iter().map(|known| known.to_string()).collect();
            return Err(io::Error::other(format!(
                "not all mountpaths of the node are there: {}; with --partial it is done without them",
                named.join(", ")
            )));
        }
        let mut mountpaths = Vec::new();
        // In the order in which the node has them.
        for known in &self.known {
            let is_it =
                |found: &&Found| found.identity.as_ref().is_some_and(|id| id.mountpath_id == known.id);
            if let Some(found) = found.iter().find(is_it) {
                mountpaths.push(Arc::new(Mountpath::open_existing(&found.path, &self.cluster_id)?));
            }
        }
        let strange = |found: &&Found| !mountpaths.iter().any(|known| known.path == found.path);
        // The missing ones have been named; those given by hand must be what they were taken for.
        if let Some(strange) = found.iter().find(strange).filter(|found| found.identity.is_some()) {
            let why = "it is not one that this node has";
            return Err(io::Error::other(format!("mountpath {}: {why}", strange.path.display())));
        }
        if mountpaths.is_empty() {
            return Err(io::Error::other("there is none of the node's mountpaths: give --mountpath"));
        }
        let left_out: Vec<Known> = missing.into_iter().cloned().collect();
        left_out.iter().for_each(|known| eprintln!("LEFT OUT: {known}"));
        Ok(OpenSite { mountpaths: mountpaths.into(), left_out })
    }

    /// Where names belong, on the whole node.
    pub(super) fn layout(&self) -> NodeLayout {
        let all = self
            .known
            .iter()
            .map(|known| placement::Mountpath::new(known.id.as_str(), known.path.display().to_string()));
        // Lanes and cores are nobody's question here.
        NodeLayout { mountpaths: all.collect(), lanes: 1, core_urls: Vec::new() }
    }

    /// All lanes of these mountpaths, for one ring.
    pub(super) fn setup(&self, driver: &Driver, mountpaths: &Arc<[Arc<Mountpath>]>) -> StoreSetup {
        StoreSetup {
            driver: driver.clone(),
            core: 0,
            cores: 1,
            mountpaths: Arc::clone(mountpaths),
            config: StoreConfig {
                cache_bytes: 0,
                segment_bytes: 64 << 20,
                open_files: 256,
                index_bytes: 256 << 20,
                slow_bytes: 0,
            },
            buckets: self.buckets.clone(),
            first_new_bucket: self.first_new_bucket,
        }
    }
}

/// A mountpath lies in the data directory, as the node has it by default.
fn data_dir(args: &args::Site) -> PathBuf {
    if let Some(dir) = &args.data_dir {
        return dir.clone();
    }
    let above = args.mountpaths.first().and_then(|mountpath| mountpath.parent());
    let above = above.filter(|dir| dir.join(STATE_FILE).exists()).map(Path::to_path_buf);
    above.unwrap_or_else(|| PathBuf::from("straightline-data"))
}
