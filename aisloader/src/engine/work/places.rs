//! Where an operation was done, for the record.

use super::core::Core;
use crate::recorder::{Moved, OpError, Span};
use link::PeerId;

impl Core {
    /// Counts an operation under the server that answered it and, when the cluster map tells it, under the mountpath
    /// of its object; `name` is that object's, if there is one.
    pub(crate) fn note_place(
        &self,
        peer: PeerId,
        name: Option<&str>,
        span: &Span,
        result: &Result<Moved, OpError>,
    ) {
        let latency = span.end.saturating_duration_since(span.begin);
        let bytes = result.as_ref().ok().map(|moved| moved.bytes);
        let mut stats = self.stats.borrow_mut();
        stats.targets.record(&self.peers.address(peer), latency, bytes);
        let bucket = self.run.config.bucket.as_placement();
        let mountpath =
            name.zip(self.run.direct.as_ref()).and_then(|(name, map)| map.mountpath(bucket, name));
        if let Some(mountpath) = mountpath {
            stats.mountpaths.record(mountpath, latency, bytes);
        }
    }
}
