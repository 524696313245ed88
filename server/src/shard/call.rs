//! Asking another core to do something: a closure goes there, its result comes back.
//!
//! Both ways go through bounded mailboxes. A core has at most [`CALLS_MAX`] questions open, so a box that holds that
//! many for every core, the answers to its own and all connections of the node never overflows: nothing gets lost.

use super::context::Shard;
use super::parcel::Parcel;
use super::seat::BEYOND_SEATS;
use crate::cluster::{Action, Entry};
use crate::error::{Error, Result};
use futures_channel::oneshot;
use std::any::Any;
use std::future::Future;
use std::rc::Rc;
use uring::MailSender;

/// Questions that one core may have open.
pub(crate) const CALLS_MAX: usize = 1024;

/// The number of letters that a core's box must hold.
pub(crate) fn mailbox_capacity(cores: usize, connections_max: usize) -> usize {
    // Questions of every core, answers to our own, every connection, and a control message or two.
    // At most one letter of each core asks for room.
    (cores + 1) * CALLS_MAX + connections_max + BEYOND_SEATS + cores + 16
}

type Job = Box<dyn FnOnce(&Rc<Shard>) + Send>;
type Value = Box<dyn Any + Send>;

/// A message from one core to another.
pub(crate) enum Letter {
    /// Do this.
    Job(Job),
    /// The answer to a question with this number.
    Answer(usize, Value),
    /// There will be no answer to the question with this number.
    Lost(usize),
    /// Serve this connection from now on; it comes with a request for an object of yours.
    Connection(Box<Parcel>),
    /// That core has no seat left: end a connection that idles, unless another core has done so already.
    RoomWanted { asker: usize, made: bool },
    /// Take no new connections, finish what is being served, stop.
    Stop,
}

/// An order to the core, out of a letter.
pub(super) enum Order {
    Serve(Box<Parcel>),
    Stop,
}

/// An answer that is owed. Whoever goes without giving it, because its core stops or its task is dropped, lets the asker
/// know.
struct Owed {
    home: MailSender<Letter>,
    number: usize,
    is_given: bool,
}

impl Owed {
    fn give(mut self, value: Value) {
        self.is_given = true;
        // A core that has stopped needs no answer.
        let _ = self.home.send(Letter::Answer(self.number, value));
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.is_given {
            let _ = self.home.send(Letter::Lost(self.number));
        }
    }
}

impl Shard {
    /// Runs `work` on another core (or here, if that is the one) and returns its result.
    ///
    /// # Errors
    /// `Busy` when too many questions are open, `Internal` when the other core has stopped.
    pub(crate) async fn call<R, F, W>(self: &Rc<Self>, core: usize, work: W) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = R> + 'static,
        W: FnOnce(Rc<Self>) -> F + Send + 'static,
    {
        if core == self.core {
            return Ok(work(Rc::clone(self)).await);
        }
        let (answer, answered) = oneshot::channel();
        if self.calls.borrow().len() >= CALLS_MAX {
            return Err(Error::busy("too many requests wait for another core"));
        }
        let owed = self.owe(answer)?;
        let job: Job = Box::new(move |there| {
            let shard = Rc::clone(there);
            there.background(async move { owed.give(Box::new(work(shard).await)) });
        });
        if !self.send(core, Letter::Job(job)) {
            return Err(Error::busy("another core takes no more requests"));
        }
        let value = answered.await.map_err(|_| Error::internal("another core has stopped"))?;
        value.downcast::<R>().map(|value| *value).map_err(|_| Error::internal("an answer of the wrong type"))
    }

    /// Asks every core the same and returns their answers in core order.
    pub(crate) async fn call_all<R, F, W>(self: &Rc<Self>, work: W) -> Result<Vec<R>>
    where
        R: Send + 'static,
        F: Future<Output = R> + 'static,
        W: Fn(Rc<Self>) -> F + Clone + Send + 'static,
    {
        let calls = (0..self.cores()).map(|core| self.call(core, work.clone()));
        futures_util::future::try_join_all(calls).await
    }

    /// Notes that an answer is waited for. Its number comes back with the answer, or with the news that there is none.
    fn owe(&self, answer: oneshot::Sender<Value>) -> Result<Owed> {
        let home = self.mail.get(self.core).cloned();
        let home = home.ok_or_else(|| Error::internal("a core without a mailbox"))?;
        let number = self.calls.borrow_mut().insert(answer);
        Ok(Owed { home, number, is_given: false })
    }

    /// Puts a letter into a core's box; false when it is full or its core has stopped.
    pub(crate) fn send(&self, core: usize, letter: Letter) -> bool {
        self.mail.get(core).is_some_and(|mailbox| mailbox.send(letter).is_ok())
    }

    /// Handles a letter, or says what it orders.
    pub(super) fn open_letter(self: &Rc<Self>, letter: Letter) -> Option<Order> {
        match letter {
            Letter::Job(job) => job(self),
            Letter::Answer(number, value) => {
                if let Some(waiting) = self.calls.borrow_mut().try_remove(number) {
                    // Whoever asked may have gone away.
                    let _ = waiting.send(value);
                }
            }
            Letter::Lost(number) => drop(self.calls.borrow_mut().try_remove(number)),
            Letter::RoomWanted { asker, made } => self.room_wanted(asker, made),
            Letter::Connection(parcel) => return Some(Order::Serve(parcel)),
            Letter::Stop => return Some(Order::Stop),
        }
        None
    }
}

/// Questions waiting for their answers. One keeps its number until it is answered, even when its asker has gone away.
pub(crate) type OpenCalls = slab::Slab<oneshot::Sender<Value>>;

impl Shard {
    /// Has the control thread apply a command or a note and waits for the outcome; it comes back as mail, like any answer.
    /// The asker has to carry out the actions that come back.
    ///
    /// # Errors
    /// The error of applying it; `Busy` when the control thread is behind.
    pub(crate) async fn ask_control(&self, entry: Entry) -> Result<Vec<Action>> {
        let (answer, answered) = oneshot::channel();
        let owed = self.owe(answer)?;
        let done = Box::new(move |outcome: Result<Vec<Action>>| owed.give(Box::new(outcome)));
        self.node.control.apply(entry, done)?;
        let value = answered.await.map_err(|_| Error::internal("the control thread has stopped"))?;
        *value.downcast().map_err(|_| Error::internal("an answer of the wrong type"))?
    }
}
