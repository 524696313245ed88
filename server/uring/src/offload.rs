//! Hands work to helper threads and has the outcome come back to the core's ring.
//!
//! Every outcome is a letter in a mailbox of the core, which whoever is polled reads for all. The bell of that mailbox
//! wakes all who wait: one of them may be kept without being polled, and must not hold up the others.

use crate::driver::Driver;
use crate::helpers::{Helpers, Work};
use crate::mailbox::{MailSender, Mailbox};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Calls of one core that a group of helpers has at a time; more wait on their core.
const SENT_MAX: usize = 256;

/// One core's way to a group of helpers. Clones are the same; none leaves its thread.
#[derive(Clone)]
pub struct Offload {
    inner: Rc<Inner>,
}

struct Inner {
    driver: Driver,
    helpers: Helpers,
    sender: MailSender<usize>,
    mailbox: RefCell<Mailbox<usize>>,
    calls: RefCell<Slab<Call>>,
    /// The calls that are not handed over yet, in order.
    queued: RefCell<VecDeque<usize>>,
    sent: Cell<usize>,
    bell: Arc<Bell>,
    bell_waker: Waker,
}

enum Call {
    Queued(Work),
    Sent,
    Done,
    /// Nobody waits any more; the number is kept until the letter comes.
    Abandoned,
}

/// Wakes all who wait, by the numbers of their calls.
#[derive(Default)]
struct Bell {
    waiting: Mutex<Vec<Option<Waker>>>,
}

impl Offload {
    /// The way from the core of this ring.
    ///
    /// # Errors
    /// When there are no descriptors left for the mailbox.
    pub fn new(helpers: &Helpers, driver: &Driver) -> io::Result<Self> {
        // As many letters as there can be calls: none is ever lost.
        let (sender, receiver) = Mailbox::new(SENT_MAX)?;
        let bell = Arc::new(Bell::default());
        let inner = Inner {
            driver: driver.clone(),
            helpers: helpers.clone(),
            sender,
            mailbox: RefCell::new(receiver.open()?),
            calls: RefCell::default(),
            queued: RefCell::default(),
            sent: Cell::new(0),
            bell_waker: Waker::from(Arc::clone(&bell)),
            bell,
        };
        Ok(Self { inner: Rc::new(inner) })
    }

    /// The helpers that it leads to.
    pub fn helpers(&self) -> &Helpers {
        &self.inner.helpers
    }

    /// Hands `work` over at once; the future is its outcome. Dropped before that, the work is done all the same unless
    /// it still has to wait for others; its outcome is then dropped too, as a rule by the helper.
    ///
    /// # Errors
    /// The work's error; also when it panics.
    pub fn run<T, W>(&self, work: W) -> impl Future<Output = io::Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let place = Arc::new(Mutex::new(None));
        let there = Arc::clone(&place);
        let work = move || {
            let outcome = work();
            *lock(&there) = Some(outcome);
        };
        let call = OpenCall::begin(&self.inner, Box::new(work));
        async move {
            poll_fn(|cx| call.inner.poll(call.number, cx)).await?;
            let outcome = lock(&place).take();
            outcome
                .unwrap_or_else(|| Err(io::Error::other("work that was handed to a helper thread panicked")))
        }
    }
}

impl Inner {
    /// Hands over as much as may be.
    fn send_queued(&self) {
        while self.sent.get() < SENT_MAX {
            let Some(number) = self.queued.borrow_mut().pop_front() else { return };
            let mut calls = self.calls.borrow_mut();
            let Some(call) = calls.get_mut(number) else { continue };
            let Call::Queued(work) = std::mem::replace(call, Call::Sent) else { continue };
            drop(calls);
            self.sent.set(self.sent.get() + 1);
            let letter = Letter { sender: self.sender.clone(), number };
            self.helpers.submit(Box::new(move || {
                // Sent when this is dropped: after the work and all that it holds, and also when the work panics.
                let _letter = letter;
                work();
            }));
        }
    }

    fn poll(&self, number: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.read()?;
        if self.calls.borrow().get(number).is_none_or(|call| matches!(call, Call::Done)) {
            return Poll::Ready(Ok(()));
        }
        self.bell.set(number, Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Reads all letters that there are; the bell is told of the next one.
    fn read(&self) -> io::Result<()> {
        loop {
            let mut cx = Context::from_waker(&self.bell_waker);
            let next = self.mailbox.borrow_mut().poll_next(&self.driver, &mut cx);
            match next {
                Poll::Ready(number) => self.deliver(number?),
                Poll::Pending => break,
            }
        }
        self.send_queued();
        Ok(())
    }

    /// The outcome of a call is there.
    fn deliver(&self, number: usize) {
        let sent = self.sent.get();
        assert!(sent > 0, "call {number} is done, and none was handed over");
        self.sent.set(sent - 1);
        let mut calls = self.calls.borrow_mut();
        let Some(call) = calls.get_mut(number) else { return };
        let before = std::mem::replace(call, Call::Done);
        assert!(
            matches!(before, Call::Sent | Call::Abandoned),
            "call {number} is done twice, or was not begun"
        );
        if let Call::Abandoned = before {
            calls.remove(number);
        }
        drop(calls);
        self.bell.set(number, None).into_iter().for_each(Waker::wake);
    }
}

/// A call that is waited for.
struct OpenCall {
    inner: Rc<Inner>,
    number: usize,
}

impl OpenCall {
    fn begin(inner: &Rc<Inner>, work: Work) -> Self {
        let number = inner.calls.borrow_mut().insert(Call::Queued(work));
        inner.queued.borrow_mut().push_back(number);
        inner.send_queued();
        Self { inner: Rc::clone(inner), number }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.inner.bell.set(self.number, None);
        let mut calls = self.inner.calls.borrow_mut();
        if let Some(call) = calls.get_mut(self.number)
            && matches!(call, Call::Sent)
        {
            *call = Call::Abandoned;
            return;
        }
        let ended = calls.try_remove(self.number);
        drop(calls);
        if let Some(Call::Queued(_)) = ended {
            // Its number may belong to another call soon.
            self.inner.queued.borrow_mut().retain(|number| *number != self.number);
        }
    }
}

/// Tells the core that its work is done.
struct Letter {
    sender: MailSender<usize>,
    number: usize,
}

impl Drop for Letter {
    fn drop(&mut self) {
        // A core that has stopped waits for nothing.
        let _ = self.sender.send(self.number);
    }
}

impl Bell {
    /// Replaces the waker of a call; returns the one before.
    fn set(&self, number: usize, waker: Option<Waker>) -> Option<Waker> {
        let mut waiting = lock(&self.waiting);
        if waiting.len() <= number {
            waker.as_ref()?;
            waiting.resize(number + 1, None);
        }
        waiting.get_mut(number).and_then(|place| std::mem::replace(place, waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    // Everything behind the locks here is changed in single steps.
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
