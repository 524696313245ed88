//! The control thread: takes commands in the order of their coming, persists, publishes, answers. Those that wait share
//! one flush.

use super::journal::Journal;
use super::reconcile::Action;
use super::replica::{Entry, Replica};
use super::view::View;
use crate::error::{Error, Result};
use arc_swap::ArcSwap;
use placement::NodeLayout;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Commands that may wait.
const QUEUE: usize = 256;

/// Told what this node has to do now that the change is made.
type Done = Box<dyn FnOnce(Result<Vec<Action>>) + Send>;

/// A handle for sending commands.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    commands: SyncSender<Order>,
}

enum Order {
    Apply(Entry, Done),
    Stop,
}

impl Control {
    /// Starts the thread. `journal` is where changes are written down.
    pub(crate) fn start(
        replica: Replica,
        journal: Journal,
        layout: Arc<NodeLayout>,
        view: Arc<ArcSwap<View>>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, orders) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || run(replica, journal, &layout, &view, &orders))?;
        Ok((Self { commands }, thread))
    }

    /// Applies a command or a note; `done` is called on the control thread with the outcome.
    ///
    /// # Errors
    /// `Busy` when too many commands wait.
    pub(crate) fn apply(&self, entry: Entry, done: Done) -> Result<()> {
        self.commands
            .try_send(Order::Apply(entry, done))
            .map_err(|_| Error::busy("too many changes of the cluster wait"))
    }

    /// Ends the thread after the commands before.
    pub(crate) fn stop(&self) {
        // It may have stopped already.
        let _ = self.commands.send(Order::Stop);
    }
}

fn run(
    mut replica: Replica,
    mut journal: Journal,
    layout: &Arc<NodeLayout>,
    view: &ArcSwap<View>,
    orders: &Receiver<Order>,
) {
    while let Ok(first) = orders.recv() {
        // Orders that wait already go along.
        let waiting = std::iter::from_fn(|| orders.try_recv().ok()).take(QUEUE);
        let mut entries = Vec::new();
        let mut stops = false;
        for order in std::iter::once(first).chain(waiting) {
            match order {
                Order::Apply(entry, done) => entries.push((entry, done)),
                Order::Stop => {
                    stops = true;
                    break;
                }
            }
        }
        let answers = apply(&mut replica, &mut journal, entries);
        view.store(Arc::new(View::new(&replica, layout)));
        for (done, outcome) in answers {
            done(outcome);
        }
        if let Err(error) = journal.snapshot_if_due(&replica) {
            tracing::error!(%error, "no new journal of the cluster's state: the one there is goes on");
        }
        if stops {
            break;
        }
    }
    journal.wait();
}

/// Applies entries and makes them durable together; each is refused for itself, and all fail together.
fn apply(
    replica: &mut Replica,
    journal: &mut Journal,
    entries: Vec<(Entry, Done)>,
) -> Vec<(Done, Result<Vec<Action>>)> {
    let mut next = replica.clone();
    let mut lines = Vec::new();
    let mut answers = Vec::new();
    for (entry, done) in entries {
        let outcome = take(&mut next, entry);
        answers.push((
            done,
            outcome.map(|(line, actions)| {
                lines.push(line);
                actions
            }),
        ));
    }
    if lines.is_empty() {
        return answers;
    }
    match journal.append(&lines, replica) {
        Ok(()) => {
            *replica = next;
            answers
        }
        Err(e) => {
            let failed = Error::disk("persist the cluster state", &e);
            answers.into_iter().map(|(done, _)| (done, Err(failed.clone()))).collect()
        }
    }
}

/// Applies an entry, if this node can carry it out; returns its line of the journal too.
fn take(next: &mut Replica, entry: Entry) -> Result<(String, Vec<Action>)> {
    next.admit(&entry)?;
    let line = serde_json::to_string(&entry).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    Ok((line, next.apply(entry)?))
}
