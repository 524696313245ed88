//! An operation as a future that owns its memory.

use crate::driver::Driver;
use crate::slots::Polled;
use io_uring::squeue::Entry;
use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One kind of operation: its memory, its submission entry and the meaning of its result. Sealed by the privacy of
/// this module: operations are added in this crate only.
///
/// # Safety
/// Every address in the entry must stay valid and unmoved for as long as the value lives, wherever the value itself is
/// moved: pointers may lead to the heap, to pool memory or to static memory, never into `self`.
pub unsafe trait Operation: 'static {
    /// The value that the caller awaits.
    type Output;

    /// The submission entry; called once.
    fn entry(&mut self) -> Entry;

    /// Turns the result into what the caller awaits.
    fn finish(self, result: io::Result<u32>) -> Self::Output;

    /// For zero-copy sends: splits the memory that must outlive the result from the result itself.
    fn finish_before_notification(self, result: io::Result<u32>) -> (Self::Output, Held)
    where
        Self: Sized,
    {
        (self.finish(result), (Box::new(()), |_| ()))
    }

    /// For zero-copy sends whose notification came together with the result.
    fn note_copied(&self) {}
}

/// Memory kept until a notification, and what to do when the notification says that the kernel copied.
#[allow(unreachable_pub, reason = "named by a sealed trait")]
pub type Held = (Box<dyn Any>, fn(&dyn Any));

/// An operation in flight. Submitted when it is made, so that two can run at once without being joined; cancelled
/// when dropped early.
pub struct Op<T: Operation> {
    driver: Driver,
    key: usize,
    operation: Option<T>,
}

impl<T: Operation> Op<T> {
    pub(crate) fn submit(driver: &Driver, mut operation: T) -> Self {
        let entry = operation.entry();
        let key = driver.push_single(entry);
        Self { driver: driver.clone(), key, operation: Some(operation) }
    }

    /// Lets it take its course; nobody waits for the outcome.
    pub fn detach(mut self) {
        if let Some(operation) = self.operation.take() {
            self.driver.let_go(self.key, Box::new(operation));
        }
    }
}

// The operation is only moved, never pinned: its addresses do not lead into itself (see `Operation`).
impl<T: Operation> Unpin for Op<T> {}

impl<T: Operation> Future for Op<T> {
    type Output = <T as Operation>::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // After its end the slot may be another operation's; a look at it would steal that one's completion.
        if this.operation.is_none() {
            return Poll::Pending;
        }
        let Polled::Ready { completion, last } = this.driver.poll_single(this.key, cx.waker()) else {
            return Poll::Pending;
        };
        let Some(operation) = this.operation.take() else { return Poll::Pending };
        let result = completion.to_result();
        if last {
            if completion.copied {
                operation.note_copied();
            }
            return Poll::Ready(operation.finish(result));
        }
        let (output, (memory, on_copied)) = operation.finish_before_notification(result);
        this.driver.await_notification(this.key, memory, on_copied);
        Poll::Ready(output)
    }
}

impl<T: Operation> Drop for Op<T> {
    fn drop(&mut self) {
        if let Some(operation) = self.operation.take() {
            self.driver.abandon(self.key, Box::new(operation));
        }
    }
}
