//! One life of an engine in a process of its own: ingest, reads from memory, a cold start, a bucket deleted.

use super::keys::{BUCKETS, KeySet, LANES, Owner, Random, bucket, counted, owner, value};
use super::meters::{Latencies, Meter, disk_bytes, drop_page_cache, page_cache_bytes, resident, threads};
use super::{IndexEngine, Kind};
use crate::error::Result;
use crate::figures::Figures;
use std::path::Path;
use std::time::{Duration, Instant};

const MIB: f64 = 1_048_576.0;
/// Reads of a kind, and for how long at most.
const READS: usize = 200_000;
const READ_TIME: Duration = Duration::from_secs(3);
/// Cold reads: the first fill the engine's cache with what leads to the entries; the others are few beside all blocks.
const COLD_FIRST: usize = 200;
const COLD_READS: usize = 3000;
const COLD_TIME: Duration = Duration::from_secs(8);
const PAGE: usize = 1000;
const PAGES: usize = 400;
/// The deleted one.
const DOOMED: u32 = 3;

/// Runs all of it in an empty directory.
pub(super) fn measure(kind: Kind, keys: u32, dir: &Path) -> Result<Figures> {
    let set = KeySet::new(keys);
    let mut life = Life { set, dir, origin: Instant::now(), figures: Figures::new() };
    let (rss, _) = resident()?;
    let threads_before = threads()?;
    let mut engine = kind.open(dir)?;
    life.ingest(engine.as_mut(), rss)?;
    life.put("threads", threads()?.saturating_sub(threads_before) as f64);
    life.reads(engine.as_mut())?;
    life.scans(engine.as_mut())?;
    life.memory_after_reads(engine.as_ref(), rss)?;
    engine.close()?;
    let engine = life.cold(kind)?;
    life.delete(kind, engine)?;
    Ok(life.figures)
}

struct Life<'a> {
    set: KeySet,
    dir: &'a Path,
    origin: Instant,
    figures: Figures,
}

impl Life<'_> {
    fn put(&mut self, name: &'static str, figure: f64) {
        self.figures.insert(name, figure);
    }

    fn ingest(&mut self, engine: &mut dyn IndexEngine, rss: f64) -> Result<()> {
        let keys = f64::from(self.set.keys());
        let mut batches = Latencies::with_room(usize::try_from(self.set.batches()).unwrap_or_default());
        let mut checkpoints = Latencies::default();
        let before = Meter::now(self.origin)?;
        let set = &self.set;
        engine.ingest(set, &mut |batch, took| {
            let list = if set.is_checkpoint(batch) { &mut checkpoints } else { &mut batches };
            list.add(took);
            Ok(())
        })?;
        let settling = Instant::now();
        engine.settle()?;
        let settled = settling.elapsed();
        let used = Meter::now(self.origin)?.since(&before);
        let (now, most) = resident()?;
        self.figures.extend([
            ("ingest_keys_per_s", keys / used.wall_s),
            ("ingest_cpu_s_per_million", used.cpu_s / keys * 1e6),
            ("ingest_caller_cpu_s_per_million", used.caller_s / keys * 1e6),
            ("ingest_background_cpu_share", (used.cpu_s - used.caller_s) / used.cpu_s),
            ("ingest_written_bytes_per_entry", used.write_bytes / keys),
            ("ingest_settle_s", settled.as_secs_f64()),
            ("batch_p50_us", batches.us(0.5)),
            ("batch_p99_us", batches.us(0.99)),
            ("batch_p999_us", batches.us(0.999)),
            ("batch_max_us", batches.us(1.0)),
            ("checkpoint_p50_us", checkpoints.us(0.5)),
            ("checkpoint_max_us", checkpoints.us(1.0)),
            ("disk_bytes_per_entry", disk_bytes(self.dir)? / keys),
            ("rss_growth_ingest_mib", (now - rss) / MIB),
            ("rss_growth_ingest_bytes_per_entry", (now - rss) / keys),
            ("rss_growth_peak_mib", (most - rss) / MIB),
        ]);
        self.page_cache("page_cache_ingest_mib")
    }

    fn page_cache(&mut self, name: &'static str) -> Result<()> {
        let bytes = page_cache_bytes(self.dir)?;
        self.figures.extend(bytes.map(|bytes| (name, bytes / MIB)));
        Ok(())
    }

    /// Reads of one hundredth of the keys, again and again: of any, of neighbours, of such as are not there.
    fn reads(&mut self, engine: &mut dyn IndexEngine) -> Result<()> {
        let keys = self.set.keys();
        let hot = (keys / 100).max(1);
        let scattered: Vec<u32> = self.set.order().iter().copied().take(hot as usize).collect();
        let dense: Vec<u32> = (keys / 2..keys).take(hot as usize).collect();
        let absent: Vec<u32> = (keys..).take(hot as usize).collect();
        let kinds = [
            (scattered, ["hot_p50_us", "hot_p99_us", "hot_reads_per_core_s"]),
            (dense, ["dense_p50_us", "dense_p99_us", "dense_reads_per_core_s"]),
            (absent, ["absent_p50_us", "absent_p99_us", "absent_reads_per_core_s"]),
        ];
        for (ids, names) in kinds {
            let until = Instant::now() + READ_TIME;
            engine.point_reads(&self.set, &ids, until, &mut Latencies::default())?;
            let ids = draw(&ids, READS);
            let mut latencies = Latencies::with_room(READS);
            let before = Meter::now(self.origin)?;
            engine.point_reads(&self.set, &ids, Instant::now() + READ_TIME, &mut latencies)?;
            let used = Meter::now(self.origin)?.since(&before);
            let rate = latencies.count() as f64 / used.caller_s;
            self.figures.extend(names.into_iter().zip([latencies.us(0.5), latencies.us(0.99), rate]));
        }
        Ok(())
    }

    fn scans(&mut self, engine: &mut dyn IndexEngine) -> Result<()> {
        check(engine, &self.set, None)?;
        let before = Meter::now(self.origin)?;
        let (mut count, mut last) = (0_u32, [0; 32]);
        engine.scan(&mut |_, key, _| {
            // A lane follows the counter of the one before.
            if key <= last.as_slice() && last != [0xff; 32] {
                return Err("scan: keys are not in order".to_owned());
            }
            last = key.try_into().map_err(|_| "scan: key of a wrong length")?;
            count += 1;
            Ok(())
        })?;
        let used = Meter::now(self.origin)?.since(&before);
        self.put("scan_keys_per_core_s", f64::from(count) / used.caller_s);
        let from = draw(self.set.order(), PAGES);
        let mut latencies = Latencies::with_room(PAGES);
        engine.pages(&self.set, &from, PAGE, Instant::now() + READ_TIME, &mut latencies)?;
        self.figures.extend([("page_p50_us", latencies.us(0.5)), ("page_p99_us", latencies.us(0.99))]);
        Ok(())
    }

    fn memory_after_reads(&mut self, engine: &dyn IndexEngine, rss: f64) -> Result<()> {
        let (now, _) = resident()?;
        self.put("rss_growth_reads_mib", (now - rss) / MIB);
        self.put("rss_growth_reads_bytes_per_entry", (now - rss) / f64::from(self.set.keys()));
        self.figures.extend(engine.own_memory().map(|bytes| ("own_memory_mib", bytes as f64 / MIB)));
        self.page_cache("page_cache_reads_mib")
    }

    /// Opens again with nothing in memory, and reads any keys. The calls block, so their time is that of the caller.
    fn cold(&mut self, kind: Kind) -> Result<Box<dyn IndexEngine>> {
        drop_page_cache(self.dir)?;
        self.page_cache("page_cache_dropped_mib")?;
        let before = Meter::now(self.origin)?;
        let mut engine = kind.open(self.dir)?;
        let used = Meter::now(self.origin)?.since(&before);
        self.put("open_cold_ms", used.wall_s * 1e3);
        self.put("open_cold_read_mib", used.read_bytes / MIB);
        let ids = draw(self.set.order(), COLD_FIRST + COLD_READS);
        let (first, ids) = ids.split_at(COLD_FIRST.min(ids.len()));
        let until = Instant::now() + COLD_TIME;
        engine.point_reads(&self.set, first, until, &mut Latencies::default())?;
        let mut latencies = Latencies::with_room(COLD_READS);
        let before = Meter::now(self.origin)?;
        engine.point_reads(&self.set, ids, Instant::now() + COLD_TIME, &mut latencies)?;
        let used = Meter::now(self.origin)?.since(&before);
        let reads = latencies.count() as f64;
        self.figures.extend([
            ("cold_p50_us", latencies.us(0.5)),
            ("cold_p99_us", latencies.us(0.99)),
            ("cold_max_us", latencies.us(1.0)),
            ("cold_cpu_us_per_read", used.cpu_s * 1e6 / reads),
            ("cold_blocked_share", 1.0 - used.caller_s / used.wall_s),
            ("cold_disk_bytes_per_read", used.read_bytes / reads),
        ]);
        Ok(engine)
    }

    fn delete(&mut self, kind: Kind, mut engine: Box<dyn IndexEngine>) -> Result<()> {
        engine.settle()?;
        let doomed = (0..self.set.keys()).filter(|id| bucket(*id) == DOOMED).count() as u64;
        let before = disk_bytes(self.dir)?;
        let of_bucket = before / f64::from(BUCKETS);
        let start = Instant::now();
        let deleted = engine.delete_bucket(DOOMED)?;
        self.put("delete_s", start.elapsed().as_secs_f64());
        if deleted != doomed {
            return Err(format!("{deleted} entries were deleted, and not {doomed}"));
        }
        engine.settle()?;
        self.put("delete_space_back", (before - disk_bytes(self.dir)?) / of_bucket);
        let start = Instant::now();
        engine.compact()?;
        self.put("compact_s", start.elapsed().as_secs_f64());
        self.put("compact_space_back", (before - disk_bytes(self.dir)?) / of_bucket);
        check(engine.as_mut(), &self.set, Some(DOOMED))?;
        engine.close()?;
        let mut engine = kind.open(self.dir)?;
        check(engine.as_mut(), &self.set, Some(DOOMED))?;
        self.put("reopen_space_back", (before - disk_bytes(self.dir)?) / of_bucket);
        engine.close()
    }
}

/// So many of these, at random.
fn draw(ids: &[u32], count: usize) -> Vec<u32> {
    let mut random = Random::new(ids.len() as u64);
    (0..count).filter_map(|_| ids.get(random.below(ids.len())).copied()).collect()
}

/// Everything is there and right, but nothing of the bucket `without`.
fn check(engine: &mut dyn IndexEngine, set: &KeySet, without: Option<u32>) -> Result<()> {
    let (mut objects, mut counters) = (0_usize, 0);
    engine.scan(&mut |_, key, found| {
        match owner(key) {
            Some(Owner::Object(id)) if Some(bucket(id)) != without && found == value(id) => objects += 1,
            Some(Owner::Counter) if counted(found) == set.batches().checked_sub(1) => counters += 1,
            _ => return Err(format!("scan: an entry that should not be there: {key:?}")),
        }
        Ok(())
    })?;
    let expected = set.order().iter().filter(|id| Some(bucket(**id)) != without).count();
    if objects != expected || counters != LANES {
        return Err(format!(
            "scan: {objects} objects and {counters} counters, and not {expected} and {LANES}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::legend;
    use crate::index::testing::direct_dir;

    #[test]
    fn each_engine_answers_rightly() {
        for kind in Kind::ALL {
            let dir = direct_dir();
            let figures = measure(kind, 2000, dir.path()).unwrap();
            for (name, figure) in &figures {
                assert!(legend::name(name).is_some(), "{name} is not explained");
                assert!(figure.is_finite(), "{}: {name} is {figure}", kind.name());
            }
            let get = |name| figures.get(name).copied().unwrap();
            assert!(get("ingest_keys_per_s") > 0.0 && get("cold_p50_us") > 0.0);
            assert!(get("disk_bytes_per_entry") > 40.0, "the checksums alone are longer");
        }
    }

    #[test]
    fn wrong_content_is_found() {
        let set = KeySet::new(500);
        for kind in Kind::ALL {
            let dir = direct_dir();
            let mut engine = kind.open(dir.path()).unwrap();
            engine.ingest(&set, &mut |_, _| Ok(())).unwrap();
            check(engine.as_mut(), &set, None).unwrap();
            check(engine.as_mut(), &set, Some(1)).unwrap_err();
            // A larger set asks for what is not there, a smaller one for the absence of what is.
            for other in [KeySet::new(501), KeySet::new(499)] {
                check(engine.as_mut(), &other, None).unwrap_err();
                let until = Instant::now() + READ_TIME;
                let reads = engine.point_reads(&other, &[499, 500], until, &mut Latencies::default());
                assert!(reads.unwrap_err().contains("was found"));
            }
            assert_eq!(engine.delete_bucket(7).unwrap(), 50);
            check(engine.as_mut(), &set, Some(7)).unwrap();
            check(engine.as_mut(), &set, None).unwrap_err();
            engine.close().unwrap();
        }
    }
}
