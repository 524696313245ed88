//! Use at the limits of the formats: the longest names, the most metadata, buckets by the hundred thousand in one lane with
//! the smallest segments. All of it comes back, with an index and without, and the check agrees.

use super::Expect;
use super::engine::{Store, StoreConfig};
use super::entry::{BucketRef, Key};
use super::formatting::FormatRequest;
use super::history_tests::{Bytes, bucket, driver, read, verify};
use super::mountpath::Mountpath;
use super::start::{RecoveryReport, StoreSetup};
use super::writer::NewObject;
use futures_util::future::{join_all, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use uring::Driver;
use wire::api::bck::MAX_OBJECT_NAME;
use wire::api::bprops::Durability;
use wire::api::custom::MAX_CUSTOM;
use wire::cksum::CksumType;

const DEADLINE: Duration = Duration::from_secs(600);

/// One lane with the smallest segments.
struct World {
    dir: tempfile::TempDir,
    buckets: Vec<Arc<BucketRef>>,
}

impl World {
    fn new(buckets: u64) -> Self {
        // Beside the test's own binary: on a disk that can do direct I/O, which a temporary directory need not be.
        let beside = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        Self { dir, buckets: (1..=buckets).map(bucket).collect() }
    }

    fn setup(&self, driver: &Driver) -> StoreSetup {
        let request =
            FormatRequest { mountpath_id: "mp".to_owned(), target_id: "t", cluster_id: "c", lanes: 1 };
        let mountpath = Arc::new(Mountpath::open(self.dir.path(), &request).unwrap());
        mountpath.sweep().unwrap();
        StoreSetup {
            driver: driver.clone(),
            core: 0,
            cores: 1,
            mountpaths: vec![mountpath].into(),
            config: StoreConfig {
                slow_bytes: 0,
                cache_bytes: 4 << 20,
                open_files: 16,
                segment_bytes: 1 << 20,
                index_bytes: 4 << 20,
            },
            buckets: self.buckets.clone(),
            first_new_bucket: self.buckets.last().map_or(1, |last| last.id + 1),
        }
    }

    /// One life of the store, closed at its end.
    fn live(&self, use_it: impl AsyncFnOnce(&Rc<Store>, RecoveryReport)) {
        let driver = driver();
        let using = async {
            let (store, report) = self.setup(&driver).open().await.unwrap();
            assert_eq!((report.unusable, report.torn_bytes), (0, 0), "{report:?}");
            let tasks = FuturesUnordered::new();
            for commit in store.commit_loops() {
                tasks.push(Box::pin(commit) as std::pin::Pin<Box<dyn Future<Output = ()>>>);
            }
            for upkeep in store.upkeep_loops() {
                tasks.push(Box::pin(upkeep));
            }
            let tasks = pin!(tasks.collect::<Vec<()>>());
            let work = pin!(async {
                use_it(&store, report).await;
                store.close(DEADLINE).await.unwrap();
            });
            select(work, tasks).await;
        };
        uring::block_on_within(&driver, DEADLINE, using).unwrap();
    }

    fn verify(&self) {
        let driver = driver();
        uring::block_on_within(&driver, DEADLINE, verify(self.setup(&driver))).unwrap();
    }

    /// Takes the index away: the next life makes it from segments and files.
    fn lose_index(&self) {
        for entry in std::fs::read_dir(self.lane()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "tar") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    fn lane(&self) -> std::path::PathBuf {
        self.dir.path().join(".straightline/lanes/00")
    }
}

fn key(bucket: &Arc<BucketRef>, name: &str) -> Key {
    Key { bucket: Arc::clone(bucket), name: name.to_owned(), mountpath: 0, lane: 0 }
}

fn new_object(size_hint: Option<u64>, cksum_type: CksumType, custom: Vec<(String, String)>) -> NewObject {
    NewObject {
        size_hint,
        cksum_type,
        expected: None,
        custom,
        expect: Expect::Anything,
        durability: Durability::None,
        segment_bytes_max: 128 << 10,
    }
}

async fn put(
    store: &Rc<Store>,
    key: &Key,
    bytes: Vec<u8>,
    cksum_type: CksumType,
    custom: Vec<(String, String)>,
) {
    let new = new_object(Some(bytes.len() as u64), cksum_type, custom);
    let mut writer = store.writer(key, new).await.unwrap();
    writer.feed(&mut Bytes(bytes, 0)).await.unwrap();
    writer.commit().await.unwrap();
}

/// Bytes in all files of an index but its runs.
fn checkpoint_bytes(lane: &Path) -> u64 {
    let files = std::fs::read_dir(lane).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|file| file.file_name().to_str().unwrap().starts_with("checkpoint-"));
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// The longest names, each of a kind that some format makes longer.
fn longest_names() -> Vec<String> {
    let fill = |unit: &str| unit.repeat(MAX_OBJECT_NAME / unit.len());
    let mut names: Vec<String> =
        ["x", "/", "%", "é", "a/", "%/", "\u{1}", "\u{1F600}", "\n"].map(fill).into();
    // So many of nearly one name that their deletions share records.
    names.extend((0..40).map(|at| format!("{at:04}{}", "n".repeat(MAX_OBJECT_NAME - 4))));
    assert!(names.iter().all(|name| name.len() == MAX_OBJECT_NAME));
    names
}

#[test]
fn the_longest_names_with_the_most_metadata() {
    let world = World::new(1);
    let names = longest_names();
    let custom = vec![("k".repeat(48), "v".repeat(MAX_CUSTOM - 48 - 4))];
    let many: Vec<(String, String)> =
        (0..MAX_CUSTOM / 8).map(|at| (format!("{at:03}"), "v".to_owned())).collect();
    // Small, the largest of a segment, and files: with their checksums beside the metadata, and apart.
    let sizes = [0, 1, (128 << 10) - 1, 128 << 10, 9 << 20];
    let size_of = |at: usize| sizes[at % sizes.len()];
    let bytes_of = |at: usize| vec![at as u8; size_of(at)];
    let look = async |store: &Rc<Store>| {
        for (at, name) in names.iter().enumerate() {
            let key = key(&world.buckets[0], name);
            let entry = store.find(&key).await.unwrap().unwrap_or_else(|| panic!("{name:?} is gone"));
            let expected = if at % 2 == 0 { &custom } else { &many };
            assert_eq!(&entry.custom[..], &expected[..], "{name:?}");
            assert!(read(store, &key, &entry).await.unwrap() == bytes_of(at), "{name:?}");
        }
        assert_eq!(store.stats().objects, names.len() as u64);
    };
    world.live(async |store, _| {
        for (at, name) in names.iter().enumerate() {
            let key = key(&world.buckets[0], name);
            let first = if at % 3 == 0 { Vec::new() } else { custom.clone() };
            // Its value is the longest there is.
            put(store, &key, bytes_of(at), CksumType::Sha512, first).await;
            let wanted = if at % 2 == 0 { &custom } else { &many };
            store
                .set_custom(&key, &Expect::Anything, &|_| Ok(wanted.clone()), Durability::None)
                .await
                .unwrap();
        }
        look(store).await;
    });
    world.verify();
    world.live(async |store, report| {
        assert_eq!(report.rebuilt, 0);
        look(store).await;
    });
    world.lose_index();
    world.live(async |store, report| {
        assert_eq!(report.rebuilt, 1);
        look(store).await;
    });
    world.verify();
    world.live(async |store, _| {
        let keys: Vec<Key> = names.iter().map(|name| key(&world.buckets[0], name)).collect();
        // At once, so that they meet in batches.
        let removed =
            join_all(keys.iter().map(|key| store.remove(key, &Expect::Anything, Durability::None))).await;
        assert!(removed.into_iter().all(Result::unwrap));
        assert_eq!(store.stats().objects, 0);
    });
    world.verify();
    world.lose_index();
    world.live(async |store, report| {
        assert_eq!((report.objects, store.stats().objects), (0, 0), "deleted is deleted");
    });
}

#[test]
fn a_hundred_thousand_buckets_in_one_lane() {
    const BUCKETS: u64 = 100_000;
    const GONE: usize = 2000;
    let mut world = World::new(BUCKETS);
    world.live(async |store, _| {
        for buckets in world.buckets.chunks(256) {
            let keys: Vec<Key> = buckets.iter().map(|bucket| key(bucket, "o")).collect();
            join_all(keys.iter().map(|key| put(store, key, vec![1], CksumType::None, Vec::new()))).await;
        }
        assert_eq!(store.stats().objects, BUCKETS);
    });
    let bytes = checkpoint_bytes(&world.lane());
    assert!(bytes > 300_000 && bytes < 10 * BUCKETS, "{bytes}");
    let before = std::cell::Cell::new(0);
    world.live(async |store, report| {
        assert_eq!((report.objects, report.rebuilt, report.replayed), (BUCKETS, 0, 0));
        before.set(store.stats().segment_live_bytes);
        for bucket in &world.buckets[..GONE] {
            store.forget_bucket(bucket).await;
        }
        assert_eq!(store.stats().objects, BUCKETS - GONE as u64);
        let key = key(&world.buckets[GONE], "o");
        assert_eq!(store.find(&key).await.unwrap().unwrap().size_bytes, 1);
    });
    // A bucket that was not swept before the end is doomed in the checkpoint.
    world.buckets.drain(..GONE);
    world.verify();
    world.live(async |store, report| {
        assert_eq!((report.objects, report.rebuilt), (BUCKETS - GONE as u64, 0));
        let expected = before.get() * (BUCKETS - GONE as u64) / BUCKETS;
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while store.stats().segment_live_bytes > expected + (1 << 20) {
            assert!(std::time::Instant::now() < deadline, "{:?}, expected {expected}", store.stats());
            store.driver.sleep(Duration::from_millis(20)).await;
        }
    });
    world.verify();
}

/// An append begins with what is there, and a buffer still holds the end of that when the peer turns out to be slow.
#[test]
fn bytes_that_come_slowly_go_behind_those_before() {
    let world = World::new(1);
    world.live(async |store, _| {
        let key = key(&world.buckets[0], "log");
        for (first, second) in [(10_000, 5_001), (200_000, 20_001), (700_000, 90_001)] {
            let (first, second) = (vec![1; first], vec![2; second]);
            let mut writer = store.writer(&key, new_object(None, CksumType::None, Vec::new())).await.unwrap();
            for part in [&first, &second] {
                writer.feed(&mut Bytes(part.clone(), 0)).await.unwrap();
            }
            writer.rest().await.unwrap();
            let entry = writer.commit().await.unwrap();
            let whole = [first, second].concat();
            assert!(read(store, &key, &entry).await.unwrap() == whole, "{} bytes", whole.len());
        }
    });
    world.verify();
}
