//! A driver, a directory on a real disk, and futures that are polled only when they were woken: a lost wake-up is a
//! hang here, and a hang a failure.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by test binaries that each use a part")]

use futures_util::stream::{FuturesOrdered, StreamExt};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use uring::{Driver, DriverConfig, PoolConfig};

const SEGMENT_BYTES: usize = 16 << 20;
const DEADLINE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(20);

pub fn driver() -> Driver {
    driver_with(64, 1)
}

pub fn driver_with(entries: u32, segments: usize) -> Driver {
    Driver::new(DriverConfig { entries, pool: PoolConfig { size_bytes_max: segments * SEGMENT_BYTES } })
        .unwrap()
}

/// A directory beneath the build's own, which is on a disk that can do direct I/O.
pub fn disk_dir() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

pub fn open(dir: &tempfile::TempDir) -> OwnedFd {
    uring::sys::open_dir(dir.path()).unwrap()
}

/// Runs a future on the driver's thread; panics when it does not end.
pub fn block_on<F: Future>(driver: &Driver, future: F) -> F::Output {
    uring::block_on_within(driver, DEADLINE, future).unwrap()
}

/// Runs all to their ends; each is polled only when its own waker was called.
pub async fn join_all<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    futures.into_iter().collect::<FuturesOrdered<_>>().collect().await
}

/// Boxes a future for [`join_all`].
pub fn task<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}

/// Polls once with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Turns until the condition holds.
pub fn turn_until(driver: &Driver, what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        driver.turn_waiting(TICK).unwrap();
        assert!(started.elapsed() < DEADLINE, "{what}: {:?}", driver.stats());
    }
}

/// Turns until nothing is in flight and no buffer is out.
pub fn settle(driver: &Driver) {
    turn_until(driver, "settles", || driver.stats().in_flight == 0 && driver.pool().stats().used_bytes == 0);
}

/// Our end of a connection for the ring, and the peer's for plain blocking calls.
pub fn connection() -> (Rc<OwnedFd>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nodelay(true).unwrap();
    (Rc::new(ours.into()), peer)
}

pub fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| ((at * 31 + at / 4096 * 7 + seed) % 251) as u8).collect()
}

/// Reads `len` bytes from the peer on a thread of its own, after a pause that lets socket buffers fill.
pub fn reader(mut peer: TcpStream, len: usize) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        let mut bytes = vec![0; len];
        peer.read_exact(&mut bytes).unwrap();
        bytes
    })
}

/// Writes from the peer's side in pieces, on a thread of its own.
pub fn writer(mut peer: TcpStream, bytes: Vec<u8>, piece: usize) -> std::thread::JoinHandle<TcpStream> {
    std::thread::spawn(move || {
        for part in bytes.chunks(piece) {
            peer.write_all(part).unwrap();
        }
        peer
    })
}

/// Small socket buffers, so that sends stop half-way.
pub fn shrink_buffers(socket: &impl AsFd) {
    rustix::net::sockopt::set_socket_send_buffer_size(socket, 16 << 10).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(socket, 16 << 10).unwrap();
}
