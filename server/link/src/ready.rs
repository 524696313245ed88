//! Waiting for a socket, but not for ever.

use crate::error::LinkError;
use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use uring::Driver;

/// True if bytes come on a socket, or its end, before the time is over.
pub(crate) async fn readable_within(
    driver: &Driver,
    socket: &Rc<OwnedFd>,
    limit: Duration,
) -> Result<bool, LinkError> {
    let mut readable = driver.readable(socket);
    let mut sleep = driver.sleep(limit);
    poll_fn(|cx| {
        if let Poll::Ready(result) = Pin::new(&mut readable).poll(cx) {
            return Poll::Ready(result.map(|()| true).map_err(|e| LinkError::broken(&e, true)));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| Ok(false))
    })
    .await
}
