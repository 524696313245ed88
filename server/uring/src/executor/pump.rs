//! The loop of a core.

use std::io;

/// The ring, as the loop uses it.
pub(crate) trait Ring {
    /// Hands over what is queued and reaps what is there, without waiting.
    fn turn(&self) -> io::Result<()>;

    /// Hands over what is queued, sleeps until the kernel has something or for a bounded time, and reaps.
    fn wait(&self) -> io::Result<()>;
}

/// The runnable tasks, as the loop uses them.
pub(crate) trait Tasks {
    /// Takes what other threads have made runnable, and runs every task that is runnable now, or as many as fit into a
    /// slice of time.
    fn run_ready(&self);

    /// True if a task is runnable, or another thread has said that it made one so.
    fn has_ready(&self) -> bool;

    /// From now on whoever makes a task runnable from another thread rings the bell.
    fn say_asleep(&self);

    fn say_awake(&self);
}

/// Runs tasks and drives the ring until `is_done`.
///
/// Runnable tasks go first, so that all their submissions enter the kernel in one call. With tasks left the ring is only
/// turned. With none the loop sleeps in the ring; there is no other place where it does.
pub(crate) fn pump(ring: &impl Ring, tasks: &impl Tasks, is_done: impl Fn() -> bool) -> io::Result<()> {
    loop {
        tasks.run_ready();
        if is_done() {
            return Ok(());
        }
        if tasks.has_ready() {
            ring.turn()?;
            continue;
        }
        tasks.say_asleep();
        // Asked once more: what came before the announcement rang nobody.
        let waited = if tasks.has_ready() { Ok(()) } else { ring.wait() };
        tasks.say_awake();
        waited?;
    }
}
