//! File I/O with pool buffers, and fsync.

use crate::driver::Driver;
use crate::file::{DirectFile, Opened};
use crate::op::{Op, Operation};
use crate::pool::Buf;
use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};
use rustix::fs::{OFlags, ResolveFlags};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;

/// Read into a pool buffer.
pub struct ReadAt {
    file: Rc<OwnedFd>,
    buf: Buf,
    len: usize,
    offset: u64,
}

/// Write from a pool buffer.
pub struct WriteAt {
    file: Rc<OwnedFd>,
    buf: Buf,
    len: usize,
    offset: u64,
}

/// Flush a file or directory to the medium.
pub struct Fsync {
    file: Rc<OwnedFd>,
    data_only: bool,
}

/// Remove a name.
pub struct Unlink {
    dir: Rc<OwnedFd>,
    name: CString,
}

/// Give another name.
pub struct Rename {
    dir: Rc<OwnedFd>,
    from: CString,
    to: CString,
}

/// Make a file.
pub struct CreateDirect {
    dir: Rc<OwnedFd>,
    name: CString,
    how: Box<types::OpenHow>,
}

impl Driver {
    /// Reads `len` bytes at `offset` into the start of `buf`; gives the buffer back with the count, which is short at
    /// the end of the file. With `O_DIRECT`, `len` and `offset` must be aligned.
    ///
    /// # Panics
    /// If `len` is larger than the buffer.
    pub fn read_at(&self, file: &Rc<OwnedFd>, buf: Buf, len: usize, offset: u64) -> Op<ReadAt> {
        assert!(len <= buf.len(), "{len} bytes are read into a buffer of {}", buf.len());
        Op::submit(self, ReadAt { file: Rc::clone(file), buf, len, offset })
    }

    /// Writes the first `len` bytes of `buf` at `offset`.
    ///
    /// # Panics
    /// If `len` is larger than the buffer.
    pub fn write_at(&self, file: &Rc<OwnedFd>, buf: Buf, len: usize, offset: u64) -> Op<WriteAt> {
        assert!(len <= buf.len(), "{len} bytes are written of a buffer of {}", buf.len());
        Op::submit(self, WriteAt { file: Rc::clone(file), buf, len, offset })
    }

    /// Flushes data and metadata (`fsync`), or only what is needed to read the data back (`fdatasync`).
    pub fn fsync(&self, file: &Rc<OwnedFd>, data_only: bool) -> Op<Fsync> {
        Op::submit(self, Fsync { file: Rc::clone(file), data_only })
    }

    /// Removes a name from a directory. The kernel does it in a thread of its own: freeing the blocks of a large file, or
    /// waiting for the file system's log, would hold up this one.
    pub fn unlink(&self, dir: &Rc<OwnedFd>, name: CString) -> Op<Unlink> {
        Op::submit(self, Unlink { dir: Rc::clone(dir), name })
    }
}

impl Driver {
    /// Gives a file of a directory another name there; what had that name is replaced. In a thread of the kernel's.
    pub fn rename(&self, dir: &Rc<OwnedFd>, from: CString, to: CString) -> Op<Rename> {
        Op::submit(self, Rename { dir: Rc::clone(dir), from, to })
    }

    /// Makes a file in a directory; one that is there is an error. In a thread of the kernel's.
    pub fn create_direct(&self, dir: &Rc<OwnedFd>, name: CString) -> Op<CreateDirect> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let how = types::OpenHow::new().flags(flags.bits().into()).mode(0o644).resolve(resolve.bits());
        Op::submit(self, CreateDirect { dir: Rc::clone(dir), name, how: Box::new(how) })
    }
}

// SAFETY: the addresses are those of the names' bytes on the heap, which do not move with the `CString`s.
unsafe impl Operation for Rename {
    type Output = io::Result<()>;

    fn entry(&mut self) -> Entry {
        let dir = types::Fd(self.dir.as_raw_fd());
        opcode::RenameAt::new(dir, self.from.as_ptr(), dir, self.to.as_ptr()).build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        result.map(drop)
    }
}

// SAFETY: the addresses are those of the name's bytes on the heap and of a box.
unsafe impl Operation for CreateDirect {
    type Output = io::Result<DirectFile>;

    fn entry(&mut self) -> Entry {
        let dir = types::Fd(self.dir.as_raw_fd());
        opcode::OpenAt2::new(dir, self.name.as_ptr(), &raw const *self.how).build().flags(Flags::ASYNC)
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        // SAFETY: the result is a descriptor that the kernel just made for us; nobody else knows it.
        let fd = result.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })?;
        Opened::of(fd).map(DirectFile::from)
    }
}

// SAFETY: the address is pool memory, which does not move with the `Buf`.
unsafe impl Operation for ReadAt {
    type Output = (io::Result<usize>, Buf);

    fn entry(&mut self) -> Entry {
        let (fd, at, len) = (types::Fd(self.file.as_raw_fd()), self.buf.as_mut_ptr(), self.len as u32);
        match self.buf.fixed_index() {
            Some(index) => opcode::ReadFixed::new(fd, at, len, index).offset(self.offset).build(),
            None => opcode::Read::new(fd, at, len).offset(self.offset).build(),
        }
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        (result.map(|n| n as usize), self.buf)
    }
}

// SAFETY: as for reads.
unsafe impl Operation for WriteAt {
    type Output = (io::Result<usize>, Buf);

    fn entry(&mut self) -> Entry {
        let (fd, at, len) = (types::Fd(self.file.as_raw_fd()), self.buf.as_ptr(), self.len as u32);
        match self.buf.fixed_index() {
            Some(index) => opcode::WriteFixed::new(fd, at, len, index).offset(self.offset).build(),
            None => opcode::Write::new(fd, at, len).offset(self.offset).build(),
        }
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        (result.map(|n| n as usize), self.buf)
    }
}

// SAFETY: the address is that of the name's bytes on the heap, which do not move with the `CString`.
unsafe impl Operation for Unlink {
    type Output = io::Result<()>;

    fn entry(&mut self) -> Entry {
        opcode::UnlinkAt::new(types::Fd(self.dir.as_raw_fd()), self.name.as_ptr()).build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        result.map(drop)
    }
}

// SAFETY: no memory is named.
unsafe impl Operation for Fsync {
    type Output = io::Result<()>;

    fn entry(&mut self) -> Entry {
        let flags = if self.data_only { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
        opcode::Fsync::new(types::Fd(self.file.as_raw_fd())).flags(flags).build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        result.map(drop)
    }
}
