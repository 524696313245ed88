//! Multishot accept: one submission, a connection per completion.

use crate::driver::Driver;
use crate::slots::PolledStream;
use io_uring::{opcode, types};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::Poll;

/// The connections that arrive on one listener.
pub struct AcceptStream {
    driver: Driver,
    listener: Rc<OwnedFd>,
    key: usize,
}

impl Driver {
    /// Starts accepting on a listening socket.
    pub fn accept_multi(&self, listener: Rc<OwnedFd>) -> AcceptStream {
        let key = self.push_stream(entry(&listener));
        AcceptStream { driver: self.clone(), listener, key }
    }
}

fn entry(listener: &OwnedFd) -> io_uring::squeue::Entry {
    opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build()
}

impl AcceptStream {
    /// The next connection.
    ///
    /// # Errors
    /// The error of `accept`, for example too many open files; the stream stays usable.
    pub async fn next(&mut self) -> io::Result<OwnedFd> {
        loop {
            let (driver, key) = (&self.driver, self.key);
            let connection = poll_fn(|cx| match driver.poll_stream(key, cx.waker()) {
                PolledStream::Item(connection) => Poll::Ready(Some(connection)),
                PolledStream::Ended => Poll::Ready(None),
                PolledStream::Pending(_) => Poll::Pending,
            })
            .await;
            match connection {
                Some(connection) => return connection,
                // The kernel ended the multishot (overflow, or an error before): ask again.
                None => self.restart(),
            }
        }
    }

    fn restart(&mut self) {
        self.driver.abandon(self.key, Box::new(()));
        self.key = self.driver.push_stream(entry(&self.listener));
    }
}

impl Drop for AcceptStream {
    fn drop(&mut self) {
        self.driver.abandon(self.key, Box::new(Rc::clone(&self.listener)));
    }
}
