//! Sockets that listen or connect, and what is set on them.

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with, sockopt,
};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

const BACKLOG: i32 = 4096;

/// Opens a listening TCP socket. With `shared`, several cores listen on the same address and the kernel spreads
/// connections over them. Accepted connections inherit `TCP_NODELAY`, and on a loopback address what [`unpaced`] sets.
///
/// # Errors
/// The kernel's error, for example that the address is in use.
pub fn listen_tcp(address: SocketAddr, shared: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, shared)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if address.ip().is_loopback() {
        unpaced(&socket);
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Begins a TCP connection without waiting for it: the socket is non-blocking for the call only, and the ring's first send
/// on it waits until it can be written, which is when the connection stands or has failed.
///
/// # Errors
/// An error that the kernel gives at once, for example that there is no way to the network.
pub fn begin_connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if address.ip().is_loopback() {
        unpaced(&socket);
    }
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(e) => return Err(e.into()),
    }
    rustix::io::ioctl_fionbio(&socket, false)?;
    Ok(socket)
}

/// Takes a socket that will not leave the machine off the system's congestion control, before it connects or listens.
/// Where that is BBR, it paces every send by timers: a seventh of a server's CPU for a path that cannot be congested.
pub fn unpaced(socket: impl AsFd) {
    // Every kernel has Reno; one that refuses it all the same leaves things as they are.
    let _ = sockopt::set_tcp_congestion(socket, "reno");
}

/// The address a socket is bound to.
///
/// # Errors
/// When it is not an internet socket.
pub fn local_address(socket: impl AsFd) -> io::Result<SocketAddr> {
    getsockname(socket)?.try_into().map_err(|_| io::Error::other("not an internet socket"))
}

/// The address of the other side.
///
/// # Errors
/// When the connection is gone.
pub fn peer_address(socket: impl AsFd) -> io::Result<SocketAddr> {
    let peer =
        rustix::net::getpeername(socket)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
    peer.try_into().map_err(|_| io::Error::other("not an internet socket"))
}

/// Tells the peer that nothing more will be sent; what it still sends can be read.
pub fn shutdown_send(socket: impl AsFd) {
    // A connection that is gone already needs no shutdown.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
}

/// Ends both directions; the peer sees the end at once, operations in flight complete.
pub fn shutdown(socket: impl AsFd) {
    // A connection that is gone already needs no shutdown.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

/// Bytes that have moved on a TCP connection since it was made: those that the peer has acknowledged, and those that it
/// has sent. 0 when the system does not say.
pub fn bytes_moved(socket: impl AsFd) -> u64 {
    /// Places in `struct tcp_info`, which only grows at its end; the binding knows an older, shorter one.
    const ACKED: usize = 120;
    const RECEIVED: usize = 128;
    let mut info = [0u8; 136];
    let mut len = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is the size of the array.
    let code = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if code != 0 || (len as usize) < info.len() {
        return 0;
    }
    let number = |at: usize| u64::from_ne_bytes(info[at..at + 8].try_into().unwrap_or_default());
    number(ACKED) + number(RECEIVED)
}
