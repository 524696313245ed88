//! Who this node is: made once, kept in the data directory, locked while the node runs.

use crate::durable::write_json;
use crate::ids::{new_uuid, random_u64};
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
    /// It was made by this start.
    #[serde(skip)]
    is_new: bool,
}

/// Keeps other processes out of the data directory.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    _file: fs::File,
}

impl Identity {
    /// Reads the identity, or makes one for an empty directory. `made_later` is a file that no directory has without an
    /// identity.
    ///
    /// # Errors
    /// When another process uses the directory, or what is in it is no identity, or the identity is gone.
    pub(crate) fn load_or_create(data_dir: &Path, made_later: &str) -> io::Result<(Self, DataDirLock)> {
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
                if data_dir.join(made_later).try_exists()? {
                    return Err(refuse(format!(
                        "{FILE} is gone and {made_later} is there: restore {FILE}, which says who this node is"
                    )));
                }
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
            is_new: true,
        }
    }

    /// Adds to why a mountpath was refused, when that may be for want of the old identity.
    pub(crate) fn explain(&self, refused: io::Error, data_dir: &Path) -> io::Error {
        if !self.is_new {
            return refused;
        }
        let file = data_dir.join(FILE);
        io::Error::new(
            refused.kind(),
            format!("{refused} (there was no {}: this start has made a new one)", file.display()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_locked() {
        let dir = tempfile::tempdir().unwrap();
        let (first, lock) = Identity::load_or_create(dir.path(), "state").unwrap();
        assert!(
            Identity::load_or_create(dir.path(), "state").unwrap_err().to_string().contains("another node")
        );
        drop(lock);
        let (second, _lock) = Identity::load_or_create(dir.path(), "state").unwrap();
        assert_eq!(first.target_id, second.target_id);
    }

    #[test]
    fn an_identity_that_is_gone_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        drop(Identity::load_or_create(dir.path(), "state").unwrap());
        fs::write(dir.path().join("state"), "{}").unwrap();
        fs::remove_file(dir.path().join(FILE)).unwrap();
        let refused = Identity::load_or_create(dir.path(), "state").unwrap_err();
        assert!(refused.to_string().contains("node.json is gone"), "{refused}");
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn damage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(Identity::load_or_create(dir.path(), "state").is_err());
    }
}
