//! A segment read from front to back, record by record.

use super::Lane;
use crate::error::{Error, Result};
use crate::store::layout::lane_dir;
use crate::store::mountpath::Mountpath;
use std::sync::Arc;
use uring::{DirectFile, Driver, LEAF_BYTES, OpenMode, Opened};
use wire::segment::{BLOCK_BYTES, ParseError, Parsed, Record, parse, verify_data};

/// Bytes read at a time.
const STEP_BYTES: usize = 512 << 10;

/// A finding at a place of a segment.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and nearly all are records")]
pub(crate) enum Found {
    /// A record, and for an object whether its data are what its checksums say.
    Record { offset: u64, len: u64, record: Record, intact: bool },
    /// Bytes that are no record, up to the next one that is.
    Damage { offset: u64, len: u64, what: &'static str },
    /// Nothing was written from here on.
    End { offset: u64 },
}

/// A reader of one segment.
pub(crate) struct SegmentReader {
    driver: Driver,
    file: DirectFile,
    file_bytes: u64,
    /// Bytes of the file from `start` on; those before `at` are done with.
    window: Vec<u8>,
    start: u64,
    at: usize,
}

impl Lane {
    /// Opens a segment to be read from `offset` on, where a record begins.
    pub(crate) async fn segment_reader(&self, name: &str, offset: u64) -> Result<SegmentReader> {
        let (file, file_bytes) = self.open_segment_file(name).await?;
        let start = offset - offset % LEAF_BYTES as u64;
        let at = (offset - start) as usize;
        let driver = self.driver.clone();
        Ok(SegmentReader { driver, file, file_bytes, window: Vec::new(), start, at })
    }

    /// Opens a segment to read it; returns its size too.
    pub(super) async fn open_segment_file(&self, name: &str) -> Result<(DirectFile, u64)> {
        let (name, path) = (name.to_owned(), format!("{}/{name}", lane_dir(self.number)));
        let open = move |mountpath: &Arc<Mountpath>| {
            let file = Opened::open(mountpath.dir(), &path, OpenMode::Read);
            let seen = file.and_then(|file| file.size_bytes().map(|bytes| (file, bytes)));
            seen.map_err(|e| Error::disk(&format!("open segment {name}"), &e))
        };
        let (file, file_bytes) = self.disk.look(open).await?;
        Ok((file.into(), file_bytes))
    }
}

impl SegmentReader {
    /// Bytes of the segment's file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The bytes of the record found last, as long as nothing more is asked for.
    pub(crate) fn raw(&self, len: u64) -> &[u8] {
        let from = self.at.saturating_sub(len as usize);
        self.window.get(from..self.at).unwrap_or_default()
    }

    /// Finds what comes next. After a damaged place the search goes on at every possible beginning.
    pub(crate) async fn next(&mut self) -> Result<Found> {
        let mut damage: Option<(u64, &'static str)> = None;
        loop {
            let offset = self.start + self.at as u64;
            if let Some((begin, what)) = damage
                && offset >= self.file_bytes
            {
                return Ok(Found::Damage { offset: begin, len: offset - begin, what });
            }
            match self.parse_here().await? {
                Ok(Parsed { record: Record::End, .. }) if damage.is_none() => {
                    return Ok(Found::End { offset });
                }
                // Zeros may as well be what is left of a record, and so may the directory that ends one.
                Ok(Parsed { record: Record::End | Record::Padding, len }) if damage.is_some() => {
                    self.at += len
                }
                Ok(parsed) => match damage {
                    Some((begin, what)) => {
                        return Ok(Found::Damage { offset: begin, len: offset - begin, what });
                    }
                    None => return Ok(self.take(offset, parsed)),
                },
                Err(what) => {
                    damage.get_or_insert((offset, what));
                    self.at += BLOCK_BYTES;
                }
            }
        }
    }

    /// Passes over blocks of zeros. Returns where something else is, if that is before `limit`.
    pub(crate) async fn skip_zeros(&mut self, limit: u64) -> Result<Option<u64>> {
        loop {
            let offset = self.start + self.at as u64;
            if offset >= limit || !self.ensure(BLOCK_BYTES).await? {
                return Ok(None);
            }
            let block = self.window.get(self.at..self.at + BLOCK_BYTES).unwrap_or_default();
            if block.iter().any(|byte| *byte != 0) {
                return Ok(Some(offset));
            }
            self.at += BLOCK_BYTES;
        }
    }

    fn take(&mut self, offset: u64, parsed: Parsed) -> Found {
        let Parsed { record, len } = parsed;
        let (end, there) = (self.at + len, self.window.len());
        assert!(end <= there, "a record at {offset} ends at {end} of {there} bytes that were read");
        let intact = match &record {
            Record::Object { meta, head_len } => {
                let data = self.at + head_len;
                let data = self.window.get(data..data.saturating_add(meta.size as usize));
                data.is_some_and(|data| verify_data(meta, data))
            }
            _ => true,
        };
        self.at += len;
        Found::Record { offset, len: len as u64, record, intact }
    }

    /// The record here, with its data in the window; the inner error says why there is none.
    async fn parse_here(&mut self) -> Result<Result<Parsed, &'static str>> {
        loop {
            if !self.ensure(BLOCK_BYTES).await? {
                return Ok(Ok(Parsed { record: Record::End, len: BLOCK_BYTES }));
            }
            let here = self.window.get(self.at..).unwrap_or_default();
            match parse(here) {
                Err(ParseError::NeedMore(needed)) => {
                    if !self.ensure(needed).await? {
                        return Ok(Err("end: the file is shorter than the record"));
                    }
                }
                Err(ParseError::Damaged(what)) => return Ok(Err(what)),
                // It is no damage, which a start may cut off.
                Err(unknown @ ParseError::Unknown(..)) => {
                    return Err(Error::not_implemented(unknown.to_string()));
                }
                Ok(parsed) => {
                    let whole = self.ensure(parsed.len).await?;
                    return Ok(if whole {
                        Ok(parsed)
                    } else {
                        Err("end: the file is shorter than the record")
                    });
                }
            }
        }
    }

    /// Has `needed` bytes from here on in the window; false when the file ends before.
    async fn ensure(&mut self, needed: usize) -> Result<bool> {
        while self.window.len().saturating_sub(self.at) < needed {
            let offset = self.start + self.window.len() as u64;
            if offset >= self.file_bytes {
                return Ok(false);
            }
            let done = self.at.min(self.window.len()) / LEAF_BYTES * LEAF_BYTES;
            self.window.drain(..done);
            self.start += done as u64;
            self.at -= done;
            let offset = self.start + self.window.len() as u64;
            let buf = self.driver.pool().alloc(STEP_BYTES).await;
            let (count, buf) = self.driver.read_at(self.file.fd(), buf, STEP_BYTES, offset).await;
            let count = count.map_err(|e| Error::disk("read a segment", &e))?;
            let count = count.min((self.file_bytes - offset) as usize);
            if count == 0 {
                return Ok(false);
            }
            self.window.extend_from_slice(buf.get(..count).unwrap_or_default());
        }
        Ok(true)
    }
}
