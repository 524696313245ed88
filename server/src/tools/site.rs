//! The data that a tool works on: what the data directory says, and the mountpaths themselves.

use super::args;
use crate::cluster::{ClusterState, STATE_FILE, View, read_state};
use crate::store::{BucketRef, Mountpath, StoreConfig, StoreSetup};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uring::Driver;

/// What a data directory says.
pub(super) struct Site {
    pub(super) data_dir: PathBuf,
    pub(super) buckets: Vec<Arc<BucketRef>>,
    /// Where the node was reached, without a trailing slash.
    pub(super) url: Option<String>,
    mountpaths: Vec<PathBuf>,
    cluster_id: String,
    first_new_bucket: u64,
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
        Self::new(data_dir, &found.state, &args.mountpaths)
    }

    fn new(data_dir: PathBuf, state: &ClusterState, wanted: &[PathBuf]) -> io::Result<Self> {
        let target = state.smap.tmap.values().next();
        let layout = target.and_then(|target| target.layout.clone()).unwrap_or_default();
        let known = || layout.mountpaths.iter().map(|mountpath| PathBuf::from(&mountpath.path));
        let mountpaths = if wanted.is_empty() { known().collect() } else { wanted.to_vec() };
        let url = state.smap.pmap.values().next().map(|proxy| proxy.public_net.direct_url.clone());
        let view = View::new(state, &Arc::new(layout));
        Ok(Self {
            data_dir,
            buckets: view.buckets().map(|view| Arc::clone(&view.bucket)).collect(),
            url: url.filter(|url| !url.is_empty()),
            mountpaths,
            cluster_id: state.smap.uuid.clone(),
            first_new_bucket: state.first_new_bucket_id(),
        })
    }

    /// Opens the mountpaths and keeps others out of them.
    ///
    /// # Errors
    /// `ResourceBusy` when one is in use; a text for what is no mountpath of this cluster.
    pub(super) fn open(&self) -> io::Result<Arc<[Arc<Mountpath>]>> {
        if self.mountpaths.is_empty() {
            return Err(io::Error::other("the data directory names no mountpaths: give --mountpath"));
        }
        let open = |path: &PathBuf| Mountpath::open_existing(path, &self.cluster_id).map(Arc::new);
        self.mountpaths.iter().map(open).collect()
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

/// As the node has it by default, a mountpath lies in the data directory.
fn data_dir(args: &args::Site) -> PathBuf {
    if let Some(dir) = &args.data_dir {
        return dir.clone();
    }
    let above = args.mountpaths.first().and_then(|mountpath| mountpath.parent());
    let above = above.filter(|dir| dir.join(STATE_FILE).exists()).map(Path::to_path_buf);
    above.unwrap_or_else(|| PathBuf::from("straightline-data"))
}
