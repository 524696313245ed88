//! Direct reads and writes, syncs, and reads whose futures go away.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may fail loudly, their helpers too")]

mod common;

use common::{block_on, disk_dir, driver, driver_with, join_all, open, pattern, poll_once, settle, task};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};
use uring::{Buf, DirectFile, Driver, OpenMode};

const BLOCK: usize = 64 << 10;

fn file(dir: &tempfile::TempDir, name: &str) -> DirectFile {
    DirectFile::open(open(dir).as_fd(), name, OpenMode::CreateNew).unwrap()
}

fn filled(driver: &Driver, len: usize, seed: usize) -> Buf {
    let mut buf = driver.pool().try_alloc(len).unwrap();
    buf[..len].copy_from_slice(&pattern(len, seed));
    buf
}

#[test]
fn a_name_is_removed_and_what_is_open_stays_readable() {
    let (driver, dir) = (driver(), disk_dir());
    let file = file(&dir, "f");
    let at = Rc::new(open(&dir));
    block_on(&driver, async {
        let (n, _) = driver.write_at(file.fd(), filled(&driver, BLOCK, 1), BLOCK, 0).await;
        assert_eq!(n.unwrap(), BLOCK);
        driver.unlink(&at, c"f".to_owned()).await.unwrap();
        let again = driver.unlink(&at, c"f".to_owned()).await;
        assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::NotFound);
        let (n, buf) = driver.read_at(file.fd(), driver.pool().try_alloc(BLOCK).unwrap(), BLOCK, 0).await;
        assert_eq!((n.unwrap(), &buf[..]), (BLOCK, &pattern(BLOCK, 1)[..]));
    });
}

#[test]
fn what_was_written_is_read_and_the_end_cuts_short() {
    let (driver, dir) = (driver(), disk_dir());
    let file = file(&dir, "f");
    assert!(file.align_bytes() <= 4096);
    block_on(&driver, async {
        for (at, seed) in [(0, 1), (BLOCK, 2)] {
            let (n, _) = driver.write_at(file.fd(), filled(&driver, BLOCK, seed), BLOCK, at as u64).await;
            assert_eq!(n.unwrap(), BLOCK);
        }
        driver.fsync(file.fd(), true).await.unwrap();
        driver.fsync(file.fd(), false).await.unwrap();
        uring::sys::truncate(file.fd().as_fd(), (BLOCK + 100) as u64).unwrap();
        assert_eq!(file.size_bytes().unwrap(), (BLOCK + 100) as u64);
        let buf = driver.pool().try_alloc(2 * BLOCK).unwrap();
        let (n, buf) = driver.read_at(file.fd(), buf, 2 * BLOCK, 0).await;
        assert_eq!(n.unwrap(), BLOCK + 100);
        assert_eq!(buf[..BLOCK], pattern(BLOCK, 1));
        assert_eq!(buf[BLOCK..BLOCK + 100], pattern(BLOCK, 2)[..100]);
        let (n, _) = driver.read_at(file.fd(), buf, BLOCK, 4 * BLOCK as u64).await;
        assert_eq!(n.unwrap(), 0, "behind the end");
    });
    settle(&driver);
}

#[test]
fn memory_of_another_ring_is_refused_and_memory_that_is_not_registered_works() {
    let (ours, other, dir) = (driver(), driver(), disk_dir());
    let file = file(&dir, "f");
    // Registered with `other` only, under an index that means nothing here: the kernel must notice.
    let foreign = filled(&other, BLOCK, 3);
    let (n, _) = block_on(&ours, ours.write_at(file.fd(), foreign, BLOCK, 0));
    assert!(n.is_err() || ours.pool().stats().registered_bytes == 0);
    // A pool whose ring is gone when its first segment is made: no index, plain operations.
    let pool = other.pool().clone();
    drop(other);
    let late = driver();
    let orphans = late.pool().clone();
    drop(late);
    let mut plain = orphans.try_alloc(BLOCK).unwrap();
    assert_eq!(orphans.stats().registered_bytes, 0);
    plain.copy_from_slice(&pattern(BLOCK, 4));
    let (n, plain) = block_on(&ours, ours.write_at(file.fd(), plain, BLOCK, 0));
    assert_eq!(n.unwrap(), BLOCK);
    drop((plain, pool));
    let fixed = ours.pool().try_alloc(BLOCK).unwrap();
    assert_eq!(ours.pool().stats().registered_bytes, 2 << 20, "as root, or with enough locked memory");
    let (n, fixed) = block_on(&ours, ours.read_at(file.fd(), fixed, BLOCK, 0));
    assert_eq!(n.unwrap(), BLOCK);
    assert_eq!(fixed[..], pattern(BLOCK, 4));
}

#[test]
fn errors_of_the_kernel_reach_the_caller_with_the_buffer() {
    let (driver, dir) = (driver(), disk_dir());
    let read_only: Rc<OwnedFd> = Rc::new(std::fs::File::open(dir.path()).unwrap().into());
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    block_on(&driver, async {
        assert!(driver.fsync(&Rc::new(pipe), false).await.is_err());
        let (n, buf) = driver.write_at(&read_only, filled(&driver, 4096, 0), 4096, 0).await;
        assert_eq!(n.unwrap_err().raw_os_error(), Some(libc::EBADF));
        let (n, _) = driver.read_at(&read_only, buf, 4096, 0).await;
        assert!(n.is_err(), "a directory");
        driver.fsync(&read_only, false).await.unwrap();
    });
    settle(&driver);
}

#[test]
fn more_operations_than_the_queues_have_entries() {
    let (driver, dir) = (driver_with(4, 2), disk_dir());
    let file = file(&dir, "f");
    uring::sys::truncate(file.fd().as_fd(), 1 << 20).unwrap();
    // 4 entries to submit, 32 to complete: 1000 operations before the first turn.
    let reads: Vec<_> = (0..1000)
        .map(|i| {
            let buf = driver.pool().try_alloc(4096).unwrap();
            task(driver.read_at(file.fd(), buf, 4096, i % 256 * 4096))
        })
        .collect();
    assert_eq!(driver.stats().in_flight, 1000);
    let results = block_on(&driver, join_all(reads));
    assert!(results.into_iter().all(|(n, _)| n.unwrap() == 4096));
    // Completions that overflow while nobody reaps.
    let timers: Vec<_> = (0..500).map(|_| task(driver.sleep(Duration::from_millis(1)))).collect();
    std::thread::sleep(Duration::from_millis(20));
    block_on(&driver, join_all(timers));
    settle(&driver);
}

#[test]
fn reads_dropped_in_flight_give_their_buffers_back() {
    let (driver, dir) = (driver(), disk_dir());
    let file = file(&dir, "f");
    uring::sys::truncate(file.fd().as_fd(), 16 << 20).unwrap();
    for round in 0..20 {
        let mut reads: Vec<_> = (0..8)
            .map(|i| driver.read_at(file.fd(), driver.pool().try_alloc(1 << 20).unwrap(), 1 << 20, i << 20))
            .collect();
        if round % 2 == 0 {
            driver.turn().unwrap();
        }
        if round % 3 == 0 {
            for read in &mut reads {
                let _ = poll_once(read);
            }
        }
        drop(reads);
        settle(&driver);
    }
    assert_eq!(driver.stats().in_flight, 0);
}

#[test]
fn a_driver_that_goes_away_waits_for_its_operations() {
    let dir = disk_dir();
    let (socket, _peer) = common::connection();
    for entries in [2, 256] {
        let driver = driver_with(entries, 1);
        let file = file(&dir, &format!("f{entries}"));
        uring::sys::truncate(file.fd().as_fd(), 16 << 20).unwrap();
        let pool = driver.pool().clone();
        let buf = || pool.try_alloc(64 << 10).unwrap();
        let never: Vec<_> = (0..10).map(|_| driver.recv(&socket, buf(), 0..4096, true)).collect();
        let reads: Vec<_> = (0..50).map(|i| driver.read_at(file.fd(), buf(), 64 << 10, i << 16)).collect();
        let long = driver.sleep(Duration::from_secs(3600));
        driver.turn().unwrap();
        assert!(driver.stats().in_flight > 10);
        let started = Instant::now();
        drop((never, reads, long, driver));
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(pool.stats().used_bytes, 0);
        assert_eq!(Rc::strong_count(&socket), 1);
    }
}
