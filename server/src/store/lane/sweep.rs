//! Taking what is left of destroyed buckets off the counts of segments.
//!
//! A destroyed bucket costs nothing at once, and the counts know segments only as a whole. So the index is asked later: a
//! sweep goes through the bucket's entries, sums up what they have in each segment, and takes that off all at once. Until
//! the counts that say so are durable, merges keep the entries: after a crash the sweep is done again.

use super::Lane;
use super::upkeep::Upkeep;
use crate::error::Result;
use crate::store::index_key::index_prefix;
use crate::store::place::Place;
use crate::store::value;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

/// Buckets that are swept together.
const BUCKETS: usize = 64;
/// Entries and buckets that are looked at before others get the core for as long as that took.
const STEPS_PER_TURN: usize = 64;

impl Lane {
    /// Sweeps some doomed buckets; false when there are none.
    pub(super) async fn sweep(self: &Rc<Self>, upkeep: &Upkeep<'_>) -> Result<bool> {
        let doomed = self.ledger.borrow().to_sweep(BUCKETS);
        let mut found: HashMap<u64, u64> = HashMap::new();
        let (mut begun, mut steps) = (Instant::now(), 0);
        for &bucket_id in &doomed {
            let from = index_prefix(bucket_id, "");
            let mut cursor = self.cursor(&from)?;
            while cursor.next().await? && cursor.key().starts_with(&from) {
                let entry = value::decode(cursor.value(), self.whence()).map_err(|e| cursor.heard(e))?;
                if let Place::Segment(extent) = &entry.place {
                    *found.entry(extent.segment).or_default() += extent.record_bytes(entry.size_bytes);
                }
                steps += 1;
                if steps % STEPS_PER_TURN == 0 {
                    if (upkeep.is_closing)() {
                        return Ok(false);
                    }
                    begun = upkeep.share.rest(&self.driver, begun).await;
                }
            }
            steps += 1;
        }
        let mut ledger = self.ledger.borrow_mut();
        found.into_iter().for_each(|(segment, bytes)| ledger.take_off(segment, bytes));
        for &bucket_id in &doomed {
            ledger.swept(bucket_id);
            self.swept.borrow_mut().insert(bucket_id);
        }
        Ok(!doomed.is_empty())
    }

    /// True if merges must keep the entries of a bucket, although it is gone.
    pub(super) fn needs_entries_of(&self, bucket_id: u64) -> bool {
        self.ledger.borrow().counts(bucket_id) || self.swept.borrow().contains(&bucket_id)
    }
}
