//! The tasks that run what other cores ask for. They are kept and reused, which saves making one for each request.

use super::context::Shard;
use super::runtime::spawn_local;
use async_channel::{Receiver, Sender, unbounded};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// A task that belongs to one core.
pub(crate) type LocalTask = Pin<Box<dyn Future<Output = ()>>>;

/// A pool of tasks. Bounded by what may be asked for: see `call::CALLS_MAX`.
pub(crate) struct Workers {
    queue: Sender<LocalTask>,
    tasks: Receiver<LocalTask>,
    idle: Rc<Cell<usize>>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let (queue, tasks) = unbounded();
        Self { queue, tasks, idle: Rc::default() }
    }

    /// Runs a task beside the others.
    pub(crate) fn run(&self, task: LocalTask) {
        if self.queue.len() >= self.idle.get() {
            spawn_local(work(self.tasks.clone(), Rc::clone(&self.idle)));
        }
        // Only fails when the queue is closed, and it lives as long as the shard.
        let _ = self.queue.try_send(task);
    }
}

impl Shard {
    /// Runs something in the background of this core.
    pub(crate) fn background(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        self.workers.run(Box::pin(task));
    }
}

async fn work(tasks: Receiver<LocalTask>, idle: Rc<Cell<usize>>) {
    loop {
        idle.set(idle.get() + 1);
        let task = tasks.recv().await;
        idle.set(idle.get().saturating_sub(1));
        match task {
            Ok(task) => task.await,
            Err(_) => return,
        }
    }
}
