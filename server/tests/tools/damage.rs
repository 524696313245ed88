//! Bits turned over, and whether they mean anything.

use crate::run::{ATTRIBUTE, Dice};
use crate::support::{Site, files_beneath};
use rustix::fs::XattrFlags;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use wire::segment::{Record, parse};

/// A bit to be turned over.
#[derive(Debug)]
pub(crate) enum Victim {
    File(PathBuf, u64),
    Attribute(PathBuf, usize),
}

/// Files by kind: segments, indexes' manifests, their runs and checkpoints, objects, checksums of large ones.
pub(crate) fn files_by_kind(site: &Site) -> [Vec<PathBuf>; 5] {
    let mut lanes = files_beneath(&site.mountpath.join(".straightline/lanes"));
    lanes.sort();
    let (segments, index): (Vec<_>, Vec<_>) = lanes.into_iter().partition(|path| is_segment(path));
    let (manifests, runs) = index.into_iter().partition(|path| path.ends_with("index.manifest"));
    let mut objects = files_beneath(&site.mountpath.join("@ais"));
    objects.sort();
    let sidecars = files_beneath(&site.mountpath.join(".straightline/crc"));
    let kinds = [segments, manifests, runs, objects, sidecars];
    assert!(kinds.iter().all(|files| !files.is_empty()), "{kinds:?}");
    kinds
}

impl Victim {
    /// A place in a file of one kind or another in turn, or in an object's attribute.
    pub(crate) fn pick(kinds: &[Vec<PathBuf>; 5], turn: usize, dice: &mut Dice) -> Self {
        let kind = turn % (kinds.len() + 1);
        let files = kinds.get(kind).unwrap_or(&kinds[3]);
        loop {
            let path = files[dice.roll(files.len())].clone();
            if kind == kinds.len() {
                let len = attribute(&path).len();
                return Self::Attribute(path, dice.roll(len));
            }
            let len = fs::metadata(&path).unwrap().len();
            if len > 0 {
                return Self::File(path, dice.roll(len as usize) as u64);
            }
        }
    }

    pub(crate) fn flip(&self, bit: u8) {
        match self {
            Self::File(path, at) => {
                let file = fs::File::options().read(true).write(true).open(path).unwrap();
                let mut byte = [0];
                file.read_exact_at(&mut byte, *at).unwrap();
                file.write_all_at(&[byte[0] ^ 1 << bit], *at).unwrap();
                file.sync_all().unwrap();
            }
            Self::Attribute(path, at) => {
                let mut value = attribute(path);
                value[*at] ^= 1 << bit;
                rustix::fs::setxattr(path, ATTRIBUTE, &value, XattrFlags::empty()).unwrap();
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path, _) | Self::Attribute(path, _) => path,
        }
    }
}

pub(crate) fn attribute(file: &Path) -> Vec<u8> {
    let mut value = vec![0; 64 << 10];
    let len = rustix::fs::getxattr(file, ATTRIBUTE, value.as_mut_slice()).unwrap();
    value.truncate(len);
    value
}

pub(crate) fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "tar")
}

/// True when a byte of a segment means something: zeros that fill up an object's last block do not.
pub(crate) fn means_something(segment: &[u8], at: usize) -> bool {
    let mut begin = 0;
    while let Ok(parsed) = parse(segment.get(begin..).unwrap_or_default()) {
        if parsed.record == Record::End {
            return false;
        }
        if at < begin + parsed.len {
            return match parsed.record {
                Record::Object { meta, head_len } => at < begin + head_len + meta.size as usize,
                _ => true,
            };
        }
        begin += parsed.len;
    }
    panic!("byte {at} is in no record");
}
