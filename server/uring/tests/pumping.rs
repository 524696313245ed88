//! The pump inside an executor that has other business than the ring: it must neither sleep on work nor spin.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may fail loudly, their helpers too")]

mod common;

use common::{connection, driver, task};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use uring::{Driver, Parker, counted, pump};

/// A task list whose idle loop sleeps in `poll` on the doorbell, and sets `outside` going on a time-out: an event that
/// does not come from the ring.
#[derive(Default)]
struct Host {
    parked: Cell<bool>,
    parks: Cell<u32>,
}

impl Parker for &Host {
    async fn park(&self, doorbell: BorrowedFd<'_>) -> io::Result<()> {
        self.parks.set(self.parks.get() + 1);
        let fd = doorbell.as_raw_fd();
        poll_fn(|_| {
            self.parked.set(!is_readable(fd, 0));
            if self.parked.get() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        Ok(())
    }
}

fn is_readable(fd: i32, wait_ms: i32) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry that lives across the call.
    unsafe { libc::poll(&raw mut entry, 1, wait_ms) == 1 }
}

type Task<'a> = (Pin<Box<dyn Future<Output = ()> + 'a>>, Arc<Flag>);

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs the pump and one task; calls `outside` whenever the executor has slept for 2 ms without a bell.
fn run(driver: &Driver, linger: Duration, outside: impl Fn(), body: impl Future<Output = ()>) -> u32 {
    let host = Host::default();
    let stopped = Cell::new(false);
    let pumping = async { pump(driver, &&host, linger, || stopped.get()).await.unwrap() };
    let ending = async {
        body.await;
        stopped.set(true);
    };
    let mut tasks: Vec<Task<'_>> = [task(pumping), task(ending)]
        .into_iter()
        .map(|t| (t, Arc::new(Flag(AtomicBool::new(true)))))
        .collect();
    let started = Instant::now();
    while !stopped.get() {
        assert!(started.elapsed() < Duration::from_secs(20), "hangs: {:?}", driver.stats());
        for (future, flag) in &mut tasks {
            if flag.0.swap(false, Ordering::SeqCst) {
                let waker = Waker::from(Arc::clone(flag));
                let _ = future.as_mut().poll(&mut Context::from_waker(&waker));
            }
        }
        if tasks.iter().all(|(_, flag)| !flag.0.load(Ordering::SeqCst)) && host.parked.get() {
            if !is_readable(driver.doorbell().as_raw_fd(), 2) {
                outside();
            }
            tasks[0].1.0.store(is_readable(driver.doorbell().as_raw_fd(), 0), Ordering::SeqCst);
        }
    }
    host.parks.get()
}

#[test]
fn thousands_of_answers_with_every_linger() {
    for linger in [Duration::ZERO, Duration::from_micros(50), Duration::from_millis(5)] {
        let (driver, (socket, mut peer)) = (driver(), connection());
        let echo = std::thread::spawn(move || {
            let mut byte = [0; 1];
            while peer.read_exact(&mut byte).is_ok() {
                if byte[0] % 50 == 0 {
                    std::thread::sleep(Duration::from_micros(300));
                }
                peer.write_all(&byte).unwrap();
            }
        });
        run(&driver, linger, || (), async {
            for number in 0..5000u32 {
                let byte = vec![number as u8];
                assert_eq!(driver.send(&socket, byte.clone(), 0..1, false).await.0.unwrap(), 1);
                assert_eq!(driver.recv_append(&socket, Vec::new(), 1).await.1, byte);
            }
            uring::sock::shutdown(&*socket);
        });
        echo.join().unwrap();
    }
}

#[test]
fn an_entry_from_a_task_that_others_woke_is_handed_over() {
    let driver = driver();
    let waker: Rc<Cell<Option<Waker>>> = Rc::default();
    let wake = || {
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    };
    let parks = run(&driver, Duration::ZERO, wake, async {
        for _ in 0..20 {
            // Sleeps until something outside of the ring, as a timer of the executor would, wakes it.
            let mut woken = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut woken, true) {
                    return Poll::Ready(());
                }
                waker.set(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
            driver.sleep(Duration::from_micros(10)).await;
        }
    });
    assert!(parks >= 20);
}

#[test]
fn the_pump_does_not_sleep_on_tasks_that_are_runnable() {
    let driver = driver();
    let parks = run(
        &driver,
        Duration::from_millis(5),
        || (),
        counted(async {
            for _ in 0..10_000 {
                // To the back of the run queue; the ring has nothing to do with it.
                let mut yielded = false;
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        }),
    );
    // Each time that it lingers it enters the ring.
    assert!(parks < 10 && driver.stats().enters < 100, "{parks} parks, {:?}", driver.stats());
}

#[test]
fn an_idle_pump_sleeps() {
    let driver = driver();
    let parks = run(&driver, Duration::from_micros(100), || (), driver.sleep(Duration::from_millis(200)));
    assert!((1..=3).contains(&parks), "{parks}");
    assert!(driver.stats().enters < 30, "{:?}", driver.stats());
}
