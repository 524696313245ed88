//! The memory of a core's pools: its addresses are mapped once and never move, its pages come when they are touched.
//!
//! Mapping all addresses at the start costs nothing, and it keeps what grows later away from the lock of the address
//! space: a first touch only holds the lock of this one mapping, which no other thread ever waits for. With a mapping for
//! each step, or with `MADV_POPULATE_WRITE`, a thread of low priority that is not running could hold up a core.

use crate::LEAF_BYTES;
use std::io;
use std::ptr::NonNull;

pub(crate) const HUGE_BYTES: usize = 2 << 20;

/// Places in a ring's table of fixed buffers: `IORING_MAX_REG_BUFFERS`.
const TABLE_PLACES_MAX: usize = 1 << 14;

/// Bytes of one segment: a huge page, and more only where the ring's table could not name as many.
pub(crate) fn segment_bytes(size_bytes_max: usize) -> usize {
    let mut bytes = HUGE_BYTES;
    while size_bytes_max.div_ceil(bytes) > TABLE_PLACES_MAX {
        bytes *= 2;
    }
    bytes
}

/// One stretch of addresses, aligned to 2 MiB, zeroed by the kernel when it is touched.
struct Mapping {
    mapping: NonNull<u8>,
    mapping_bytes: usize,
    start: NonNull<u8>,
}

/// Segments of one size. The first ones lie in huge pages that the system has reserved, if it has any.
pub(crate) struct Arena {
    reserved: Option<Mapping>,
    reserved_segments: usize,
    plain: Option<Mapping>,
    segments: usize,
    segment_bytes: usize,
}

// SAFETY: the mappings are plain memory of the process, tied to no thread; `Arena` itself hands out addresses only, and
// `touch`, which writes, makes its caller promise that nobody else uses the segment.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// Maps the addresses of so many segments. Explicit huge pages as far as the system has reserved some, beyond them
    /// plain pages with the advice to use transparent huge ones.
    pub(crate) fn map(segments: usize, segment_bytes: usize) -> io::Result<Self> {
        assert_eq!(segment_bytes % HUGE_BYTES, 0, "a segment is made of huge pages");
        let mut reserved_segments = segments;
        let reserved = loop {
            if reserved_segments == 0 {
                break None;
            }
            match Mapping::reserved(reserved_segments * segment_bytes) {
                Ok(mapping) => break Some(mapping),
                Err(_) => reserved_segments /= 2,
            }
        };
        let rest = segments - reserved_segments;
        let plain = (rest > 0).then(|| Mapping::plain(rest * segment_bytes)).transpose();
        // With strict overcommit the system counts addresses, not what is touched.
        let plain = plain.map_err(|e| {
            let mib = (rest * segment_bytes) >> 20;
            io::Error::new(e.kind(), format!("cannot map {mib} MiB of addresses for buffers: {e}"))
        })?;
        Ok(Self { reserved, reserved_segments, plain, segments, segment_bytes })
    }

    pub(crate) fn segment_bytes(&self) -> usize {
        self.segment_bytes
    }

    /// True if it lies in explicit huge pages.
    pub(crate) fn is_reserved(&self, segment: usize) -> bool {
        segment < self.reserved_segments
    }

    /// First byte of a segment.
    pub(crate) fn start(&self, segment: usize) -> NonNull<u8> {
        assert!(segment < self.segments, "segment {segment} of {} was asked for", self.segments);
        let (mapping, at) = match (&self.reserved, &self.plain) {
            (Some(reserved), _) if self.is_reserved(segment) => (reserved, segment),
            (_, Some(plain)) => (plain, segment - self.reserved_segments),
            _ => unreachable!("every segment lies in one of the mappings"),
        };
        // SAFETY: the mapping is as long as its segments, and this is one of them.
        unsafe { mapping.start.add(at * self.segment_bytes) }
    }

    pub(crate) fn iovec(&self, segment: usize) -> libc::iovec {
        libc::iovec { iov_base: self.start(segment).as_ptr().cast(), iov_len: self.segment_bytes }
    }

    /// Makes a segment resident, by a write to each page. The kernel gives a huge page for the first one where it can.
    ///
    /// # Safety
    /// Nobody else uses the segment before this returns.
    pub(crate) unsafe fn touch(&self, segment: usize) {
        let start = self.start(segment);
        for offset in (0..self.segment_bytes).step_by(LEAF_BYTES) {
            // SAFETY: inside the segment, which is the caller's alone; zero is what fresh memory holds already.
            unsafe { start.add(offset).write_volatile(0) };
        }
    }
}

impl Mapping {
    fn reserved(size_bytes: usize) -> io::Result<Self> {
        let mapping = anonymous(size_bytes, libc::MAP_HUGETLB)?;
        Ok(Self { mapping, mapping_bytes: size_bytes, start: mapping })
    }

    fn plain(size_bytes: usize) -> io::Result<Self> {
        let mapping_bytes = size_bytes + HUGE_BYTES;
        // NORESERVE: the budget is what the operator allowed, and most of it may never be touched.
        let mapping = anonymous(mapping_bytes, libc::MAP_NORESERVE)?;
        let skip = mapping.as_ptr().align_offset(HUGE_BYTES);
        assert!(skip < HUGE_BYTES, "{skip} bytes of a mapping lie before its first huge page");
        // SAFETY: the mapping is one huge page longer than the size, so skipping to the alignment stays inside it.
        let start = unsafe { mapping.add(skip) };
        // SAFETY: start..start+size lies inside the mapping made above; advice changes no contents, a refusal is harmless.
        unsafe { libc::madvise(start.as_ptr().cast(), size_bytes, libc::MADV_HUGEPAGE) };
        Ok(Self { mapping, mapping_bytes, start })
    }
}

fn anonymous(size_bytes: usize, extra_flags: libc::c_int) -> io::Result<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | extra_flags;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no existing memory.
    let at = unsafe {
        libc::mmap(std::ptr::null_mut(), size_bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mmap returned null"))
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `anonymous`, nobody else unmaps it; every `Buf` keeps its pool, every pool and
        // every helper at work the arena.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), self.mapping_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the segments that are in memory.
    fn resident_bytes(arena: &Arena) -> usize {
        let mut pages = vec![0u8; arena.segment_bytes / LEAF_BYTES];
        let count = |segment| {
            let start = arena.start(segment).as_ptr().cast();
            // SAFETY: a whole segment, and one byte for each of its pages.
            let answer = unsafe { libc::mincore(start, arena.segment_bytes, pages.as_mut_ptr()) };
            assert_eq!(answer, 0, "{}", io::Error::last_os_error());
            pages.iter().filter(|&&page| page & 1 != 0).count() * LEAF_BYTES
        };
        (0..arena.segments).map(count).sum()
    }

    #[test]
    fn only_what_is_touched_is_in_memory() {
        let arena = Arena::map(64, HUGE_BYTES).unwrap();
        assert_eq!(resident_bytes(&arena), 0);
        for (count, segment) in [3, 0, 63].into_iter().enumerate() {
            // SAFETY: nobody else knows this arena.
            unsafe { arena.touch(segment) };
            assert_eq!(resident_bytes(&arena), (count + 1) * HUGE_BYTES);
        }
        assert!((0..64).all(|segment| arena.start(segment).as_ptr().align_offset(HUGE_BYTES) == 0));
    }

    #[test]
    fn the_rings_table_can_name_every_segment() {
        for (size_gib, segment_mib) in [(1, 2), (32, 2), (33, 4), (64, 4), (2048, 128)] {
            assert_eq!(segment_bytes(size_gib << 30), segment_mib << 20, "{size_gib} GiB");
        }
        assert_eq!(segment_bytes(1), HUGE_BYTES);
    }
}
