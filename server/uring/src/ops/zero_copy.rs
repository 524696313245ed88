//! Zero-copy send with the kernel's report on whether it really was one.
//!
//! On loopback and virtual links the kernel copies all the same, and then zero-copy costs more than a plain send. The
//! report (`IORING_SEND_ZC_REPORT_USAGE`) lets a connection notice and change over; see [`ZcVerdict`].

use crate::bytes::is_part;
use crate::driver::Driver;
use crate::op::{Held, Op, Operation};
use crate::pool::Chunk;
use io_uring::{opcode, squeue::Entry, types};
use std::any::Any;
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

const REPORT_USAGE: u16 = 1 << 3;

/// One connection's knowledge of zero-copy on its path.
#[derive(Clone, Default)]
pub struct ZcVerdict(Rc<Cell<bool>>);

impl ZcVerdict {
    /// For a path that is known to copy.
    pub fn known_copied() -> Self {
        Self(Rc::new(Cell::new(true)))
    }

    /// True once a notification said that the kernel had copied.
    pub fn copied(&self) -> bool {
        self.0.get()
    }
}

/// Zero-copy send of a range of a shared chunk.
pub struct SendZc {
    socket: Rc<OwnedFd>,
    chunk: Chunk,
    range: Range<usize>,
    verdict: ZcVerdict,
}

impl Driver {
    /// Sends `range` of a chunk without copying. Completes when the bytes are queued; the chunk's memory is kept until
    /// the kernel gives it back. Short counts happen.
    ///
    /// # Panics
    /// If the range is outside of the chunk.
    pub fn send_zc(
        &self,
        socket: &Rc<OwnedFd>,
        chunk: Chunk,
        range: Range<usize>,
        verdict: &ZcVerdict,
    ) -> Op<SendZc> {
        assert!(is_part(&range, chunk.len()), "bytes {range:?} are sent of a chunk of {}", chunk.len());
        Op::submit(self, SendZc { socket: Rc::clone(socket), chunk, range, verdict: verdict.clone() })
    }
}

// SAFETY: chunks are pool memory.
unsafe impl Operation for SendZc {
    type Output = (io::Result<usize>, Chunk);

    fn entry(&mut self) -> Entry {
        let part = &self.chunk[self.range.clone()];
        opcode::SendZc::new(types::Fd(self.socket.as_raw_fd()), part.as_ptr(), part.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .buf_index(self.chunk.fixed_index())
            .zc_flags(REPORT_USAGE)
            .build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        (result.map(|n| n as usize), self.chunk)
    }

    fn finish_before_notification(self, result: io::Result<u32>) -> (Self::Output, Held) {
        let held = Box::new((Rc::clone(&self.chunk), self.verdict.clone()));
        (self.finish(result), (held, mark_copied))
    }

    fn note_copied(&self) {
        self.verdict.0.set(true);
    }
}

fn mark_copied(held: &dyn Any) {
    if let Some((_, verdict)) = held.downcast_ref::<(Chunk, ZcVerdict)>() {
        verdict.0.set(true);
    }
}
