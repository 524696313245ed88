//! The control thread: takes commands in the order of their coming, persists, publishes, answers. Those that wait share
//! one flush.

use super::journal::Journal;
use super::state::{ClusterState, Command, Outcome};
use super::view::View;
use crate::error::{Error, Result};
use arc_swap::ArcSwap;
use placement::NodeLayout;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Commands that may wait.
const QUEUE: usize = 256;

type Done = Box<dyn FnOnce(Result<Outcome>) + Send>;

/// A handle for sending commands.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    commands: SyncSender<Order>,
}

enum Order {
    Apply(Command, Done),
    Stop,
}

impl Control {
    /// Starts the thread. `journal` is where changes are written down.
    pub(crate) fn start(
        state: ClusterState,
        journal: Journal,
        layout: Arc<NodeLayout>,
        view: Arc<ArcSwap<View>>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, orders) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || run(state, journal, &layout, &view, &orders))?;
        Ok((Self { commands }, thread))
    }

    /// Applies a command; `done` is called on the control thread with the outcome.
    ///
    /// # Errors
    /// `Busy` when too many commands wait.
    pub(crate) fn apply(&self, command: Command, done: Done) -> Result<()> {
        self.commands
            .try_send(Order::Apply(command, done))
            .map_err(|_| Error::busy("too many changes of the cluster wait"))
    }

    /// Ends the thread after the commands before.
    pub(crate) fn stop(&self) {
        // It may have stopped already.
        let _ = self.commands.send(Order::Stop);
    }
}

fn run(
    mut state: ClusterState,
    mut journal: Journal,
    layout: &Arc<NodeLayout>,
    view: &ArcSwap<View>,
    orders: &Receiver<Order>,
) {
    while let Ok(first) = orders.recv() {
        // What waits already goes along.
        let waiting = std::iter::from_fn(|| orders.try_recv().ok()).take(QUEUE);
        let mut commands = Vec::new();
        let mut stops = false;
        for order in std::iter::once(first).chain(waiting) {
            match order {
                Order::Apply(command, done) => commands.push((command, done)),
                Order::Stop => {
                    stops = true;
                    break;
                }
            }
        }
        let answers = apply(&mut state, &mut journal, commands);
        view.store(Arc::new(View::new(&state, layout)));
        for (done, outcome) in answers {
            done(outcome);
        }
        if let Err(error) = journal.snapshot_if_due(&state) {
            tracing::error!(%error, "no new journal of the cluster's state: the one there is goes on");
        }
        if stops {
            break;
        }
    }
    journal.wait();
}

/// Applies commands and makes them durable together; each is refused for itself, and all fail together.
fn apply(
    state: &mut ClusterState,
    journal: &mut Journal,
    commands: Vec<(Command, Done)>,
) -> Vec<(Done, Result<Outcome>)> {
    let mut next = state.clone();
    let mut lines = Vec::new();
    let mut answers = Vec::new();
    for (command, done) in commands {
        let line = serde_json::to_string(&command).map_err(|e| Error::internal(format!("JSON: {e}")));
        let outcome = line.and_then(|line| Ok((line, next.apply(command)?)));
        answers.push((
            done,
            outcome.map(|(line, outcome)| {
                lines.push(line);
                outcome
            }),
        ));
    }
    if lines.is_empty() {
        return answers;
    }
    match journal.append(&lines, state) {
        Ok(()) => {
            *state = next;
            answers
        }
        Err(e) => {
            let failed = Error::disk("persist the cluster state", &e);
            answers.into_iter().map(|(done, _)| (done, Err(failed.clone()))).collect()
        }
    }
}
