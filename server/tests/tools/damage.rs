//! Bits turned over, and whether they mean anything.

use crate::run::ATTRIBUTE;
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

impl Victim {
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

/// Whether a byte of a segment means something: what fills up the last block of an object does not.
pub(crate) fn means_something(segment: &[u8], at: usize) -> bool {
    let mut begin = 0;
    while let Ok(parsed) = parse(segment.get(begin..).unwrap_or_default()) {
        if parsed.record == Record::End {
            return false;
        }
        if at < begin + parsed.len {
            return match parsed.record {
                Record::Object { meta, head_len, .. } => at < begin + head_len + meta.size as usize,
                _ => true,
            };
        }
        begin += parsed.len;
    }
    panic!("byte {at} is in no record");
}
