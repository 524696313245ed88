//! Letters between threads, and the back-pressure of the pool.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may fail loudly, their helpers too")]

mod common;

use common::{block_on, driver, join_all, poll_once, settle, task};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use uring::{MailFull, Mailbox};

const LETTERS: u64 = 100_000;

#[test]
fn every_letter_of_two_threads_arrives_in_their_order() {
    let driver = driver();
    let (sender, receiver) = Mailbox::new(64).unwrap();
    let threads: Vec<_> = (0..2u64)
        .map(|who| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for number in 0..LETTERS {
                    let mut letter = (who, number);
                    while let Err(MailFull(back)) = sender.send(letter) {
                        letter = back;
                        std::thread::yield_now();
                    }
                    // Pauses of all kinds, so that the receiver is caught in every step of falling asleep.
                    if number % 1000 == who {
                        std::thread::sleep(Duration::from_micros(number % 7 * 20));
                    }
                }
            })
        })
        .collect();
    let mut inbox = receiver.open().unwrap();
    let mut next = [0u64; 2];
    block_on(&driver, async {
        while next != [LETTERS; 2] {
            let (who, number) = inbox.next(&driver).await.unwrap();
            assert_eq!(number, next[who as usize]);
            next[who as usize] += 1;
        }
    });
    threads.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn one_letter_at_a_time_back_and_forth() {
    let (to_other, other_inbox) = Mailbox::<u64>::new(1).unwrap();
    let (to_us, our_inbox) = Mailbox::<u64>::new(1).unwrap();
    let other = std::thread::spawn(move || {
        let driver = driver();
        let mut inbox = other_inbox.open().unwrap();
        block_on(&driver, async {
            for _ in 0..5000 {
                let letter = inbox.next(&driver).await.unwrap();
                to_us.send(letter + 1).unwrap();
            }
        });
    });
    let driver = driver();
    let mut inbox = our_inbox.open().unwrap();
    block_on(&driver, async {
        for number in 0..5000 {
            to_other.send(number).unwrap();
            assert_eq!(inbox.next(&driver).await.unwrap(), number + 1);
        }
    });
    other.join().unwrap();
}

#[test]
fn a_full_box_gives_letters_back_and_a_dropped_wait_loses_none() {
    let driver = driver();
    let (sender, receiver) = Mailbox::new(3).unwrap();
    let mut inbox = receiver.open().unwrap();
    {
        let mut waiting = Box::pin(inbox.next(&driver));
        assert!(poll_once(&mut waiting).is_pending());
        driver.turn().unwrap();
    }
    for number in 0..3 {
        sender.send(number).unwrap();
    }
    let MailFull(back) = sender.send(3).unwrap_err();
    assert_eq!(back, 3);
    for number in 0..3 {
        assert_eq!(block_on(&driver, inbox.next(&driver)).unwrap(), number);
    }
    drop(inbox);
    assert!(sender.send(4).is_err(), "its core has stopped");
    settle(&driver);
}

#[test]
fn tasks_that_share_too_small_a_pool_are_all_served() {
    let driver = driver();
    let peak = Rc::new(RefCell::new((0usize, 0usize)));
    // 16 buffers for 200 tasks of mixed appetite; every fifth gives up waiting.
    let tasks: Vec<_> = (0..200u64)
        .map(|i| {
            let (driver, peak) = (driver.clone(), Rc::clone(&peak));
            task(async move {
                let size = [4096, 1 << 20, 300_000][i as usize % 3];
                if i % 5 == 0 {
                    let mut impatient = Box::pin(driver.pool().alloc(size));
                    if poll_once(&mut impatient).is_pending() {
                        driver.sleep(Duration::from_micros(i * 10)).await;
                        return false;
                    }
                    return true;
                }
                let buf = driver.pool().alloc(size).await;
                {
                    let mut peak = peak.borrow_mut();
                    let stats = driver.pool().stats();
                    *peak = (peak.0.max(stats.used_bytes), peak.1.max(stats.waiting));
                }
                driver.sleep(Duration::from_micros(200)).await;
                drop(buf);
                true
            })
        })
        .collect();
    let served = block_on(&driver, join_all(tasks));
    assert!(served.iter().filter(|&&s| s).count() >= 160);
    let (used, waiting) = *peak.borrow();
    assert!(used <= 16 << 20 && waiting > 20, "{used} {waiting}");
    assert_eq!(driver.pool().stats().waiting, 0);
    settle(&driver);
}
