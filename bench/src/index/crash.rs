//! `kill -9` in the middle of an ingest, and what is there afterwards.

use super::Kind;
use super::keys::{KeySet, LANES, Owner, counted, lane, owner, value};
use crate::error::Result;
use crate::figures::Figures;
use rustix::process::{Signal, getpid, kill_process};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The number of applied batches, beside the engine's directory.
const APPLIED: &str = "applied";
/// Batches applied before the kill: a quarter, but not more than these.
const KILL_AFTER_MAX: u64 = 8000;
const POLL: Duration = Duration::from_micros(50);
const KILL_WAIT: Duration = Duration::from_secs(10);

/// Ingests until it is killed by a thread of its own, which strikes wherever the engine is at that moment.
pub(super) fn write(kind: Kind, keys: u32, dir: &Path) -> Result<()> {
    let set = KeySet::new(keys);
    let file = File::create(dir.join(APPLIED)).map_err(|e| format!("{APPLIED}: {e}"))?;
    let applied = Arc::new(AtomicU64::new(0));
    // The kill comes between two checkpoints, so that there is something to lose.
    let target = (set.batches() / 4).min(KILL_AFTER_MAX);
    let target = target + (set.batches() / 64).min(500);
    let seen = Arc::clone(&applied);
    std::thread::spawn(move || {
        while seen.load(Ordering::Relaxed) < target {
            std::thread::sleep(POLL);
        }
        kill_process(getpid(), Signal::KILL)
    });
    let mut engine = kind.open(&dir.join("db"))?;
    engine.ingest(&set, &mut |batch, _| {
        file.write_all_at(&(batch + 1).to_le_bytes(), 0).map_err(|e| format!("{APPLIED}: {e}"))?;
        applied.store(batch + 1, Ordering::Relaxed);
        Ok(())
    })?;
    // A small ingest can be over before the kill; it comes all the same.
    std::thread::sleep(KILL_WAIT);
    Err("no kill has come".to_owned())
}

/// Opens what the kill has left and judges it.
pub(super) fn check(kind: Kind, keys: u32, dir: &Path) -> Result<Figures> {
    let set = KeySet::new(keys);
    let applied = fs::read(dir.join(APPLIED)).map_err(|e| format!("{APPLIED}: {e}"))?;
    let applied = applied.as_slice().try_into().map(u64::from_le_bytes);
    let applied = applied.map_err(|_| format!("{APPLIED}: not a number"))?;
    let opening = Instant::now();
    let mut engine = kind.open(&dir.join("db"))?;
    let opened = opening.elapsed();
    let mut content = Content::empty(&set);
    engine.scan(&mut |lane, key, found| content.see(lane, key, found))?;
    engine.close()?;
    let verdict = content.judge(&set);
    Ok(Figures::from([
        ("crash_open_ms", opened.as_secs_f64() * 1e3),
        ("crash_applied_batches", applied as f64),
        ("crash_lost_batches", applied.saturating_sub(verdict.whole) as f64),
        ("crash_split_batches", verdict.split as f64),
        ("crash_broken_lane_batches", verdict.broken as f64),
    ]))
}

/// The number of objects of each batch in each lane.
struct Content {
    batch_of: Vec<u32>,
    lanes: Vec<Lane>,
}

#[derive(Clone, Debug)]
struct Lane {
    objects: Vec<u32>,
    /// Batches that the lane's counter claims.
    claimed: u64,
}

/// The state of the batches after a crash.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// Batches from the first on that are there in all lanes.
    whole: u64,
    /// Batches behind these that are there in some lanes and not in others.
    split: u64,
    /// Pairs of lane and batch that differ from what the lane's own counter claims.
    broken: u64,
}

impl Content {
    fn empty(set: &KeySet) -> Self {
        let mut batch_of = vec![0; set.order().len()];
        for (batch, ids) in (0_u32..).zip(set.order().chunks(super::keys::BATCH)) {
            for id in ids {
                if let Some(of) = batch_of.get_mut(*id as usize) {
                    *of = batch;
                }
            }
        }
        let objects = vec![0; usize::try_from(set.batches()).unwrap_or_default()];
        Self { batch_of, lanes: vec![Lane { objects, claimed: 0 }; LANES] }
    }

    fn see(&mut self, in_lane: usize, key: &[u8], found: &[u8]) -> Result<()> {
        let wrong = || format!("an entry that was never written: {key:?}");
        let lane_now = self.lanes.get_mut(in_lane).ok_or_else(wrong)?;
        match owner(key).ok_or_else(wrong)? {
            Owner::Counter => lane_now.claimed = counted(found).ok_or_else(wrong)? + 1,
            Owner::Object(id) if found == value(id) && lane(id) == in_lane => {
                let batch = *self.batch_of.get(id as usize).ok_or_else(wrong)?;
                *lane_now.objects.get_mut(batch as usize).ok_or_else(wrong)? += 1;
            }
            Owner::Object(_) => return Err(wrong()),
        }
        Ok(())
    }

    fn judge(&self, set: &KeySet) -> Verdict {
        let mut all = Self::empty(set);
        for id in set.order() {
            let batch = all.batch_of.get(*id as usize).copied().unwrap_or_default();
            let lane = all.lanes.get_mut(lane(*id)).and_then(|lane| lane.objects.get_mut(batch as usize));
            lane.into_iter().for_each(|objects| *objects += 1);
        }
        let mut broken = 0;
        for (now, all) in self.lanes.iter().zip(&all.lanes) {
            let claimed = usize::try_from(now.claimed).unwrap_or(usize::MAX);
            let expected = all.objects.iter().take(claimed).copied().chain(std::iter::repeat(0));
            broken += now.objects.iter().zip(expected).filter(|(now, all)| **now != *all).count() as u64;
        }
        let claims = || self.lanes.iter().map(|lane| lane.claimed);
        let (least, most) = (claims().min().unwrap_or_default(), claims().max().unwrap_or_default());
        Verdict { whole: least, split: most - least, broken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::keys::Entry;

    /// The first batches, then those entries of the next that `keep` lets pass.
    fn judged(batches: u64, keep: impl Fn(usize, &Entry) -> bool) -> Verdict {
        let set = KeySet::new(640);
        let (mut content, mut entries) = (Content::empty(&set), Vec::new());
        for batch in 0..=batches {
            set.fill(batch, &mut entries);
            for (at, entry) in entries.iter().enumerate() {
                if batch < batches || keep(at, entry) {
                    content.see(entry.lane, &entry.key, &entry.value).unwrap();
                }
            }
        }
        content.judge(&set)
    }

    #[test]
    fn verdicts() {
        assert_eq!(judged(5, |_, _| false), Verdict { whole: 5, split: 0, broken: 0 });
        assert_eq!(judged(5, |_, _| true), Verdict { whole: 6, split: 0, broken: 0 });
        assert_eq!(judged(5, |_, entry| entry.lane == 2), Verdict { whole: 5, split: 1, broken: 0 });
        // An object without the counter, and a counter without the object.
        assert_eq!(judged(5, |at, _| at == 7), Verdict { whole: 5, split: 0, broken: 1 });
        assert_eq!(judged(5, |at, _| at != 7), Verdict { whole: 6, split: 0, broken: 1 });
    }

    #[test]
    fn what_was_never_written_is_refused() {
        let set = KeySet::new(640);
        let mut entries = Vec::new();
        set.fill(0, &mut entries);
        let mut content = Content::empty(&set);
        let entry = entries[0];
        content.see(entry.lane, &entry.key, &value(u32::MAX)).unwrap_err();
        content.see((entry.lane + 1) % LANES, &entry.key, &entry.value).unwrap_err();
        content.see(entry.lane, b"other", &entry.value).unwrap_err();
        content.see(entry.lane, &entry.key, &entry.value).unwrap();
    }
}
