//! Shards: objects that are archives of many small files.

use super::random::{Stream, draw, scale};
use serde::Serialize;

/// The separator between the name of a shard and the path of a file in it, as listings write them.
const SHARD_END: &str = ".tar/";
/// Files of a shard when nothing says how many or how large.
const FILES_DEFAULT: u64 = 10;
/// Most files of a shard: their sizes are kept while it is sent.
pub const FILES_MAX: u64 = 100_000;

/// The settings for writing and reading shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Archives {
    /// Percentage of new objects that are shards.
    pub pct: u32,
    /// The end of a shard's name, added to it.
    pub extension: &'static str,
    /// Files of a shard; 0: as their sizes say.
    pub files: u64,
    /// Least and greatest size of a file; `None`: as the size of the shard says.
    pub file_bytes: Option<(u64, u64)>,
    /// The begin of the paths in a shard.
    pub prefix: String,
    /// Read the files in shards instead of whole objects.
    pub is_read: bool,
}

impl Archives {
    /// The sizes in bytes of the files of a shard of about `shard_bytes`. `key` makes shards different.
    #[must_use]
    pub fn file_sizes(&self, shard_bytes: u64, seed: u64, key: u64) -> Vec<u64> {
        let files = if self.files == 0 { FILES_DEFAULT } else { self.files };
        let Some((least, most)) = self.file_bytes else {
            return (0..files).map(|_| shard_bytes.checked_div(files).unwrap_or(0)).collect();
        };
        let span = most.saturating_sub(least).saturating_add(1);
        let size = |n| least.saturating_add(scale(draw(seed, Stream::Member, key, n), span));
        if self.files > 0 {
            return (0..files).map(size).collect();
        }
        let mut left = shard_bytes;
        let fits = |size: &u64| {
            let is_first = left == shard_bytes;
            left = left.saturating_sub(*size);
            is_first || left > 0
        };
        (0..FILES_MAX).map(size).take_while(fits).collect()
    }

    /// The path of a file in its shard.
    #[must_use]
    pub fn path(&self, number: u64) -> String {
        format!("{}{number:06}", self.prefix)
    }
}

/// The shard and the path in it, of a name as listings write it; `None`: it is not in a shard.
#[must_use]
pub fn split(name: &str) -> Option<(&str, &str)> {
    let at = name.find(SHARD_END)?.saturating_add(SHARD_END.len());
    let (shard, path) = name.split_at_checked(at)?;
    Some((shard.trim_end_matches('/'), path)).filter(|(_, path)| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_sizes_of_files() {
        let of = |files, file_bytes| Archives { files, file_bytes, ..Archives::default() };
        assert_eq!(of(4, None).file_sizes(4096, 1, 2), [1024; 4]);
        assert_eq!(of(0, None).file_sizes(1000, 1, 2), [100; 10]);
        let sizes = of(50, Some((10, 20))).file_sizes(1, 1, 2);
        assert!(sizes.len() == 50 && sizes.iter().all(|size| (10..=20).contains(size)));
        let sizes = of(0, Some((10, 20))).file_sizes(3000, 1, 2);
        assert!((2900..=3000).contains(&sizes.iter().sum::<u64>()), "{sizes:?}");
        assert_ne!(sizes, of(0, Some((10, 20))).file_sizes(3000, 1, 3));
        // At least one file, and never without end.
        assert_eq!(of(0, Some((10, 10))).file_sizes(1, 1, 2), [10]);
        assert_eq!(of(0, Some((0, 0))).file_sizes(1, 1, 2).len() as u64, FILES_MAX);
    }

    #[test]
    fn names_of_files_in_shards() {
        assert_eq!(split("d/s.tar/a/b.txt"), Some(("d/s.tar", "a/b.txt")));
        assert_eq!(split("s.tar/x.tar/y"), Some(("s.tar", "x.tar/y")));
        for plain in ["s.tar", "s.tar/", "a/b", ""] {
            assert_eq!(split(plain), None);
        }
    }
}
