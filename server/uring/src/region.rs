//! Anonymous memory mapped once and never moved: the stuff that registered segments are made of.

use std::io;
use std::ptr::NonNull;

const HUGE_BYTES: usize = 2 << 20;

/// One mapping, aligned to 2 MiB, zeroed by the kernel.
pub(crate) struct Region {
    mapping: NonNull<u8>,
    mapping_bytes: usize,
    start: NonNull<u8>,
    size_bytes: usize,
    huge: bool,
}

impl Region {
    /// Maps `size_bytes`: explicit huge pages when the system has reserved some, else plain pages with the advice to
    /// use transparent huge ones.
    pub(crate) fn map(size_bytes: usize) -> io::Result<Self> {
        assert_eq!(size_bytes % HUGE_BYTES, 0);
        if let Ok(mapping) = anonymous(size_bytes, libc::MAP_HUGETLB) {
            return Ok(Self { mapping, mapping_bytes: size_bytes, start: mapping, size_bytes, huge: true });
        }
        let mapping_bytes = size_bytes + HUGE_BYTES;
        let mapping = anonymous(mapping_bytes, 0)?;
        let skip = mapping.as_ptr().align_offset(HUGE_BYTES);
        // SAFETY: the mapping is one huge page longer than the size, so skipping to the alignment stays inside it.
        let start = unsafe { mapping.add(skip) };
        // SAFETY: start..start+size lies inside the mapping made above; advice changes no contents, a refusal is harmless.
        unsafe { libc::madvise(start.as_ptr().cast(), size_bytes, libc::MADV_HUGEPAGE) };
        Ok(Self { mapping, mapping_bytes, start, size_bytes, huge: false })
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn is_huge(&self) -> bool {
        self.huge
    }

    pub(crate) fn iovec(&self) -> libc::iovec {
        libc::iovec { iov_base: self.start.as_ptr().cast(), iov_len: self.size_bytes }
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

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map`, nobody else unmaps it, and every `Buf` keeps the pool alive.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), self.mapping_bytes) };
    }
}
