//! Work for helper threads: its outcomes come back whatever happens around it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{block_on, driver, join_all, poll_once, task, turn_until};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;
use uring::{Driver, Helpers, Offload};

const PATIENCE: Duration = Duration::from_secs(30);

fn offload(driver: &Driver, threads_max: usize) -> Offload {
    Offload::new(&Helpers::new("helper", threads_max).unwrap(), driver).unwrap()
}

#[test]
fn the_outcome_comes_back_from_another_thread() {
    let driver = driver();
    let offload = offload(&driver, 2);
    let here = std::thread::current().id();
    let there: ThreadId = block_on(&driver, offload.run(|| Ok(std::thread::current().id()))).unwrap();
    assert_ne!(here, there);
    let failed: io::Result<()> = block_on(&driver, offload.run(|| Err(io::ErrorKind::StorageFull.into())));
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
}

/// Far more calls than are handed over at a time, of which each must come back once.
#[test]
fn a_full_queue_holds_nobody_up_for_ever() {
    const CALLS: usize = 3000;
    let driver = driver();
    for threads in [1, 4] {
        let offload = offload(&driver, threads);
        let calls = (0..CALLS).map(|number| task(offload.run(move || Ok(number))));
        let outcomes = block_on(&driver, join_all(calls.collect()));
        for (number, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome.unwrap(), number);
        }
        assert!(offload.helpers().stats().threads <= threads);
    }
}

#[test]
fn one_thread_keeps_the_order() {
    let driver = driver();
    let offload = offload(&driver, 1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = (0..1000).map(|number| {
        let seen = Arc::clone(&seen);
        let work = move || {
            seen.lock().unwrap().push(number);
            Ok(())
        };
        task(offload.run(work))
    });
    block_on(&driver, join_all(calls.collect()));
    assert!(seen.lock().unwrap().iter().copied().eq(0..1000));
}

#[test]
fn a_panic_is_an_error_and_the_thread_goes_on() {
    let driver = driver();
    let offload = offload(&driver, 1);
    let outcome: io::Result<()> = block_on(&driver, offload.run(|| panic!("as the test wants")));
    assert!(outcome.unwrap_err().to_string().contains("panicked"));
    offload.helpers().post(|| panic!("as the test wants"));
    assert_eq!(block_on(&driver, offload.run(|| Ok(7))).unwrap(), 7);
    assert_eq!(offload.helpers().stats().threads, 1);
}

/// A disk that does not answer holds up its own helpers only.
#[test]
fn a_hanging_group_holds_up_no_other_and_no_timer() {
    let driver = driver();
    let (hanging, other) = (offload(&driver, 2), offload(&driver, 2));
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let mut hung: Vec<_> = (0..400)
        .map(|_| {
            let released = Arc::clone(&released);
            // Ends when the sender is dropped.
            task(hanging.run(move || Ok(released.lock().unwrap().recv().is_err())))
        })
        .collect();
    for call in &mut hung {
        assert!(poll_once(call).is_pending());
    }
    for number in 0..100 {
        assert_eq!(block_on(&driver, other.run(move || Ok(number))).unwrap(), number);
    }
    block_on(&driver, driver.sleep(Duration::from_millis(1)));
    assert!(!hanging.helpers().drain(Duration::from_millis(20)), "it hangs");
    drop(release);
    assert!(block_on(&driver, join_all(hung)).into_iter().all(|outcome| outcome.unwrap()));
    assert!(hanging.helpers().drain(PATIENCE));
}

/// A call that is kept without being polled, and others that are dropped: neither holds up the rest.
#[test]
fn calls_that_are_dropped_take_nobody_with_them() {
    let driver = driver();
    let offload = offload(&driver, 1);
    for dropped in [0, 1, 100, 299, 300] {
        let (release, released) = channel::<()>();
        let mut first = pin!(offload.run(move || Ok(released.recv().is_ok())));
        assert!(poll_once(&mut first).is_pending());
        let done = Arc::new(AtomicUsize::new(0));
        let mut calls: Vec<_> = (0..300)
            .map(|_| {
                let done = Arc::clone(&done);
                task(offload.run(move || Ok(done.fetch_add(1, Ordering::SeqCst))))
            })
            .collect();
        for call in &mut calls {
            assert!(poll_once(call).is_pending());
        }
        calls.drain(..dropped);
        release.send(()).unwrap();
        let kept = calls.len();
        assert_eq!(block_on(&driver, join_all(calls)).into_iter().filter_map(Result::ok).count(), kept);
        assert!(block_on(&driver, first).unwrap());
        assert!(offload.helpers().drain(PATIENCE));
        // Work that had been handed over is done, other work is not.
        let done = done.load(Ordering::SeqCst);
        assert!((kept..=300).contains(&done), "{done} of 300, {dropped} dropped");
    }
}

/// The helper drops an outcome that nobody waits for: it may be a file to be removed.
#[test]
fn an_outcome_that_nobody_wants_is_dropped_by_the_helper() {
    struct Told(Arc<Mutex<Option<ThreadId>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.lock().unwrap().replace(std::thread::current().id());
        }
    }
    let driver = driver();
    let offload = offload(&driver, 1);
    let dropped_by = Arc::new(Mutex::new(None));
    let (release, released) = channel::<()>();
    let told = Told(Arc::clone(&dropped_by));
    {
        let mut call = pin!(offload.run(move || {
            released.recv().unwrap();
            Ok(told)
        }));
        assert!(poll_once(&mut call).is_pending());
    }
    release.send(()).unwrap();
    assert!(offload.helpers().drain(PATIENCE));
    let by = dropped_by.lock().unwrap().unwrap();
    assert_ne!(by, std::thread::current().id());
}

/// A stop waits for nobody: what is under way goes on, what was handed over is still done, then the threads end.
#[test]
fn everything_may_be_dropped_with_work_under_way() {
    let driver = driver();
    let offload = offload(&driver, 1);
    let (release, released) = channel::<()>();
    let (tell, told) = channel();
    {
        let mut call = pin!(offload.run(move || Ok(released.recv().is_ok())));
        assert!(poll_once(&mut call).is_pending());
        offload.helpers().post(move || tell.send(()).unwrap());
    }
    drop(offload);
    turn_until(&driver, "the cancellation", || driver.stats().in_flight == 0);
    drop(driver);
    release.send(()).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    // The thread has dropped the last work, and with it the sender.
    assert!(told.recv_timeout(PATIENCE).is_err());
}
