//! A sidecar holds what does not fit into an object's extended attribute: a file of its own, named by the generation.
//!
//! The block checksums go first, which objects of some size need everywhere. Where attributes have so little room that the
//! other metadata do not fit either (ext4 with blocks of 1 KiB), those go into one more file, and the attribute only says
//! which. There are two such files for a generation, so that new metadata never overwrite what is in use.
//!
//! A file is written and flushed before the object's metadata names it, so an object that can be seen has its checksums.
//! A sidecar that no object names is left over from a crash; it does no harm, and `aisnode store check` reports it.

use super::mountpath::Mountpath;
use crate::error::{Error, Result};
use crate::store::layout::SIDECAR_DIR;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use uring::sys;
use wire::cksum::crc32c;
use wire::lom::{Apart, BlockCrcs, Generation, MAX_ENCODED, ObjectMeta};

/// True if block checksums do not fit beside the other metadata.
pub(crate) fn is_needed(mountpath: &Mountpath, meta: &ObjectMeta) -> bool {
    match &meta.block_crcs {
        BlockCrcs::Inline(crcs) => !meta.fits_inline(crcs.len(), mountpath.abilities.attribute_bytes),
        BlockCrcs::Sidecar { .. } => false,
    }
}

/// The attribute of an object, with what does not fit into it in files beside it; says too whether block checksums had to
/// be moved. Of the two files for metadata the one of this slot must not be in use.
pub(crate) fn encode(mountpath: &Mountpath, meta: &mut ObjectMeta, slot: u8) -> Result<(Vec<u8>, bool)> {
    let moved_out = move_out(mountpath, meta)?;
    let value = encode_meta(meta)?;
    if value.len() <= mountpath.abilities.attribute_bytes {
        return Ok((value, moved_out));
    }
    assert!(slot < 2, "metadata go to file {slot} of two beside {}", meta.generation);
    let apart = Apart { generation: meta.generation, slot, crc: crc32c(&value) };
    let path = mountpath.path.join(apart_path(apart.generation, slot));
    let fail = |e: io::Error| mountpath.failed("write metadata", &e);
    uring::fault::step("sidecar-write").map_err(fail)?;
    let mut file = fs::File::create(path).map_err(fail)?;
    let written = file.write_all(&value).and_then(|()| file.sync_all());
    written.and_then(|()| mountpath.flush_dir(SIDECAR_DIR)).map_err(fail)?;
    Ok((apart.encode(), moved_out))
}

/// The value of the attribute that holds metadata.
pub(crate) fn encode_meta(meta: &ObjectMeta) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    // Only what is too large cannot be encoded: names and custom metadata have been checked to be well-formed.
    meta.encode(&mut value).map_err(|e| Error::bad(format!("metadata: {e}")))?;
    Ok(value)
}

/// Metadata that did not fit into the attribute; `None` when the file is not the one that the attribute means.
pub(crate) fn load_meta(mountpath: &Path, apart: Apart) -> io::Result<Option<ObjectMeta>> {
    let mut record = Vec::new();
    let file = fs::File::open(mountpath.join(apart_path(apart.generation, apart.slot)))?;
    file.take(MAX_ENCODED as u64 + 1).read_to_end(&mut record)?;
    Ok((crc32c(&record) == apart.crc).then(|| ObjectMeta::decode(&record).ok()).flatten())
}

/// Moves block checksums that do not fit beside the other metadata into a sidecar; says whether it had to.
fn move_out(mountpath: &Mountpath, meta: &mut ObjectMeta) -> Result<bool> {
    let BlockCrcs::Inline(crcs) = &meta.block_crcs else { return Ok(false) };
    if meta.fits_inline(crcs.len(), mountpath.abilities.attribute_bytes) {
        return Ok(false);
    }
    meta.block_crcs = write(mountpath, meta.generation, crcs)?;
    Ok(true)
}

/// Writes and flushes the sidecar of a generation.
fn write(mountpath: &Mountpath, generation: Generation, crcs: &[u32]) -> Result<BlockCrcs> {
    let table: Vec<u8> = crcs.iter().flat_map(|crc| crc.to_le_bytes()).collect();
    let path = mountpath.path.join(path_of(generation));
    let fail = |e: std::io::Error| mountpath.failed("write block checksums", &e);
    uring::fault::step("sidecar-write").map_err(fail)?;
    let mut file = fs::File::create_new(&path).map_err(fail)?;
    let flushed = file.write_all(&table).and_then(|()| file.sync_all());
    if let Err(e) = flushed.and_then(|()| mountpath.flush_dir(SIDECAR_DIR)) {
        remove(mountpath, generation);
        return Err(fail(e));
    }
    Ok(BlockCrcs::Sidecar { count: crcs.len() as u32, crc_of_table: crc32c(&table) })
}

/// The checksums themselves.
pub(crate) fn load(mountpath: &Mountpath, generation: Generation, crcs: BlockCrcs) -> Result<Box<[u32]>> {
    let (count, crc_of_table) = match crcs {
        BlockCrcs::Inline(crcs) => return Ok(crcs.into_boxed_slice()),
        BlockCrcs::Sidecar { count, crc_of_table } => (count, crc_of_table),
    };
    let expected_bytes = count as usize * size_of::<u32>();
    let mut table = Vec::new();
    let file = fs::File::open(mountpath.path.join(path_of(generation)))
        .map_err(|e| Error::disk("open block checksums", &e))?;
    // One byte more than expected shows a file that is too long.
    let mut limited = file.take(expected_bytes as u64 + 1);
    limited.read_to_end(&mut table).map_err(|e| Error::disk("read block checksums", &e))?;
    if table.len() != expected_bytes || crc32c(&table) != crc_of_table {
        return Err(Error::corrupt(format!("the block checksums {} are damaged", path_of(generation))));
    }
    let words = table.chunks_exact(4).filter_map(|word| word.try_into().ok());
    Ok(words.map(u32::from_le_bytes).collect())
}

/// Removes a sidecar whose object is gone.
pub(crate) fn remove(mountpath: &Mountpath, generation: Generation) {
    // Most objects have none; what a failure leaves behind does no harm.
    files_of(generation).iter().for_each(|path| drop(sys::unlink_beneath(mountpath.dir(), path)));
}

/// All files that a generation may have beside its object.
pub(crate) fn files_of(generation: Generation) -> [String; 3] {
    [path_of(generation), apart_path(generation, 0), apart_path(generation, 1)]
}

fn apart_path(generation: Generation, slot: u8) -> String {
    format!("{}.{slot}", path_of(generation))
}

fn path_of(generation: Generation) -> String {
    format!("{SIDECAR_DIR}/{generation}")
}
