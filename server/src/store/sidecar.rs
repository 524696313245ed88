//! Block checksums of objects too large for an extended attribute: a file of their own, named by the generation.
//!
//! It is written and flushed before the object's metadata names it, so an object that can be seen has its checksums.
//! A sidecar that no object names is left over from a crash; it does no harm, and `aisnode store check` reports it.

use super::mountpath::{Mountpath, SIDECAR_DIR};
use crate::error::{Error, Result};
use std::fs;
use std::io::{Read, Write};
use uring::sys;
use wire::cksum::crc32c;
use wire::lom::{BlockCrcs, ObjectMeta};

/// Whether block checksums do not fit beside the other metadata.
pub(crate) fn is_needed(meta: &ObjectMeta) -> bool {
    match &meta.block_crcs {
        BlockCrcs::Inline(crcs) => !meta.fits_inline(crcs.len()),
        BlockCrcs::Sidecar { .. } => false,
    }
}

/// Moves block checksums that do not fit beside the other metadata into a sidecar; says whether it had to.
pub(crate) fn move_out(mountpath: &Mountpath, meta: &mut ObjectMeta) -> Result<bool> {
    let BlockCrcs::Inline(crcs) = &meta.block_crcs else { return Ok(false) };
    if meta.fits_inline(crcs.len()) {
        return Ok(false);
    }
    meta.block_crcs = write(mountpath, meta.generation, crcs)?;
    Ok(true)
}

/// Writes and flushes the sidecar of a generation.
fn write(mountpath: &Mountpath, generation: u64, crcs: &[u32]) -> Result<BlockCrcs> {
    let table: Vec<u8> = crcs.iter().flat_map(|crc| crc.to_le_bytes()).collect();
    let path = mountpath.path.join(path_of(generation));
    let fail = |e: std::io::Error| mountpath.failed("write block checksums", &e);
    uring::fault::step("sidecar-write").map_err(fail)?;
    let mut file = fs::File::create_new(&path).map_err(fail)?;
    if let Err(e) = file.write_all(&table).and_then(|()| file.sync_data()) {
        remove(mountpath, generation);
        return Err(fail(e));
    }
    Ok(BlockCrcs::Sidecar { id: generation, count: crcs.len() as u32, crc_of_table: crc32c(&table) })
}

/// The checksums themselves.
pub(crate) fn load(mountpath: &Mountpath, crcs: BlockCrcs) -> Result<Box<[u32]>> {
    let (id, count, crc_of_table) = match crcs {
        BlockCrcs::Inline(crcs) => return Ok(crcs.into_boxed_slice()),
        BlockCrcs::Sidecar { id, count, crc_of_table } => (id, count, crc_of_table),
    };
    let expected_bytes = count as usize * size_of::<u32>();
    let mut table = Vec::new();
    let file = fs::File::open(mountpath.path.join(path_of(id)))
        .map_err(|e| Error::disk("open block checksums", &e))?;
    // One byte more than expected shows a file that is too long.
    let mut limited = file.take(expected_bytes as u64 + 1);
    limited.read_to_end(&mut table).map_err(|e| Error::disk("read block checksums", &e))?;
    if table.len() != expected_bytes || crc32c(&table) != crc_of_table {
        return Err(Error::corrupt(format!("the block checksums {} are damaged", path_of(id))));
    }
    let words = table.chunks_exact(4).filter_map(|word| word.try_into().ok());
    Ok(words.map(u32::from_le_bytes).collect())
}

/// Removes a sidecar whose object is gone.
pub(crate) fn remove(mountpath: &Mountpath, generation: u64) {
    // Most objects have none; what a failure leaves behind is swept at the next start.
    let _ = sys::unlink_beneath(mountpath.dir(), &path_of(generation));
}

pub(crate) fn path_of(generation: u64) -> String {
    format!("{SIDECAR_DIR}/{generation:016x}")
}
