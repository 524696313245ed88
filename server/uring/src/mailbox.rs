//! Values from other cores, bounded, with a bell that is rung only for a sleeper.

use crate::driver::Driver;
use crate::op::Op;
use crate::ops::Readable;
use rustix::event::{EventfdFlags, eventfd};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::task::{Context, Poll, ready};

/// The receiving end: belongs to one core.
pub struct Mailbox<T> {
    letters: Receiver<T>,
    bell: Arc<Bell>,
    // The same descriptor in the form that operations keep alive.
    bell_fd: Rc<OwnedFd>,
    /// The wait for the bell, while there is one.
    ringing: Option<Op<Readable>>,
}

/// The sending end; any thread may hold one.
pub struct MailSender<T> {
    letters: SyncSender<T>,
    bell: Arc<Bell>,
}

/// The box is full, or its core has stopped; the value comes back.
#[derive(Debug)]
pub struct MailFull<T>(pub T);

struct Bell {
    fd: OwnedFd,
    asleep: AtomicBool,
}

impl<T> Mailbox<T> {
    /// A box for at most `capacity` letters, and for one at least.
    ///
    /// # Errors
    /// When no eventfd can be made.
    #[expect(clippy::new_ret_no_self, reason = "the two ends live on different threads from the start")]
    pub fn new(capacity: usize) -> io::Result<(MailSender<T>, MailReceiver<T>)> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // With no room at all a letter could only be handed over, and `send` does not wait.
        let (sender, letters) = sync_channel(capacity.max(1));
        let bell = Arc::new(Bell { fd, asleep: AtomicBool::new(false) });
        Ok((MailSender { letters: sender, bell: Arc::clone(&bell) }, MailReceiver { letters, bell }))
    }

    /// The next letter, waiting on the core's ring while there is none.
    ///
    /// # Errors
    /// Only for a broken ring.
    pub async fn next(&mut self, driver: &Driver) -> io::Result<T> {
        poll_fn(|cx| self.poll_next(driver, cx)).await
    }

    /// The same for one who polls. The waker of the last poll is woken.
    pub(crate) fn poll_next(&mut self, driver: &Driver, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            if let Ok(letter) = self.letters.try_recv() {
                return Poll::Ready(Ok(letter));
            }
            let Some(ringing) = &mut self.ringing else {
                self.bell.asleep.store(true, Ordering::SeqCst);
                // Pairs with the fence in `send`: either we see the letter or the sender sees us asleep.
                fence(Ordering::SeqCst);
                if let Ok(letter) = self.letters.try_recv() {
                    self.bell.asleep.store(false, Ordering::SeqCst);
                    return Poll::Ready(Ok(letter));
                }
                crate::fault::step("mailbox")?;
                self.ringing = Some(driver.readable(&self.bell_fd));
                continue;
            };
            let rung = ready!(Pin::new(ringing).poll(cx));
            self.ringing = None;
            rung?;
            // An empty counter is fine: it was rung for a letter that has been taken already.
            let _ = rustix::io::read(&*self.bell_fd, &mut [0u8; 8]);
        }
    }
}

/// A receiving end on its way to its core; [`MailReceiver::open`] it there.
pub struct MailReceiver<T> {
    letters: Receiver<T>,
    bell: Arc<Bell>,
}

impl<T> MailReceiver<T> {
    /// Makes it usable on the calling core.
    ///
    /// # Errors
    /// When the bell's descriptor cannot be duplicated.
    pub fn open(self) -> io::Result<Mailbox<T>> {
        let bell_fd = Rc::new(self.bell.fd.try_clone()?);
        Ok(Mailbox { letters: self.letters, bell: self.bell, bell_fd, ringing: None })
    }
}

impl<T> MailSender<T> {
    /// Puts a letter in, or gives it back when the box is full or its core has stopped.
    ///
    /// # Errors
    /// [`MailFull`] with the letter.
    pub fn send(&self, letter: T) -> Result<(), MailFull<T>> {
        self.letters.try_send(letter).map_err(|e| match e {
            TrySendError::Full(letter) | TrySendError::Disconnected(letter) => MailFull(letter),
        })?;
        fence(Ordering::SeqCst);
        if self.bell.asleep.load(Ordering::SeqCst) && self.bell.asleep.swap(false, Ordering::SeqCst) {
            // Full counter: it has been rung already.
            let _ = rustix::io::write(&self.bell.fd, &1u64.to_ne_bytes());
        }
        Ok(())
    }
}

impl<T> Clone for MailSender<T> {
    fn clone(&self) -> Self {
        Self { letters: self.letters.clone(), bell: Arc::clone(&self.bell) }
    }
}
