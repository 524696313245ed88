//! Who this node is: made once, kept in the data directory, locked while the node runs.

use crate::durable::write_json;
use crate::jobs::{new_uuid, random_u64};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;
use wire::api::ids::{daemon_id_from, validate_daemon_id};
use wire::api::timefmt::{DATE_TIME, format_nanos};

const FILE: &str = "node.json";

/// The ids of this process's nodes and of their cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) proxy_id: String,
    pub(crate) target_id: String,
    pub(crate) cluster_id: String,
    pub(crate) created: String,
}

/// Keeps other processes out of the data directory.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    _file: fs::File,
}

impl Identity {
    /// Reads the identity, or makes one for an empty directory.
    ///
    /// # Errors
    /// When another process uses the directory, or what is in it is no identity.
    pub(crate) fn load_or_create(data_dir: &Path) -> io::Result<(Self, DataDirLock)> {
        let refuse = |why: String| io::Error::other(format!("data directory {}: {why}", data_dir.display()));
        fs::create_dir_all(data_dir).map_err(|e| refuse(e.to_string()))?;
        let lock = fs::File::create(data_dir.join("lock")).map_err(|e| refuse(e.to_string()))?;
        if !uring::sys::try_lock(&lock)? {
            return Err(refuse("another node uses it".to_owned()));
        }
        let identity = match fs::read(data_dir.join(FILE)) {
            Ok(bytes) => serde_json::from_slice::<Self>(&bytes)
                .map_err(|e| refuse(format!("{FILE} is damaged: {e}")))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let identity = Self::new();
                write_json(&data_dir.join(FILE), &identity)?;
                identity
            }
            Err(e) => return Err(refuse(e.to_string())),
        };
        for id in [&identity.proxy_id, &identity.target_id] {
            validate_daemon_id(id).map_err(|e| refuse(format!("{FILE}: {e}")))?;
        }
        Ok((identity, DataDirLock { _file: lock }))
    }

    fn new() -> Self {
        Self {
            proxy_id: daemon_id_from(true, random_u64()),
            target_id: daemon_id_from(false, random_u64()),
            cluster_id: new_uuid(),
            created: format_nanos(crate::clock::unix_ns(), DATE_TIME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_locked() {
        let dir = tempfile::tempdir().unwrap();
        let (first, lock) = Identity::load_or_create(dir.path()).unwrap();
        assert!(Identity::load_or_create(dir.path()).unwrap_err().to_string().contains("another node"));
        drop(lock);
        let (second, _lock) = Identity::load_or_create(dir.path()).unwrap();
        assert_eq!(first.target_id, second.target_id);
    }

    #[test]
    fn damage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(Identity::load_or_create(dir.path()).is_err());
    }
}
