//! The agreement between a thread that falls asleep and those who have work for it.
//!
//! The sleeper says that it sleeps and then looks once more for work. Whoever brings work puts it down, says so, and then
//! looks whether the thread sleeps. Both write before they read, and a full fence stands between the two, so at least one
//! of them sees the other: the sleeper stays awake, or its bell is rung.

use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Two flags, one for each side.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    asleep: AtomicBool,
    work: AtomicBool,
}

impl Gate {
    /// The sleeper's first step. The second is to ask [`Gate::has_work`].
    pub(crate) fn say_asleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The sleeper is back.
    pub(crate) fn say_awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// True if work was brought that has not been taken.
    pub(crate) fn has_work(&self) -> bool {
        self.work.load(Ordering::SeqCst)
    }

    /// The sleeper is about to take all there is. What is brought from now on is said anew.
    pub(crate) fn take_work(&self) {
        self.work.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The first step of whoever has put work down.
    pub(crate) fn say_work(&self) {
        self.work.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The second step: true for the one who has to ring the bell.
    pub(crate) fn must_ring(&self) -> bool {
        self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst)
    }

    /// True if the thread sleeps, for those who only watch. False as soon as somebody has rung.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::SeqCst)
    }
}
