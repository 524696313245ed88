//! Objects read from segments.

use super::Lane;
use super::buffers::BATCH_BYTES_MAX;
use crate::error::{Error, Result};
use crate::store::cache::ReadCache;
use crate::store::entry::Entry;
use crate::store::layout::file_name;
use crate::store::piece::Piece;
use crate::store::place::Extent;
use uring::DirectFile;

impl Lane {
    /// Opens a segment, or takes it from those that are open.
    ///
    /// # Errors
    /// The disk's error; also when the segment has been reclaimed and its objects are elsewhere now.
    async fn segment_file(&self, segment: u64) -> Result<DirectFile> {
        if let Some(file) = self.files.get(segment) {
            return Ok(file);
        }
        let (file, _) = self.open_segment_file(&file_name(segment)).await?;
        // One that has been reclaimed meanwhile would be kept from freeing its blocks.
        let ledger = self.ledger.borrow();
        if ledger.segments_from(segment).next().is_some_and(|(number, _)| number == segment) {
            self.files.keep(segment, &file);
        }
        drop(ledger);
        Ok(file)
    }

    /// Reads an object, with what direct I/O needs around it. Returns the bytes and how many there should be; they are
    /// not verified.
    pub(super) async fn read_extent(
        &self,
        extent: &Extent,
        entry: &Entry,
        cache: Option<&ReadCache>,
    ) -> Result<(Piece, usize)> {
        let file = self.segment_file(extent.segment).await?;
        let align = file.align_bytes() as u64;
        let start = extent.offset - extent.offset % align;
        let skip = (extent.offset - start) as usize;
        let len =
            usize::try_from(entry.size_bytes).map_err(|_| Error::corrupt("an object of absurd size"))?;
        let wanted = (skip + len).next_multiple_of(align as usize);
        if wanted > BATCH_BYTES_MAX {
            return Err(Error::corrupt(format!("an object of {len} bytes in a segment")));
        }
        let room = cache.and_then(|cache| cache.room(entry.generation, 0, wanted));
        let buf = match room {
            Some(buf) => buf,
            None => self.driver.pool().alloc(wanted).await,
        };
        let (count, buf) = self.driver.read_at(file.fd(), buf, wanted, start).await;
        let count = count.and_then(|count| uring::fault::step("segment-read").map(|()| count));
        let count = count.map_err(|e| Error::disk("read", &e))?;
        let range = skip..(skip + len).min(count.max(skip));
        Ok((Piece { chunk: buf.freeze(), range }, len))
    }
}
