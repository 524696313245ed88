//! Ping-pong over a loopback connection against a thread that echoes with blocking calls.

use crate::{Sample, Watch};
use io_uring::{IoUring, opcode, types};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;
use uring::{Driver, DriverConfig, PoolConfig};

/// A connection whose other end echoes pieces of `size` bytes.
fn echoing(size: usize) -> io::Result<(TcpStream, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (mut peer, _) = listener.accept()?;
    ours.set_nodelay(true)?;
    peer.set_nodelay(true)?;
    pin_to(0);
    let echo = std::thread::spawn(move || {
        pin_to(1);
        let mut bytes = vec![0; size];
        // Ends when we hang up.
        while peer.read_exact(&mut bytes).is_ok() && peer.write_all(&bytes).is_ok() {}
    });
    Ok((ours, echo))
}

/// Both on one core or on two makes a difference of ten times, so the scheduler must not choose. (With one core it has
/// no choice, and the refusal is harmless.)
fn pin_to(core: usize) {
    // SAFETY: all-zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the core's number is inside of the set's size.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the set lives across the call; 0 is the calling thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

fn joined(sample: Sample, echo: JoinHandle<()>) -> io::Result<Sample> {
    echo.join().map_err(|_| io::Error::other("the echo panicked"))?;
    Ok(sample)
}

pub(crate) fn blocking(size: usize, span: Duration) -> io::Result<Sample> {
    let (mut socket, echo) = echoing(size)?;
    let mut bytes = vec![7; size];
    let (watch, mut ops) = (Watch::start(false), 0);
    while !watch.is_over(span) {
        socket.write_all(&bytes)?;
        socket.read_exact(&mut bytes)?;
        ops += 1;
    }
    let sample = watch.stop(ops);
    drop(socket);
    joined(sample, echo)
}

pub(crate) fn bare_ring(size: usize, span: Duration) -> io::Result<Sample> {
    let (socket, echo) = echoing(size)?;
    let fd = types::Fd(socket.as_raw_fd());
    let (sent, mut received) = (vec![7u8; size], vec![0u8; size]);
    let mut ring: IoUring =
        IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag().build(8)?;
    let (watch, mut ops) = (Watch::start(false), 0);
    while !watch.is_over(span) {
        let send = opcode::Send::new(fd, sent.as_ptr(), size as u32).flags(libc::MSG_WAITALL).build();
        let recv = opcode::Recv::new(fd, received.as_mut_ptr(), size as u32).flags(libc::MSG_WAITALL).build();
        // SAFETY: both vectors outlive the two operations, which are awaited at once.
        unsafe { ring.submission().push_multiple(&[send, recv]) }.map_err(io::Error::other)?;
        let mut missing = 2;
        while missing > 0 {
            ring.submit_and_wait(missing)?;
            for entry in ring.completion() {
                if entry.result() != size as i32 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                missing -= 1;
            }
        }
        ops += 1;
    }
    let sample = watch.stop(ops);
    drop(socket);
    joined(sample, echo)
}

pub(crate) fn driver(size: usize, span: Duration) -> io::Result<Sample> {
    let (socket, echo) = echoing(size)?;
    let driver = Driver::new(DriverConfig { entries: 8, pool: PoolConfig { size_bytes_max: 16 << 20 } })?;
    let socket = Rc::new(OwnedFd::from(socket));
    let sample = uring::block_on(&driver, ping_pong(&driver, &socket, size, span))??;
    uring::sock::shutdown(&*socket);
    joined(sample, echo)
}

async fn ping_pong(driver: &Driver, socket: &Rc<OwnedFd>, size: usize, span: Duration) -> io::Result<Sample> {
    let mut sent = vec![7u8; size];
    let mut buf = driver.pool().alloc(size).await;
    let (watch, mut ops) = (Watch::start(false), 0);
    while !watch.is_over(span) {
        // Both are submitted here, and enter the kernel together.
        let (send, recv) =
            (driver.send(socket, sent, 0..size, false), driver.recv(socket, buf, 0..size, true));
        let (n, m);
        (n, sent) = send.await;
        (m, buf) = recv.await;
        if (n?, m?) != (size, size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        ops += 1;
    }
    Ok(watch.stop(ops))
}
