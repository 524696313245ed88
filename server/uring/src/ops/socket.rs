//! Receiving and sending on connected sockets.

use crate::bytes::{StableBytes, is_part};
use crate::driver::Driver;
use crate::op::{Op, Operation};
use crate::pool::Buf;
use io_uring::{opcode, squeue::Entry, types};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

/// Receive into a range of a pool buffer.
pub struct RecvBuf {
    socket: Rc<OwnedFd>,
    buf: Buf,
    range: Range<usize>,
    all: bool,
}

/// Receive at the end of a vector.
pub struct RecvVec {
    socket: Rc<OwnedFd>,
    bytes: Vec<u8>,
    room: usize,
}

/// Receive and forget.
pub struct RecvDiscard {
    socket: Rc<OwnedFd>,
    len: u32,
}

/// Send a range of bytes.
pub struct Send<B: StableBytes> {
    socket: Rc<OwnedFd>,
    bytes: B,
    range: Range<usize>,
    more: bool,
}

/// Send a head and a body in one call.
pub struct SendPair<B: StableBytes> {
    socket: Rc<OwnedFd>,
    head: Vec<u8>,
    body: B,
    message: Box<Message>,
}

struct Message {
    header: libc::msghdr,
    parts: [libc::iovec; 2],
}

impl Driver {
    /// Receives into `range` of the buffer. With `all`, completes only when the range is full or the peer has ended.
    ///
    /// # Panics
    /// If the range is outside of the buffer.
    pub fn recv(&self, socket: &Rc<OwnedFd>, buf: Buf, range: Range<usize>, all: bool) -> Op<RecvBuf> {
        assert!(is_part(&range, buf.len()), "bytes {range:?} are received into a buffer of {}", buf.len());
        Op::submit(self, RecvBuf { socket: Rc::clone(socket), buf, range, all })
    }

    /// Receives up to `room` bytes behind what the vector holds.
    pub fn recv_append(&self, socket: &Rc<OwnedFd>, mut bytes: Vec<u8>, room: usize) -> Op<RecvVec> {
        bytes.reserve(room);
        Op::submit(self, RecvVec { socket: Rc::clone(socket), bytes, room })
    }

    /// Takes up to `len` bytes out of a TCP connection without copying them anywhere; gives their number, 0 when the peer
    /// has ended. (The kernel cannot wait for all of them: it counts what it has copied.)
    pub fn recv_discard(&self, socket: &Rc<OwnedFd>, len: u32) -> Op<RecvDiscard> {
        Op::submit(self, RecvDiscard { socket: Rc::clone(socket), len })
    }

    /// Sends `range` of the bytes; `more` tells the kernel that the message goes on. Short counts happen.
    ///
    /// # Panics
    /// If the range is outside of the bytes.
    pub fn send<B: StableBytes>(
        &self,
        socket: &Rc<OwnedFd>,
        bytes: B,
        range: Range<usize>,
        more: bool,
    ) -> Op<Send<B>> {
        let all = bytes.slice().len();
        assert!(is_part(&range, all), "bytes {range:?} are sent of {all}");
        Op::submit(self, Send { socket: Rc::clone(socket), bytes, range, more })
    }

    /// Sends a head and then `range` of a body as one message; completes when all is sent or the peer is gone.
    ///
    /// # Panics
    /// If the range is outside of the body.
    pub fn send_pair<B: StableBytes>(
        &self,
        socket: &Rc<OwnedFd>,
        head: Vec<u8>,
        body: B,
        range: Range<usize>,
    ) -> Op<SendPair<B>> {
        let all = body.slice().len();
        assert!(is_part(&range, all), "bytes {range:?} are sent of a body of {all}");
        let part = &body.slice()[range];
        let parts = [
            libc::iovec { iov_base: head.as_ptr().cast_mut().cast(), iov_len: head.len() },
            libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() },
        ];
        // SAFETY: all-zero is a valid `msghdr`: no name, no control data.
        let header = unsafe { std::mem::zeroed() };
        let message = Box::new(Message { header, parts });
        Op::submit(self, SendPair { socket: Rc::clone(socket), head, body, message })
    }
}

// SAFETY: pool memory does not move with the `Buf`.
unsafe impl Operation for RecvBuf {
    type Output = (io::Result<usize>, Buf);

    fn entry(&mut self) -> Entry {
        let part = &mut self.buf[self.range.clone()];
        let flags = if self.all { libc::MSG_WAITALL } else { 0 };
        opcode::Recv::new(types::Fd(self.socket.as_raw_fd()), part.as_mut_ptr(), part.len() as u32)
            .flags(flags)
            .build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        (result.map(|n| n as usize), self.buf)
    }
}

// SAFETY: heap memory of the vector; room was reserved, and the vector is not touched until the end.
unsafe impl Operation for RecvVec {
    type Output = (io::Result<usize>, Vec<u8>);

    fn entry(&mut self) -> Entry {
        let spare = self.bytes.spare_capacity_mut();
        let len = spare.len().min(self.room) as u32;
        opcode::Recv::new(types::Fd(self.socket.as_raw_fd()), spare.as_mut_ptr().cast(), len).build()
    }

    fn finish(mut self, result: io::Result<u32>) -> Self::Output {
        let result = result.map(|n| n as usize);
        if let Ok(n) = result {
            let room = self.bytes.capacity() - self.bytes.len();
            assert!(n <= room, "{n} bytes were received where there is room for {room}");
            // SAFETY: the kernel has initialised `n` bytes behind the old length, inside the reserved room.
            unsafe { self.bytes.set_len(self.bytes.len() + n) };
        }
        (result, self.bytes)
    }
}

// SAFETY: the address is null: TCP drops the bytes without looking at it (`MSG_TRUNC`), and a socket that would copy them
// fails with EFAULT at the first byte.
unsafe impl Operation for RecvDiscard {
    type Output = io::Result<usize>;

    fn entry(&mut self) -> Entry {
        opcode::Recv::new(types::Fd(self.socket.as_raw_fd()), std::ptr::null_mut(), self.len)
            .flags(libc::MSG_TRUNC)
            .build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        result.map(|n| n as usize)
    }
}

// SAFETY: `StableBytes` promises an address that survives moves.
unsafe impl<B: StableBytes> Operation for Send<B> {
    type Output = (io::Result<usize>, B);

    fn entry(&mut self) -> Entry {
        let part = &self.bytes.slice()[self.range.clone()];
        // WAITALL makes the kernel carry on after a short send by itself.
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL | if self.more { libc::MSG_MORE } else { 0 };
        opcode::Send::new(types::Fd(self.socket.as_raw_fd()), part.as_ptr(), part.len() as u32)
            .flags(flags)
            .build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        (result.map(|n| n as usize), self.bytes)
    }
}

// SAFETY: header and parts live in a box, head and body at stable addresses.
unsafe impl<B: StableBytes> Operation for SendPair<B> {
    type Output = (io::Result<usize>, Vec<u8>, B);

    fn entry(&mut self) -> Entry {
        self.message.header.msg_iov = self.message.parts.as_mut_ptr();
        self.message.header.msg_iovlen = self.message.parts.len();
        // WAITALL makes the kernel carry on after a short send by itself.
        let flags = (libc::MSG_NOSIGNAL | libc::MSG_WAITALL) as u32;
        opcode::SendMsg::new(types::Fd(self.socket.as_raw_fd()), &raw const self.message.header)
            .flags(flags)
            .build()
    }

    fn finish(self, result: io::Result<u32>) -> Self::Output {
        (result.map(|n| n as usize), self.head, self.body)
    }
}
