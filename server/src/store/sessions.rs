//! Writers that rest between two requests: an append is sent in parts, under a number that the client carries.

use super::entry::Key;
use super::writer::Writer;
use crate::error::{Error, Kind, Result};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Open sessions on one core. An idle one holds no registered memory and no descriptor: a few KiB of plain memory at
/// most beyond what slow peers may borrow.
const SESSIONS_MAX: usize = 2048;
const IDLE_MAX: Duration = Duration::from_secs(600);

struct Session {
    name: String,
    bucket_id: u64,
    writer: Writer,
    used: Instant,
}

/// The sessions of one core.
#[derive(Default)]
pub(crate) struct AppendSessions {
    sessions: RefCell<HashMap<u64, Session>>,
    last: Cell<u64>,
}

impl AppendSessions {
    /// Ends sessions that nobody has used for long.
    pub(crate) fn expire(&self) {
        self.sessions.borrow_mut().retain(|_, session| session.used.elapsed() < IDLE_MAX);
    }

    /// Refuses one more session when there are as many as there may be.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) fn require_room(&self) -> Result<()> {
        if self.sessions.borrow().len() < SESSIONS_MAX {
            return Ok(());
        }
        Err(Error::busy(format!("{SESSIONS_MAX} appends are open on this core")))
    }

    /// A number that no session has had.
    pub(crate) fn new_number(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    /// Keeps a writer under a number until it is taken or has waited for too long.
    pub(crate) fn keep(&self, number: u64, key: &Key, writer: Writer) {
        let last = self.last.get();
        assert!((1..=last).contains(&number), "append {number} is kept, and the last one was {last}");
        let (name, bucket_id) = (key.name.clone(), key.bucket.id);
        let session = Session { name, bucket_id, writer, used: Instant::now() };
        let before = self.sessions.borrow_mut().insert(number, session);
        assert!(before.is_none(), "append {number} is kept twice");
    }

    /// Takes the writer of a session, which must be one of this object.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn take(&self, number: u64, key: &Key) -> Result<Writer> {
        let mut sessions = self.sessions.borrow_mut();
        let ours = |s: &Session| s.name == key.name && s.bucket_id == key.bucket.id;
        let session = if sessions.get(&number).is_some_and(ours) { sessions.remove(&number) } else { None };
        let none =
            || format!("no append is open on ais://{}/{} under this handle", key.bucket.name, key.name);
        session.map(|session| session.writer).ok_or_else(|| Error::client(Kind::NotFound, none()))
    }
}
