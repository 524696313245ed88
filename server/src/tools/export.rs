//! `aisnode store export`: a bucket as one TAR archive on standard output.
//!
//! Members are the live objects in byte order of their names, each with its modification time and with our attribute as
//! a plain file of ours carries it. Every byte is verified before it is written. An object that turns out to be
//! damaged is left out; one so large that its head is out already is filled up with zeros, so that all behind it is
//! right, and the operator is told. A file system has no room for a file where a directory is: of the objects `a` and
//! `a/b`, `a` is written under an escaped name, and counted.

use super::args::ExportArgs;
use super::progress::Progress;
use super::site::Site;
use super::{Ending, ring};
use crate::error::{Error, Kind, Result};
use crate::store::{BucketRef, Caching, Entry, Key, ScanQuery, Store};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use wire::lom::{BlockCrcs, ObjectMeta};
use wire::segment::{self, Spelling};

/// Names of one look into the indexes.
const PAGE: usize = 1000;
/// Objects up to this size are verified whole before the first byte of them is written.
const AHEAD_BYTES: usize = 8 << 20;
/// Gathered before it is written.
const WRITE_BYTES: usize = 1 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Counts of the objects that were written.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    objects: u64,
    damaged: u64,
    /// Objects among them under an escaped name, because a directory has theirs.
    renamed: u64,
}

/// Exports.
///
/// # Errors
/// Whatever keeps the archive from becoming whole; what has been written by then is not to be used.
pub(super) fn run(args: &ExportArgs) -> io::Result<Ending> {
    if io::stdout().is_terminal() {
        return Err(io::Error::other("an archive is not for a terminal: redirect the output"));
    }
    let site = Site::find(&args.site)?;
    let bucket = site.buckets.iter().find(|bucket| bucket.name == args.bucket);
    let bucket =
        bucket.ok_or_else(|| io::Error::other(format!("there is no bucket ais://{}", args.bucket)))?;
    let open = site.open()?;
    let mountpaths = open.mountpaths;
    let driver = ring::open()?;
    // The library's own standard output has a line buffer, which is passed by.
    let out = io::stdout().as_fd().try_clone_to_owned()?;
    let progress = Progress::new("export");
    let exported = uring::block_on(&driver, async {
        let (store, lost) = site.setup(&driver, &mountpaths).open_as_is().await?;
        store
            .require_indexes(&lost)
            .map_err(|e| Error::corrupt(format!("{e}; `store rebuild-index` makes it anew")))?;
        let out = io::BufWriter::with_capacity(WRITE_BYTES, std::fs::File::from(out));
        let mut export = Export { store, bucket: Arc::clone(bucket), progress: &progress, out };
        export.run(&args.prefix).await
    });
    let took = progress.finish();
    let written = exported?.map_err(io::Error::other)?;
    eprintln!(
        "exported {} objects in {:.1} s; damaged {}; under {}/%ob because a directory has their name: {}",
        written.objects,
        took.as_secs_f64(),
        written.damaged,
        args.bucket,
        written.renamed
    );
    Ok(if written.damaged == 0 && open.left_out.is_empty() { Ending::Clean } else { Ending::Findings })
}

struct Export<'e, W: Write> {
    store: Rc<Store>,
    bucket: Arc<BucketRef>,
    progress: &'e Progress,
    out: W,
}

impl<W: Write> Export<'_, W> {
    async fn run(&mut self, prefix: &str) -> Result<Written> {
        self.progress.expect(self.store.summarize(self.bucket.id, prefix).await?.size_bytes);
        let mut written = Written::default();
        let mut query = ScanQuery {
            bucket_id: self.bucket.id,
            prefix: prefix.to_owned(),
            after: String::new(),
            limit: PAGE,
            shallow: false,
        };
        loop {
            let page = self.store.scan_objects(&query).await?;
            let Some((last, _)) = page.last() else { break };
            query.after.clone_from(last);
            let next_names: Vec<String> = page.iter().skip(1).map(|(name, _)| name.clone()).collect();
            let mut next_names = next_names.iter();
            for (name, entry) in page {
                let spelling = self.spelling(&name, next_names.next()).await?;
                match self.object(&name, &entry, spelling).await {
                    Ok(()) => {
                        written.objects += 1;
                        written.renamed += u64::from(spelling == Spelling::Escaped);
                    }
                    Err(e) if e.kind == Kind::Corrupt => {
                        written.damaged += 1;
                        self.progress.aside(|| eprintln!("ais://{}/{name}: {e}", self.bucket.name));
                    }
                    Err(e) => return Err(e),
                }
                self.progress.advance(entry.size_bytes);
            }
        }
        // Two blocks of zeros end an archive.
        self.write(&[0; 2 * segment::BLOCK_BYTES])?;
        self.out.flush().map_err(|e| Error::disk("write the archive", &e))?;
        Ok(written)
    }

    /// Tells the spelling of a name; `next` is the name behind it, if that is known.
    async fn spelling(&self, name: &str, next: Option<&String>) -> Result<Spelling> {
        if !segment::is_readable(name) {
            return Ok(Spelling::Readable);
        }
        let dir = format!("{name}/");
        let is_dir = match next {
            // Names that begin with this one follow it.
            Some(next) if !next.starts_with(name) => false,
            Some(next) if next.starts_with(&dir) => true,
            _ => {
                let (bucket_id, after) = (self.bucket.id, String::new());
                let query = ScanQuery { bucket_id, prefix: dir, after, limit: 1, shallow: false };
                !self.store.scan_objects(&query).await?.is_empty()
            }
        };
        Ok(if is_dir { Spelling::Escaped } else { Spelling::Readable })
    }

    /// Writes one object; `Corrupt` for one that is not, or not rightly, in the archive.
    async fn object(&mut self, name: &str, entry: &Entry, spelling: Spelling) -> Result<()> {
        let key = self.store.key(&self.bucket, name, entry)?;
        if entry.place.is_file() {
            return self.file(&key, entry, spelling).await;
        }
        let (meta, bytes) = small(&self.store, &key, entry).await.map_err(left_out)?;
        self.head(&meta, spelling)?;
        self.write(&bytes)?;
        self.pad(meta.size)
    }

    async fn file(&mut self, key: &Key, entry: &Entry, spelling: Spelling) -> Result<()> {
        let meta = self.store.file_meta(key, entry).await.map_err(left_out)?;
        let mut reader =
            self.store.read(key, entry, 0..meta.size, Caching::Bypass).await.map_err(left_out)?;
        let mut ahead = Vec::new();
        while ahead.len() < AHEAD_BYTES {
            let Some(piece) = reader.next().await.map_err(left_out)? else { break };
            ahead.extend_from_slice(piece.chunk.get(piece.range).unwrap_or_default());
        }
        self.head(&meta, spelling)?;
        self.write(&ahead)?;
        let mut at = ahead.len() as u64;
        drop(ahead);
        let outcome = loop {
            match reader.next().await {
                Ok(Some(piece)) => {
                    at += piece.range.len() as u64;
                    self.write(piece.chunk.get(piece.range).unwrap_or_default())?;
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        let outcome = outcome.map_err(|e| {
            let text = format!("{e}. It is in the archive with ZEROS from byte {at} on: do not use it");
            Error::corrupt(text)
        });
        self.zeros(meta.size.saturating_sub(at))?;
        self.pad(meta.size)?;
        outcome
    }

    fn head(&mut self, meta: &ObjectMeta, spelling: Spelling) -> Result<()> {
        let mut head = Vec::with_capacity(4096);
        segment::archive_head(&mut head, meta, spelling)
            .map_err(|e| Error::corrupt(format!("left out: {e}")))?;
        self.write(&head)
    }

    fn pad(&mut self, size_bytes: u64) -> Result<()> {
        self.zeros(segment::object_padding(size_bytes) as u64)
    }

    fn zeros(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            let now = count.min(ZEROS.len() as u64);
            self.write(ZEROS.get(..now as usize).unwrap_or_default())?;
            count -= now;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| Error::disk("write the archive", &e))
    }
}

/// A small object and its metadata as its record has it.
async fn small(store: &Rc<Store>, key: &Key, entry: &Entry) -> Result<(ObjectMeta, Vec<u8>)> {
    let mut bytes = Vec::new();
    if entry.size_bytes > 0 {
        let piece = store.read_small(key, entry, Caching::Bypass).await?;
        bytes.extend_from_slice(piece.chunk.get(piece.range).unwrap_or_default());
    }
    let blocks = bytes.chunks(crate::store::BLOCK_BYTES);
    let crcs = blocks.map(wire::cksum::crc32c).collect();
    Ok((entry.to_meta(key, BlockCrcs::Inline(crcs)), bytes))
}

/// Nothing of it has been written yet: whatever the disk says, the others can still be.
fn left_out(error: Error) -> Error {
    match error.kind {
        Kind::Corrupt | Kind::Io | Kind::ObjectMissing => Error::corrupt(format!("left out: {error}")),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_disk_says_of_one_object_is_no_reason_to_stop() {
        assert_eq!(left_out(Error::disk("read", &io::ErrorKind::NotFound.into())).kind, Kind::Corrupt);
        assert_eq!(left_out(Error::internal("a mistake")).kind, Kind::Internal);
    }
}
