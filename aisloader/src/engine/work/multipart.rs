//! A PUT in parts: begin, the parts one after another, complete; and abort when that fails. One operation in the
//! statistics.

use super::operation::Operator;
use crate::engine::request::call::Call;
use crate::recorder::{Moved, OpError};
use link::{Patience, PeerId};
use std::time::{Duration, Instant};

/// The time that aborting may take; the operation's own limit may be over by then.
const ABORT_LIMIT: Duration = Duration::from_secs(5);

/// Uploaded bytes are not read here, so no check needs a name.
const NO_NAME: &str = "";

impl Operator {
    /// Runs an upload to its end.
    pub(crate) async fn upload(&mut self, peer: PeerId, call: &mut Call) -> Result<Moved, OpError> {
        let object = self.room.target.clone();
        let outcome = self.upload_steps(peer, &object, call).await;
        if outcome.is_err() {
            self.abort(peer, &object, call).await;
        }
        outcome
    }

    async fn upload_steps(&mut self, peer: PeerId, object: &str, call: &mut Call) -> Result<Moved, OpError> {
        loop {
            self.aim_step(object, call);
            let moved = self.perform(peer, call, NO_NAME).await?;
            let Call::Multipart(upload) = call else { return Ok(moved) };
            if !upload.advance(&self.room.kept, &self.room.facts.etag)? {
                return Ok(moved);
            }
        }
    }

    fn aim_step(&mut self, object: &str, call: &Call) {
        let target = &mut self.room.target;
        target.clear();
        target.push_str(object);
        if let Call::Multipart(upload) = call {
            upload.push_query(target);
        }
    }

    /// Parts of an upload that has failed would lie in the server until somebody looks for them. Should aborting fail
    /// too, there is nothing more to do.
    async fn abort(&mut self, peer: PeerId, object: &str, call: &mut Call) {
        let Call::Multipart(upload) = call else { return };
        if !upload.abort() {
            return;
        }
        self.aim_step(object, call);
        let was_cut = self.slot.is_cut();
        self.slot.begin(Patience { until: Some(Instant::now() + ABORT_LIMIT), idle: None });
        let _ = self.perform(peer, call, NO_NAME).await;
        if was_cut {
            self.slot.stays_cut();
        }
    }
}
