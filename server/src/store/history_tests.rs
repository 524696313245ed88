//! Random histories of one core's store against a model, with ends of all kinds in between.

use super::engine::{Caching, Store, StoreConfig};
use super::entry::{BucketRef, Key};
use super::formatting::FormatRequest;
use super::history_changes::{Change, Dice, Made, Model};
use super::history_damage::{damage_a_run, damage_of_indexes, patiently};
use super::mountpath::Mountpath;
use super::scan::{ScanLine, ScanQuery};
use super::source::{Arrival, ByteSource, Fill};
use super::start::StoreSetup;
use crate::error::Result;
use futures_util::future::{join_all, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use uring::{Buf, Driver, DriverConfig, PoolConfig};
use wire::api::bck::Bck;

const LANES: u16 = 3;
const BUCKETS: u64 = 2;
const DEADLINE: Duration = Duration::from_secs(600);

pub(super) struct Bytes(pub(super) Vec<u8>, pub(super) usize);

impl ByteSource for Bytes {
    async fn arrive(&mut self, _: &dyn Fn() -> bool) -> Result<Arrival> {
        // Every other object comes slowly.
        let rest = self.0.len() - self.1;
        let slowly = self.0.len() % 2 == 1;
        Ok(if rest == 0 {
            Arrival::End
        } else if slowly {
            Arrival::Few
        } else {
            Arrival::Flow
        })
    }

    async fn fill(&mut self, mut buf: Buf, range: Range<usize>) -> (Result<Fill>, Buf) {
        let rest = &self.0[self.1..];
        let count = rest.len().min(range.len());
        buf[range.start..range.start + count].copy_from_slice(&rest[..count]);
        self.1 += count;
        (Ok(if count == range.len() { Fill::Full(count) } else { Fill::Ended(count) }), buf)
    }

    fn take(&mut self, bytes_max: usize, to: &mut Vec<u8>) -> Result<()> {
        let rest = &self.0[self.1..];
        let count = rest.len().min(bytes_max).min(5000);
        to.extend_from_slice(&rest[..count]);
        self.1 += count;
        Ok(())
    }
}

/// The events of one life.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    steps: u64,
    replayed: u64,
    rebuilt: u64,
    reclaimed: u64,
    /// Indexes made anew while the store was in use.
    remade: u64,
}

/// A directory with a mountpath, and what should be in it.
struct World {
    dir: tempfile::TempDir,
    dice: Dice,
    model: Model,
    buckets: Vec<Arc<BucketRef>>,
    /// The same, as a rebuild sees them.
    published: Rc<RefCell<Vec<Arc<BucketRef>>>>,
    next_bucket: u64,
    made: Made,
    /// A run was damaged, and perhaps nobody has met that yet.
    damages_indexes: bool,
}

pub(super) fn driver() -> Driver {
    let pool = PoolConfig { size_bytes_max: 48 << 20 };
    Driver::new(DriverConfig { entries: 128, pool }).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        // Beside the test's own binary: on a disk that can do direct I/O, which a temporary directory need not be.
        let beside = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        let buckets: Vec<_> = (1..=BUCKETS).map(bucket).collect();
        let published = Rc::new(RefCell::new(buckets.clone()));
        let (dice, model, next_bucket) = (Dice(seed | 1), Model::new(), BUCKETS + 1);
        let made = Made::default();
        Self { dir, dice, model, buckets, published, next_bucket, made, damages_indexes: false }
    }

    fn setup(&self, driver: &Driver) -> StoreSetup {
        let request =
            FormatRequest { mountpath_id: "mp".to_owned(), target_id: "t", cluster_id: "c", lanes: LANES };
        let mountpath = Arc::new(Mountpath::open(self.dir.path(), &request).unwrap());
        mountpath.sweep().unwrap();
        let config = StoreConfig {
            cache_bytes: 16 << 20,
            open_files: 16,
            segment_bytes: 512 << 10,
            // Small, so that indexes are written out and merged all the time.
            index_bytes: 1 << 20,
            // None to lend: what comes slowly is written in small parts.
            slow_bytes: 0,
        };
        StoreSetup {
            driver: driver.clone(),
            core: 0,
            cores: 1,
            mountpaths: vec![mountpath].into(),
            config,
            buckets: self.buckets.clone(),
            first_new_bucket: self.next_bucket,
        }
    }

    /// Nothing on the disk contradicts anything else, counts included.
    fn verify(&mut self) {
        let driver = driver();
        let verifying = damage_of_indexes(self.setup(&driver));
        let is_damaged = uring::block_on_within(&driver, DEADLINE, verifying).unwrap();
        assert!(self.damages_indexes || !is_damaged, "an index is damaged that nobody has damaged");
        self.damages_indexes = is_damaged;
    }

    /// One life of the store: opened, used for some rounds, ended in one way or another.
    fn live(&mut self, rounds: u64) -> Life {
        let driver = driver();
        let mut life = Life::default();
        let driving = driver.clone();
        let mut helpers = Vec::new();
        let using = async {
            let (store, report) = self.setup(&driver).open().await.unwrap();
            let mountpath = store.mountpath(0).unwrap();
            helpers.extend([mountpath.lookers().clone(), mountpath.changers().clone()]);
            assert_eq!((report.unusable, report.torn_bytes), (0, 0), "{report:?}");
            (life.replayed, life.rebuilt) = (report.replayed, report.rebuilt);
            let tasks = FuturesUnordered::new();
            for commit in store.commit_loops() {
                tasks.push(Box::pin(commit) as std::pin::Pin<Box<dyn Future<Output = ()>>>);
            }
            for upkeep in store.upkeep_loops() {
                tasks.push(Box::pin(upkeep));
            }
            let published = Rc::clone(&self.published);
            tasks.push(Box::pin(Rc::clone(&store).rebuild_loop(move || published.borrow().clone())));
            let tasks = pin!(tasks.collect::<Vec<()>>());
            let work = pin!(async {
                self.check_all(&store).await;
                for _ in 0..rounds {
                    life.steps += self.round(&store).await;
                }
                self.check_all(&store).await;
                (life.reclaimed, life.remade) = (store.stats().reclaimed, store.stats().rebuilt);
                // Else as if killed: what is acknowledged is in the files.
                if self.dice.roll(4) == 0 {
                    store.close(DEADLINE).await.unwrap();
                }
            });
            select(work, tasks).await;
        };
        uring::block_on_within(&driving, DEADLINE, using).unwrap();
        // Work that is still being done holds the mountpath.
        assert!(helpers.iter().all(|helpers| helpers.drain(DEADLINE)));
        drop(driving);
        self.verify();
        if self.dice.roll(6) == 0 {
            self.lose_an_index();
        }
        life
    }

    /// Removes or damages the index of a lane, which must be made anew from its segments and files.
    fn lose_an_index(&mut self) {
        let lane = self.dice.roll(u64::from(LANES));
        let dir = self.dir.path().join(format!(".straightline/lanes/{lane:02}"));
        let files = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut index: Vec<_> =
            files(&dir).filter(|path| path.extension().is_none_or(|ext| ext != "tar")).collect();
        index.sort();
        let Some(victim) = index.get(self.dice.roll(index.len().max(1) as u64) as usize) else { return };
        match self.dice.roll(2) {
            0 => std::fs::remove_file(victim).unwrap(),
            _ => std::fs::write(victim, b"not what it was").unwrap(),
        }
    }

    /// A few changes side by side, of different names, then a look at some of them.
    async fn round(&mut self, store: &Rc<Store>) -> u64 {
        let mut changes: Vec<Change> = Vec::new();
        let mut names: BTreeSet<(u64, String)> = BTreeSet::new();
        for _ in 0..1 + self.dice.roll(8) {
            let bucket = Arc::clone(&self.buckets[self.dice.roll(BUCKETS) as usize]);
            let change = Change::new(&mut self.dice, bucket);
            if change.names().iter().all(|name| !names.contains(name)) {
                names.extend(change.names());
                changes.push(change);
            }
        }
        if self.dice.roll(200) == 0 {
            self.replace_bucket(store).await;
            changes.retain(|change| self.buckets.iter().any(|bucket| bucket.id == change.bucket.id));
        }
        if self.dice.roll(600) == 0 {
            let lane = self.dice.roll(u64::from(LANES));
            let dir = self.dir.path().join(format!(".straightline/lanes/{lane:02}"));
            damage_a_run(&dir, |runs| self.dice.roll(runs));
            self.damages_indexes = true;
        }
        let count = changes.len() as u64;
        join_all(changes.iter().map(|change| change.make(store, &self.model))).await;
        for change in changes {
            let names = change.names();
            self.made.count(&change, &self.model);
            change.note(&mut self.model);
            for name in &names {
                self.check(store, name).await;
            }
        }
        if self.dice.roll(50) == 0 {
            self.check_page(store).await;
        }
        count
    }

    /// Destroys a bucket and makes another one.
    async fn replace_bucket(&mut self, store: &Rc<Store>) {
        let at = self.dice.roll(BUCKETS) as usize;
        let old = std::mem::replace(&mut self.buckets[at], bucket(self.next_bucket));
        self.next_bucket += 1;
        self.published.borrow_mut().clone_from(&self.buckets);
        store.forget_bucket(&old).await;
        if let Some(trash) = store.mountpath(0).unwrap().trash_bucket(&old).unwrap() {
            std::fs::remove_dir_all(trash).unwrap();
        }
        self.model.retain(|(id, _), _| *id != old.id);
    }

    async fn check_all(&self, store: &Rc<Store>) {
        for name in self.model.keys() {
            self.check(store, name).await;
        }
        for bucket in &self.buckets {
            let expected: Vec<&(u64, String)> =
                self.model.keys().filter(|(id, _)| *id == bucket.id).collect();
            let query = ScanQuery { bucket_id: bucket.id, limit: usize::MAX, ..ScanQuery::default() };
            let names = self::names(store, &query).await;
            assert!(names.iter().eq(expected.iter().map(|(_, name)| name)), "{names:?}\n{expected:?}");
            let sum = patiently(store, async || store.summarize(bucket.id, "").await).await.unwrap();
            let things = self.model.iter().filter(|((id, _), _)| *id == bucket.id);
            let bytes: u64 = things.map(|(_, thing)| thing.bytes.len() as u64).sum();
            assert_eq!((sum.objects, sum.size_bytes), (expected.len() as u64, bytes));
        }
        let stats = store.stats();
        assert_eq!(stats.objects, self.model.len() as u64, "{stats:?}");
        assert!(stats.segment_live_bytes <= stats.segment_bytes, "{stats:?}");
    }

    async fn check(&self, store: &Rc<Store>, (id, name): &(u64, String)) {
        let Some(bucket) = self.buckets.iter().find(|bucket| bucket.id == *id) else { return };
        let key = key(bucket, name);
        let found = patiently(store, async || store.find(&key).await).await.unwrap();
        let thing = self.model.get(&(*id, name.clone()));
        let (Some(entry), Some(thing)) = (&found, thing) else {
            assert_eq!(found.is_some(), thing.is_some(), "{key:?}");
            return;
        };
        assert_eq!((entry.version, &entry.custom[..]), (thing.version, &thing.custom[..]), "{key:?}");
        // Nobody changes it now; being moved to another segment must not show.
        let bytes = patiently(store, async || read(store, &key, entry).await).await;
        let bytes = bytes.unwrap_or_else(|e| panic!("{key:?}: {e} {entry:?}"));
        assert!(bytes == thing.bytes, "{key:?} {entry:?}");
    }

    /// A page from some place on, with directories or without.
    async fn check_page(&mut self, store: &Rc<Store>) {
        let bucket = Arc::clone(&self.buckets[self.dice.roll(BUCKETS) as usize]);
        let names: Vec<&String> =
            self.model.keys().filter(|(id, _)| *id == bucket.id).map(|(_, name)| name).collect();
        if names.is_empty() {
            return;
        }
        let after = names[self.dice.roll(names.len() as u64) as usize].clone();
        let limit = 1 + self.dice.roll(20) as usize;
        let prefix = ["", "a/", "a/b/", "c"][self.dice.roll(4) as usize].to_owned();
        let shallow = self.dice.roll(2) == 0;
        let mut expected: Vec<String> = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(&prefix)) {
            let slash = name[prefix.len()..].find('/').filter(|_| shallow);
            let line = slash.map_or_else(|| (*name).clone(), |at| name[..=prefix.len() + at].to_owned());
            if line > after && expected.last() != Some(&line) {
                expected.push(line);
            }
        }
        // A directory that holds `after` itself still comes behind its own name only.
        expected.truncate(limit);
        let query = ScanQuery { bucket_id: bucket.id, prefix, after, limit, shallow };
        let got = self::names(store, &query).await;
        let got: Vec<String> = got.into_iter().filter(|line| *line > query.after).collect();
        assert!(
            expected.starts_with(&got) || got.len() + 1 >= expected.len(),
            "{query:?}: {got:?} {expected:?}"
        );
    }
}

pub(super) async fn read(store: &Rc<Store>, key: &Key, entry: &super::Entry) -> Result<Vec<u8>> {
    if entry.size_bytes == 0 {
        return Ok(Vec::new());
    }
    if !entry.place.is_file() {
        let piece = store.read_small(key, entry, Caching::Use).await?;
        return Ok(piece.chunk[piece.range].to_vec());
    }
    let mut reader = store.read(key, entry, 0..entry.size_bytes, Caching::Use).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await? {
        bytes.extend_from_slice(&piece.chunk[piece.range]);
    }
    Ok(bytes)
}

/// Checks a store that nobody uses: there must be no damage. What was under way at its end may have left files.
pub(super) async fn verify(setup: StoreSetup) {
    assert!(!damage_of_indexes(setup).await, "an index is damaged");
}

async fn names(store: &Rc<Store>, query: &ScanQuery) -> Vec<String> {
    let scan = async || {
        let mut names = Vec::new();
        let scanned = store.scan_lines(query, |line| {
            let (ScanLine::Object(name, _) | ScanLine::Directory(name)) = line;
            names.push(name.to_owned());
            Ok(true)
        });
        scanned.await.map(|_| names)
    };
    patiently(store, scan).await.unwrap()
}

pub(super) fn bucket(id: u64) -> Arc<BucketRef> {
    Arc::new(BucketRef::new(id, Bck::ais(&format!("b{id}"))))
}

pub(super) fn key(bucket: &Arc<BucketRef>, name: &str) -> Key {
    let digest = bucket.digest(name);
    let lane = placement::lane_of(digest, LANES).get();
    Key { bucket: Arc::clone(bucket), name: name.to_owned(), mountpath: 0, lane }
}

#[test]
fn a_store_is_its_model_through_every_end() {
    let mut world = World::new(0x5eed_0001);
    let mut all = Life::default();
    while all.steps < 100_000 {
        let rounds = 20 + world.dice.roll(600);
        let life = world.live(rounds);
        all.steps += life.steps;
        all.replayed += life.replayed;
        all.rebuilt += life.rebuilt;
        all.reclaimed += life.reclaimed;
        all.remade += life.remade;
    }
    // Else the test has looked at less than it says.
    assert!(all.replayed > 10_000 && all.rebuilt > 5 && all.reclaimed > 100, "{all:?}");
    assert!(all.remade > 3, "{all:?}");
    world.made.require();
    eprintln!("{all:?} {:?}", world.made);
}
