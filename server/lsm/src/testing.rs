//! Things that the tests of this module share: a directory on a real disk, a ring.

use super::*;
use crate::error::Result;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use uring::{Driver, DriverConfig, Helpers, Offload, PoolConfig};

const POOL_BYTES: usize = 16 << 20;
const DEADLINE: Duration = Duration::from_secs(60);

/// The entries that an index should hold.
pub(super) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A lane's directory and the core that works on it.
pub(super) struct Lane {
    pub(super) driver: Driver,
    pub(super) dir: tempfile::TempDir,
    pub(super) cache: Rc<IndexCache>,
    helpers: Offload,
}

impl Lane {
    /// A lane whose cache holds so many bytes of blocks.
    pub(super) fn new(cache_bytes: usize) -> Self {
        let pool = PoolConfig { size_bytes_max: POOL_BYTES };
        let driver = Driver::new(DriverConfig { entries: 64, pool }).unwrap();
        // Beside the test's own binary: on a disk that can do direct I/O, which a temporary directory need not be.
        let beside = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        let cache = IndexCache::new(&driver, cache_bytes).unwrap();
        let helpers = helpers(&driver);
        Self { driver, dir, cache, helpers }
    }

    pub(super) fn home(&self) -> Home {
        let dir = Rc::new(uring::sys::open_dir(self.dir.path()).unwrap());
        let helpers = self.helpers.clone();
        Home { driver: self.driver.clone(), dir, cache: Rc::clone(&self.cache), helpers }
    }

    pub(super) async fn open(&self) -> Result<Opened> {
        LaneIndex::open(self.home()).await
    }

    pub(super) async fn reset(&self) -> Result<Opened> {
        LaneIndex::reset(self.home()).await
    }

    /// Forgets all blocks in memory.
    pub(super) fn cool(&mut self) {
        // The buffers of the old one first: the pool is small.
        let pool = PoolConfig { size_bytes_max: POOL_BYTES };
        self.driver = Driver::new(DriverConfig { entries: 64, pool }).unwrap();
        self.cache = IndexCache::new(&self.driver, 1 << 20).unwrap();
        self.helpers = helpers(&self.driver);
    }

    /// Names of the files of runs.
    pub(super) fn run_files(&self) -> Vec<String> {
        self.files("run-")
    }

    /// Names of the files of checkpoints.
    pub(super) fn checkpoint_files(&self) -> Vec<String> {
        self.files("checkpoint-")
    }

    fn files(&self, prefix: &str) -> Vec<String> {
        let started = std::time::Instant::now();
        // Some are removed without being waited for. The way to the helpers always has one operation under way.
        self.run(self.helpers.run(|| Ok(()))).unwrap();
        while self.driver.stats().in_flight > 1 && started.elapsed() < DEADLINE {
            self.driver.turn_waiting(Duration::from_millis(1)).unwrap();
        }
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort();
        names
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a future on this thread; panics when it hangs.
    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        uring::block_on_within(&self.driver, DEADLINE, future).unwrap()
    }
}

fn helpers(driver: &Driver) -> Offload {
    Offload::new(&Helpers::new("test", 2).unwrap(), driver).unwrap()
}

impl Lane {
    /// Runs a test that ends without an error.
    pub(super) fn must(&self, test: impl Future<Output = Result<()>>) {
        self.run(test).unwrap();
    }
}

/// Drops a future that is not done after so many polls; between them the ring makes progress.
pub(super) fn give_up_after<F: Future>(lane: &Lane, polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
        lane.driver.turn_waiting(Duration::from_millis(1)).unwrap();
    }
    None
}

/// Everything from a key on.
pub(super) async fn scan(index: &LaneIndex, from: &[u8]) -> Result<Model> {
    let mut cursor = index.cursor(from);
    let mut found = Model::new();
    loop {
        match cursor.step() {
            Step::Item => {
                assert!(
                    found.last_key_value().is_none_or(|(last, _)| last.as_slice() < cursor.key()),
                    "order"
                );
                found.insert(cursor.key().to_vec(), cursor.value().to_vec());
            }
            Step::NeedsBlock => cursor.load().await?,
            Step::End => return Ok(found),
        }
    }
}

/// Merges as long as there is something to merge.
pub(super) async fn merge_all(index: &LaneIndex) -> Result<usize> {
    let mut merges = 0;
    while index.merge_step(&|_| true, &|| false).await? {
        merges += 1;
    }
    Ok(merges)
}

pub(super) async fn freeze_and_flush(index: &LaneIndex, checkpoint: &[u8]) -> Result<()> {
    index.freeze();
    index.flush(checkpoint).await
}

/// A key as the engine makes them, and a value that tells which write it is from.
pub(super) fn key(number: u32) -> Vec<u8> {
    [&7u64.to_be_bytes()[..], format!("photos/2024/{number:08}.jpg").as_bytes()].concat()
}

pub(super) fn value(number: u32, write: u32) -> Vec<u8> {
    let mut value = format!("{number}-{write}-").into_bytes();
    value.resize(20 + (number as usize * 7 + write as usize) % 90, b'v');
    value
}
