//! Buckets that are no more, as the server's map of buckets tells them: their entries lie in the index until a merge
//! drops them.

use crate::error::Result;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "dead-buckets";
const ASIDE: &str = "dead-buckets.tmp";

/// The first bytes of the keys of a bucket.
type Prefix = [u8; 8];

/// Buckets of an index whose entries must not be seen.
pub(super) struct Dead {
    dir: PathBuf,
    buckets: BTreeSet<Prefix>,
}

impl Dead {
    /// Reads which these are; there may be no file yet.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let bytes = match fs::read(dir.join(FILE)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(say(e)),
        };
        let (prefixes, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(format!("{FILE}: {} bytes", bytes.len()));
        }
        Ok(Self { dir: dir.to_path_buf(), buckets: prefixes.iter().copied().collect() })
    }

    /// True when the key is of such a bucket.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        !self.buckets.is_empty() && key.first_chunk().is_some_and(|prefix| self.buckets.contains(prefix))
    }

    /// Adds one, durably.
    pub(super) fn add(&mut self, bucket: Prefix) -> Result<()> {
        self.buckets.insert(bucket);
        let bytes: Vec<u8> = self.buckets.iter().flatten().copied().collect();
        let mut file = File::create(self.dir.join(ASIDE)).map_err(say)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(say)?;
        fs::rename(self.dir.join(ASIDE), self.dir.join(FILE)).map_err(say)?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(say)
    }
}

fn say(error: std::io::Error) -> String {
    format!("{FILE}: {error}")
}
