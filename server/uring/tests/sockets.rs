//! Connections over loopback: all the ways to send and receive, and what happens when one goes away.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may fail loudly, their helpers too")]

mod common;

use common::{
    block_on, connection, driver, join_all, pattern, poll_once, reader, settle, shrink_buffers, task,
    turn_until, writer,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;
use uring::{Driver, ZcVerdict, sock};

const BODY: usize = 1 << 20;

fn filled(driver: &Driver, len: usize, seed: usize) -> uring::Buf {
    let mut buf = driver.pool().try_alloc(len).unwrap();
    buf[..len].copy_from_slice(&pattern(len, seed));
    buf
}

#[test]
fn received_bytes_land_in_their_range_and_all_means_all() {
    let (driver, (socket, peer)) = (driver(), connection());
    let sent = pattern(BODY - 100, 1);
    let thread = writer(peer, sent.clone(), 50_000);
    let buf = driver.pool().try_alloc(BODY).unwrap();
    let (n, buf) = block_on(&driver, driver.recv(&socket, buf, 100..BODY, true));
    assert_eq!(n.unwrap(), BODY - 100);
    assert_eq!(buf[100..], sent[..]);
    let mut peer = thread.join().unwrap();
    peer.write_all(b"tail").unwrap();
    drop(peer);
    let (n, buf) = block_on(&driver, driver.recv(&socket, buf, 10..1000, true));
    assert_eq!(n.unwrap(), 4, "the peer has ended");
    assert_eq!(&buf[10..14], b"tail");
    let (n, _) = block_on(&driver, driver.recv(&socket, buf, 0..10, false));
    assert_eq!(n.unwrap(), 0);
    settle(&driver);
}

#[test]
fn discarded_bytes_are_counted_and_what_follows_them_is_kept() {
    let (driver, (socket, peer)) = (driver(), connection());
    let mut sent = vec![7; 3 * BODY];
    sent.extend_from_slice(b"next");
    let thread = writer(peer, sent, 50_000);
    let mut left = 3 * BODY;
    while left > 0 {
        left -= block_on(&driver, driver.recv_discard(&socket, left as u32)).unwrap();
    }
    let (n, bytes) = block_on(&driver, driver.recv_append(&socket, Vec::new(), 100));
    assert_eq!((n.unwrap(), &bytes[..]), (4, &b"next"[..]));
    drop(thread.join().unwrap());
    assert_eq!(block_on(&driver, driver.recv_discard(&socket, 10)).unwrap(), 0, "the peer has ended");
    settle(&driver);
}

#[test]
fn appending_keeps_what_is_there_and_takes_no_more_than_the_room() {
    let (driver, (socket, mut peer)) = (driver(), connection());
    peer.write_all(b"0123456789").unwrap();
    block_on(&driver, async {
        let (n, bytes) = driver.recv_append(&socket, b"head:".to_vec(), 4).await;
        assert_eq!((n.unwrap(), &bytes[..]), (4, &b"head:0123"[..]));
        let (n, bytes) = driver.recv_append(&socket, bytes, 0).await;
        assert_eq!((n.unwrap(), bytes.len()), (0, 9));
        let (n, bytes) = driver.recv_append(&socket, bytes, 100).await;
        assert_eq!((n.unwrap(), &bytes[..]), (6, &b"head:0123456789"[..]));
    });
}

#[test]
fn a_body_larger_than_the_socket_buffers_goes_out() {
    let (driver, (socket, peer)) = (driver(), connection());
    shrink_buffers(&socket);
    shrink_buffers(&peer);
    let thread = reader(peer, BODY);
    block_on(&driver, async {
        let (mut chunk, mut at) = (filled(&driver, BODY, 2).freeze(), 0);
        while at < BODY {
            let n;
            (n, chunk) = driver.send(&socket, chunk, at..BODY, false).await;
            at += n.unwrap();
        }
    });
    assert_eq!(thread.join().unwrap(), pattern(BODY, 2));
    settle(&driver);
}

#[test]
fn a_pair_goes_out_whole_even_through_a_small_buffer() {
    let (driver, (socket, peer)) = (driver(), connection());
    shrink_buffers(&socket);
    shrink_buffers(&peer);
    let thread = reader(peer, 5 + BODY - 10);
    let chunk = filled(&driver, BODY, 3).freeze();
    let (n, head, _) =
        block_on(&driver, driver.send_pair(&socket, b"head:".to_vec(), Rc::clone(&chunk), 10..BODY));
    assert_eq!((n.unwrap(), &head[..]), (5 + BODY - 10, &b"head:"[..]));
    let received = thread.join().unwrap();
    assert_eq!(&received[..5], b"head:");
    assert_eq!(received[5..], chunk[10..]);
    drop(chunk);
    settle(&driver);
}

#[test]
fn every_kind_of_bytes_can_be_sent() {
    let (driver, (socket, mut peer)) = (driver(), connection());
    block_on(&driver, async {
        let shared: Rc<[u8]> = Rc::from(&b"shared,"[..]);
        assert_eq!(driver.send(&socket, shared, 0..7, true).await.0.unwrap(), 7);
        assert_eq!(driver.send(&socket, b"vector,".to_vec(), 0..7, true).await.0.unwrap(), 7);
        let fixed: &'static [u8] = b"static,";
        assert_eq!(driver.send(&socket, fixed, 0..7, false).await.0.unwrap(), 7);
        let (n, ..) = driver.send_pair(&socket, Vec::new(), filled(&driver, 4096, 0), 0..0).await;
        assert_eq!(n.unwrap(), 0);
    });
    let mut bytes = [0; 21];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"shared,vector,static,");
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_no_signal() {
    let (driver, (socket, peer)) = (driver(), connection());
    drop(peer);
    block_on(&driver, async {
        let mut result = Ok(0);
        for _ in 0..100 {
            let n;
            (n, ..) = driver.send_pair(&socket, b"x".to_vec(), vec![0u8; 4096], 0..4096).await;
            result = n;
            if result.is_err() {
                break;
            }
        }
        assert!(result.is_err());
        let chunk = filled(&driver, 4096, 0).freeze();
        let (n, _) = driver.send_zc(&socket, chunk, 0..4096, &ZcVerdict::default()).await;
        assert!(n.is_err());
    });
    settle(&driver);
}

#[test]
fn zero_copy_memory_is_freed_after_the_notification_which_tells_of_the_copy() {
    let (driver, (socket, peer)) = (driver(), connection());
    assert!(driver.features().send_zc);
    let verdict = ZcVerdict::default();
    let (n, chunk) = block_on(
        &driver,
        driver.send_zc(&socket, filled(&driver, 256 << 10, 4).freeze(), 0..256 << 10, &verdict),
    );
    assert_eq!(n.unwrap(), 256 << 10);
    drop(chunk);
    if driver.stats().in_flight > 0 {
        assert_eq!(driver.pool().stats().used_bytes, 256 << 10, "the kernel still reads it");
    }
    let received = reader(peer, 256 << 10).join().unwrap();
    assert_eq!(received, pattern(256 << 10, 4));
    settle(&driver);
    assert!(verdict.copied(), "loopback copies");
}

#[test]
fn zero_copy_sends_dropped_in_every_state_free_their_memory() {
    let (driver, (socket, peer)) = (driver(), connection());
    let verdict = ZcVerdict::default();
    // Not yet submitted, submitted, and submitted with a peer that does not read.
    for turns in 0..4 {
        let mut send = driver.send_zc(&socket, filled(&driver, BODY, 0).freeze(), 0..BODY, &verdict);
        for _ in 0..turns {
            driver.turn_waiting(Duration::from_millis(2)).unwrap();
        }
        if turns == 2 {
            let _ = poll_once(&mut send);
        }
        drop(send);
    }
    assert!(driver.pool().stats().used_bytes > 0);
    drop(peer);
    settle(&driver);
}

#[test]
fn fifty_connections_from_one_submission() {
    let driver = driver();
    let listener = sock::listen_tcp("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let address = sock::local_address(&listener).unwrap();
    let peers =
        std::thread::spawn(move || (0..50).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<_>>());
    let mut stream = driver.accept_multi(Rc::new(listener));
    let accepted = block_on(&driver, async {
        let mut accepted = Vec::new();
        while accepted.len() < 50 {
            accepted.push(stream.next().await.unwrap());
        }
        accepted
    });
    let peers = peers.join().unwrap();
    assert_eq!(driver.stats().submitted, 1);
    for (ours, peer) in accepted.iter().zip(&peers) {
        assert_eq!(sock::local_address(ours).unwrap(), address);
        assert!(rustix::net::sockopt::tcp_nodelay(ours).unwrap(), "inherited");
        assert!(sock::peer_address(ours).unwrap().ip() == peer.local_addr().unwrap().ip());
    }
}

/// Reads until the end; false when the connection is still open after a second.
fn was_closed(mut peer: TcpStream) -> bool {
    peer.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    match peer.read(&mut [0; 1]) {
        Ok(n) => n == 0,
        Err(e) => e.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn connections_that_nobody_took_are_closed_with_the_stream() {
    let driver = driver();
    let listener = sock::listen_tcp("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = sock::local_address(&listener).unwrap();
    let stream = driver.accept_multi(Rc::new(listener));
    driver.turn().unwrap();
    let queued = TcpStream::connect(address).unwrap();
    turn_until(&driver, "accepts", || driver.stats().completed == 1);
    // Accepted by the kernel, not yet reaped, when the stream goes.
    let late = TcpStream::connect(address).unwrap();
    drop(stream);
    settle(&driver);
    assert!(was_closed(queued));
    assert!(was_closed(late));
    assert!(TcpStream::connect(address).is_err(), "the listener went with the stream");
}

#[test]
fn a_receive_that_never_completes_gives_its_buffer_back() {
    let (driver, (socket, _peer)) = (driver(), connection());
    let mut polled = driver.recv(&socket, driver.pool().try_alloc(BODY).unwrap(), 0..BODY, true);
    assert!(poll_once(&mut polled).is_pending());
    let unpolled = driver.recv(&socket, driver.pool().try_alloc(4096).unwrap(), 0..1, false);
    let vector = driver.recv_append(&socket, Vec::new(), 4096);
    driver.turn().unwrap();
    let unsubmitted = driver.recv(&socket, driver.pool().try_alloc(4096).unwrap(), 0..1, false);
    assert_eq!(driver.stats().in_flight, 4);
    drop((polled, unpolled, vector, unsubmitted));
    assert_eq!(driver.pool().stats().used_bytes, BODY + 2 * 4096, "the kernel may still write");
    settle(&driver);
    assert_eq!(Rc::strong_count(&socket), 1);
}

#[test]
fn cancelled_by_descriptor_and_only_by_that() {
    let (driver, (one, _peer_one), (two, mut peer_two)) = (driver(), connection(), connection());
    let pool = driver.pool().clone();
    let on_one: Vec<_> =
        (0..3).map(|_| task(driver.recv(&one, pool.try_alloc(4096).unwrap(), 0..4096, false))).collect();
    let on_two = driver.recv(&two, pool.try_alloc(4096).unwrap(), 0..4, true);
    driver.turn().unwrap();
    driver.cancel_fd(&one);
    for (n, _) in block_on(&driver, join_all(on_one)) {
        assert_eq!(n.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    }
    peer_two.write_all(b"four").unwrap();
    assert_eq!(block_on(&driver, on_two).0.unwrap(), 4);
    settle(&driver);
}

#[test]
fn slots_that_are_reused_at_once_do_not_see_old_cancellations() {
    let (driver, (socket, mut peer)) = (driver(), connection());
    for round in 0..2000u32 {
        // Dropped before submission: its entry and its cancellation go in together with the next one's entry.
        drop(driver.recv_append(&socket, Vec::new(), 8));
        if round % 3 == 0 {
            driver.turn().unwrap();
        }
        peer.write_all(&round.to_ne_bytes()).unwrap();
        let quick = driver.sleep(Duration::ZERO);
        block_on(&driver, quick);
        // The dropped receive may have won the race for the bytes; then there is nothing more to read.
        turn_until(&driver, "drains", || driver.stats().in_flight == 0);
        rustix::io::ioctl_fionbio(&*socket, true).unwrap();
        let _ = rustix::io::read(&*socket, &mut [0; 8]);
        rustix::io::ioctl_fionbio(&*socket, false).unwrap();
        assert!(poll_once(&mut driver.sleep(Duration::from_secs(60))).is_pending());
    }
    turn_until(&driver, "drains", || driver.stats().in_flight == 0);
}

#[test]
fn shutdown_ends_receives() {
    let (driver, (socket, peer)) = (driver(), connection());
    let pending = driver.recv_append(&socket, Vec::new(), 8);
    driver.turn().unwrap();
    sock::shutdown(&*socket);
    assert_eq!(block_on(&driver, pending).0.unwrap(), 0);
    assert!(was_closed(peer));
    settle(&driver);
}
