//! Cancel, timeouts and waiting for a descriptor.

use crate::driver::Driver;
use crate::op::{Op, Operation};
use io_uring::{opcode, squeue::Entry, types};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

/// A timer.
pub struct Sleep {
    timespec: Box<types::Timespec>,
}

/// Wait until a descriptor is readable.
pub struct Readable {
    fd: Rc<OwnedFd>,
}

impl Driver {
    /// Cancels every operation of this ring on the descriptor; they complete with `ECANCELED`.
    pub fn cancel_fd(&self, fd: &OwnedFd) {
        let what = types::CancelBuilder::fd(types::Fd(fd.as_raw_fd())).all();
        self.push_unwatched(opcode::AsyncCancel2::new(what).build());
    }

    /// Completes after `duration`.
    pub fn sleep(&self, duration: Duration) -> Op<Sleep> {
        let timespec = Box::new(types::Timespec::new().sec(duration.as_secs()).nsec(duration.subsec_nanos()));
        Op::submit(self, Sleep { timespec })
    }

    /// Completes when the descriptor can be read.
    pub fn readable(&self, fd: &Rc<OwnedFd>) -> Op<Readable> {
        Op::submit(self, Readable { fd: Rc::clone(fd) })
    }
}

// SAFETY: the time lives in a box.
unsafe impl Operation for Sleep {
    type Output = ();

    fn entry(&mut self) -> Entry {
        opcode::Timeout::new(&raw const *self.timespec).build()
    }

    fn finish(self, _: io::Result<u32>) {}
}

// SAFETY: no memory is named.
unsafe impl Operation for Readable {
    type Output = io::Result<()>;

    fn entry(&mut self) -> Entry {
        opcode::PollAdd::new(types::Fd(self.fd.as_raw_fd()), libc::POLLIN as u32).build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        result.map(drop)
    }
}
