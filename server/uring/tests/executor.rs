//! Tasks on an executor: none is forgotten, whoever wakes it, and an idle thread sleeps.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may fail loudly, their helpers too")]

mod common;

use common::{connection, driver};
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};
use uring::{Driver, Executor, SLEEP_MAX, loop_stats, spawn_local, yield_now};

fn run<T: 'static, F: Future<Output = T> + 'static>(body: impl FnOnce(Driver) -> F) -> T {
    let driver = driver();
    Executor::new(&driver).unwrap().run(body(driver.clone())).unwrap()
}

#[test]
fn thousands_of_answers_with_pauses() {
    let (socket, mut peer) = connection();
    let echo = std::thread::spawn(move || {
        let mut byte = [0; 1];
        while peer.read_exact(&mut byte).is_ok() {
            if byte[0] % 50 == 0 {
                std::thread::sleep(Duration::from_micros(300));
            }
            peer.write_all(&byte).unwrap();
        }
    });
    run(|driver| async move {
        for number in 0..5000u32 {
            let byte = vec![number as u8];
            assert_eq!(driver.send(&socket, byte.clone(), 0..1, false).await.0.unwrap(), 1);
            assert_eq!(driver.recv_append(&socket, Vec::new(), 1).await.1, byte);
        }
        uring::sock::shutdown(&*socket);
    });
    echo.join().unwrap();
}

#[test]
fn another_thread_wakes_a_sleeping_one_at_once() {
    const WAKE_UPS: u32 = 200;
    let (wakers, woken) = channel::<Waker>();
    let other = std::thread::spawn(move || {
        for (number, waker) in woken.iter().enumerate() {
            // Pauses of all kinds, so that the sleeper is met in every step of falling asleep.
            std::thread::sleep(Duration::from_micros(number as u64 % 20 * 50));
            waker.wake();
        }
    });
    let started = Instant::now();
    run(|_| async move {
        for _ in 0..WAKE_UPS {
            let mut asked = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut asked, true) {
                    return Poll::Ready(());
                }
                wakers.send(cx.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
        }
    });
    other.join().unwrap();
    // Each that is only noticed when a sleep ends by itself would cost that much.
    assert!(started.elapsed() < SLEEP_MAX * WAKE_UPS / 4, "{:?}", started.elapsed());
}

#[test]
fn runnable_tasks_keep_the_thread_awake_and_out_of_the_kernel() {
    run(|driver| async move {
        let before = driver.stats().enters;
        for _ in 0..10_000 {
            yield_now().await;
        }
        assert!(driver.stats().enters - before < 100, "{:?}", driver.stats());
    });
}

#[test]
fn an_idle_thread_sleeps() {
    run(|driver| async move {
        let before = (driver.stats().enters, loop_stats().turns);
        driver.sleep(Duration::from_millis(300)).await;
        assert!(driver.stats().enters - before.0 < 30, "{:?}", driver.stats());
        assert!(loop_stats().turns - before.1 < 30, "{:?}", loop_stats());
    });
}

#[test]
fn many_receives_that_wait_for_all_their_bytes_do_not_hide_a_completion() {
    // One entry into the kernel runs some twenty pieces of deferred work, and these complete nothing.
    const SLOW: usize = 100;
    run(|driver| async move {
        let (sockets, mut peers): (Vec<_>, Vec<_>) = (0..SLOW).map(|_| connection()).unzip();
        for socket in sockets {
            let driver = driver.clone();
            let task = async move {
                let buf = driver.pool().alloc(64 << 10).await;
                drop(driver.recv(&socket, buf, 0..64 << 10, true).await);
            };
            spawn_local(task).detach();
        }
        let trickle = std::thread::spawn(move || {
            for _ in 0..50 {
                peers.iter_mut().for_each(|peer| peer.write_all(b"x").unwrap());
                std::thread::sleep(Duration::from_millis(2));
            }
            peers
        });
        for _ in 0..100 {
            let begun = Instant::now();
            driver.sleep(Duration::from_micros(500)).await;
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        drop(trickle.join().unwrap());
    });
}

/// Counts itself down when it goes.
struct Counted(Rc<Cell<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn tasks_that_are_left_are_dropped_with_what_they_own() {
    let driver = driver();
    let alive = Rc::new(Cell::new(300));
    let executor = Executor::new(&driver).unwrap();
    let (theirs, counted) = (driver.clone(), Rc::clone(&alive));
    executor
        .run(async move {
            for number in 0..300 {
                let (driver, counted) = (theirs.clone(), Counted(Rc::clone(&counted)));
                let task = async move {
                    let _counted = counted;
                    match number % 3 {
                        0 => pending::<()>().await,
                        1 => driver.sleep(Duration::from_secs(3600)).await,
                        _ => {}
                    }
                };
                spawn_local(task).detach();
            }
            yield_now().await;
        })
        .unwrap();
    assert_eq!(alive.get(), 0);
    common::settle(&driver);
}

#[test]
fn a_task_can_be_awaited_and_ended() {
    run(|driver| async move {
        assert_eq!(spawn_local(async { 7 }).await, 7);
        let gone = Rc::new(Cell::new(1));
        let counted = Counted(Rc::clone(&gone));
        let task = spawn_local(async move {
            let _counted = counted;
            driver.sleep(Duration::from_secs(3600)).await;
        });
        yield_now().await;
        task.cancel().await;
        assert_eq!(gone.get(), 0);
    });
}

/// A waker of another executor: it comes to a thread that has one of its own.
#[test]
fn wakers_find_their_own_executor() {
    let (send, wakers) = channel::<Waker>();
    let sleeper = std::thread::spawn(move || {
        run(|_| async move {
            let mut asked = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut asked, true) {
                    return Poll::Ready(());
                }
                send.send(cx.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
        });
    });
    run(|driver| async move {
        wakers.recv().unwrap().wake();
        driver.sleep(Duration::from_millis(1)).await;
    });
    sleeper.join().unwrap();
}

#[test]
fn a_wake_up_after_the_end_is_harmless() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let kept = Rc::new(Cell::new(Waker::from(Arc::new(Nothing))));
    let keep = Rc::clone(&kept);
    run(|_| async move {
        spawn_local(poll_fn::<(), _>(move |cx| {
            keep.set(cx.waker().clone());
            Poll::Pending
        }))
        .detach();
        yield_now().await;
    });
    kept.replace(Waker::noop().clone()).wake();
    run(|driver| async move { driver.sleep(Duration::from_millis(1)).await });
}
