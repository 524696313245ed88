//! Letting go of an index that another one takes the place of.

use super::flush::dissolve;
use super::index::LaneIndex;

impl LaneIndex {
    /// Frees what the index holds in memory, little by little. It must not be asked, flushed or merged any more; what
    /// somebody still reads of it, a scan for example, stays readable.
    pub async fn retire(&self) {
        let tables = [Some(self.active.take()), self.frozen.take()];
        for table in tables.into_iter().flatten() {
            dissolve(table).await;
        }
        let runs = self.runs.replace([].into());
        for run in runs.iter() {
            run.forget_cached().await;
        }
    }
}
