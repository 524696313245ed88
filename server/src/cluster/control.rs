//! The control thread: takes commands one by one, persists, publishes, answers.

use super::state::{ClusterState, Command, Outcome};
use super::view::View;
use crate::durable;
use crate::error::{Error, Result};
use arc_swap::ArcSwap;
use placement::NodeLayout;
use std::path::PathBuf;
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
    /// Starts the thread. `file` is where the state lives.
    pub(crate) fn start(
        state: ClusterState,
        file: PathBuf,
        layout: NodeLayout,
        view: Arc<ArcSwap<View>>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, orders) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || run(state, &file, &layout, &view, &orders))?;
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
    file: &std::path::Path,
    layout: &NodeLayout,
    view: &ArcSwap<View>,
    orders: &Receiver<Order>,
) {
    while let Ok(Order::Apply(command, done)) = orders.recv() {
        let mut next = state.clone();
        let outcome = next.apply(command).and_then(|outcome| {
            durable::write_json(file, &next).map_err(|e| Error::disk("persist the cluster state", &e))?;
            Ok(outcome)
        });
        if outcome.is_ok() {
            state = next;
            view.store(Arc::new(View::new(&state, layout)));
        }
        done(outcome);
    }
}
