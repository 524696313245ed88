//! Listens, and gives every connection a thread of its own. One run at a time; connections, guesses and waits are bounded.

use super::super::handshake::admit;
use super::super::link::{Receiver, Sender, link};
use super::super::protocol::{BEAT, HANDSHAKE_MAX, Order, SILENCE_MAX, ToAgent, ToCoordinator};
use super::job::{Hearing, carry_out};
use super::options::Options;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections at one time, the one of the run among them. A wrong token keeps its own for a second, so that so many
/// guesses are made in one.
const CONNECTIONS_MAX: usize = 8;
/// The listening thread looks this often if it is time to end.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
/// After a failure to accept, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// State that connections share.
struct Desk {
    options: Arc<Options>,
    /// The begin of all times that this agent tells.
    origin: Instant,
    connections: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// Whose run is going on.
    holder: Option<SocketAddr>,
    runs: u64,
    /// The end of the last run, or the begin.
    idle_since: Instant,
}

/// Serves until `-runs-max` or `-idle-timeout` says that it is enough.
pub(super) fn serve(options: &Arc<Options>) -> io::Result<()> {
    let (host, port) = &options.listen;
    let listener = TcpListener::bind((host.as_str(), *port))
        .map_err(|e| io::Error::new(e.kind(), format!("-host={host} -port={port}: {e}")))?;
    listener.set_nonblocking(true)?;
    say(&format!("agent listens at {}", listener.local_addr()?));
    let now = Instant::now();
    let desk = Arc::new(Desk {
        options: Arc::clone(options),
        origin: now,
        connections: AtomicUsize::new(0),
        state: Mutex::new(State { holder: None, runs: 0, idle_since: now }),
    });
    while !desk.is_over() {
        // A signal that interrupts the wait is a look like any other.
        let _ = poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&LOOK));
        match listener.accept() {
            Ok((stream, peer)) => receive(&desk, stream, peer),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => std::thread::sleep(ACCEPT_REST),
        }
    }
    Ok(())
}

fn receive(desk: &Arc<Desk>, stream: TcpStream, peer: SocketAddr) {
    let Some(seat) = Seat::take(desk) else {
        say(&format!("{peer}: {CONNECTIONS_MAX} connections are open, and this one is too many"));
        return;
    };
    let talk = move || {
        if let Err(why) = converse(&seat.0, stream, peer) {
            say(&format!("{peer}: {why}"));
        }
    };
    if let Err(e) = std::thread::Builder::new().name("coordinator".to_owned()).spawn(talk) {
        say(&format!("{peer}: {e}"));
    }
}

/// A connection that counts as long as it is held.
struct Seat(Arc<Desk>);

impl Seat {
    fn take(desk: &Arc<Desk>) -> Option<Self> {
        // Counted first; the seat gives it back, also when it is one too many.
        let before = desk.connections.fetch_add(1, Ordering::Relaxed);
        let seat = Self(Arc::clone(desk));
        (before < CONNECTIONS_MAX).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection, from its handshake to the end of its run.
fn converse(desk: &Arc<Desk>, stream: TcpStream, peer: SocketAddr) -> Result<(), String> {
    let (mut to, mut from) = link(stream).map_err(|e| e.to_string())?;
    admit(&mut to, &mut from, &desk.options.token).map_err(|e| e.to_string())?;
    match next_order(&mut to, &mut from) {
        Ok(order) => match desk.claim(peer) {
            Ok(claim) => {
                let hearing = Hearing { origin: desk.origin, token: desk.options.cluster_token.clone() };
                let said = carry_out(&hearing, to, from, &order);
                drop(claim);
                say(&format!("{peer}: {said}"));
                Ok(())
            }
            Err(why) => {
                // It may be gone by now.
                let _ = to.send(&ToCoordinator::Refused { why: why.clone() }, HANDSHAKE_MAX);
                Err(why)
            }
        },
        Err(why) => {
            let _ = to.send(&ToCoordinator::Refused { why: why.clone() }, HANDSHAKE_MAX);
            Err(why)
        }
    }
}

/// The order, which is the first thing that is said.
fn next_order(to: &mut Sender, from: &mut Receiver) -> Result<Order, String> {
    loop {
        match from.receive(SILENCE_MAX).map_err(|e| e.to_string())? {
            ToAgent::Job(order) => return Ok(order),
            ToAgent::Alive => to.send(&ToCoordinator::Alive, BEAT).map_err(|e| e.to_string())?,
            _ => return Err("a message is out of order".to_owned()),
        }
    }
}

/// The right to make load, as long as it is held.
struct Claim(Arc<Desk>);

impl Desk {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn claim(self: &Arc<Self>, peer: SocketAddr) -> Result<Claim, String> {
        self.with(|state| match state.holder {
            Some(other) => Err(format!("busy with the run of {other}")),
            None => {
                state.holder = Some(peer);
                Ok(Claim(Arc::clone(self)))
            }
        })
    }

    fn is_over(&self) -> bool {
        let Options { runs_max, idle_max, .. } = *self.options;
        self.with(|state| {
            let is_idle_long = idle_max.is_some_and(|most| state.idle_since.elapsed() >= most);
            state.holder.is_none() && (is_idle_long || runs_max > 0 && state.runs >= runs_max)
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.holder = None;
            state.runs = state.runs.saturating_add(1);
            state.idle_since = Instant::now();
        });
    }
}

/// A line for whoever watches. Nobody has to.
fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
