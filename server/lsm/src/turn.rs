//! Taking turns on a core: going one at a time.

use crate::error::{Error, Result};
use async_channel::{Receiver, Sender, TrySendError};

/// Lets one task in at a time, in the order of their coming.
pub(super) struct Gate {
    leave: Sender<()>,
    enter: Receiver<()>,
}

/// Held by the task that is in.
pub(super) struct Pass {
    leave: Sender<()>,
}

impl Gate {
    pub(super) fn new() -> Self {
        let (leave, enter) = async_channel::bounded(1);
        drop(Pass { leave: leave.clone() });
        Self { leave, enter }
    }

    pub(super) async fn enter(&self) -> Result<Pass> {
        self.enter.recv().await.map_err(|_| Error::internal("a gate is gone"))?;
        Ok(Pass { leave: self.leave.clone() })
    }

    /// `None` when somebody is in.
    pub(super) fn try_enter(&self) -> Option<Pass> {
        self.enter.try_recv().ok()?;
        Some(Pass { leave: self.leave.clone() })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // Without the gate nobody waits any more.
        let left = self.leave.try_send(());
        assert!(!matches!(left, Err(TrySendError::Full(()))), "a gate has let in two at a time");
    }
}
