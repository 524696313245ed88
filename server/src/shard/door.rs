//! Letting connections in: a seat for each, room made by those that idle, and a plain answer when there is none.

use super::call::Letter;
use super::connection::serve;
use super::context::Shard;
use super::door_counts::count;
use super::handler::Handler;
use super::runtime::spawn_local;
use super::seat::Seat;
use std::cell::Cell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

/// Accepting goes on after this when there is no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

impl Shard {
    /// Counts a connection that finds no place.
    pub(super) fn note_refused(&self) {
        self.counters.refused.add(1);
        let (counter, why) = if self.door.is_short.get() {
            (&self.door.no_descriptor, "no descriptor is left")
        } else {
            (&self.door.at_limit, "all connections are in use")
        };
        count(counter);
        self.watch.log_refusal(why);
    }
}

/// Accepts on a listener until told to stop.
pub(super) async fn accept<H: Handler>(shard: Rc<Shard>, listener: Rc<OwnedFd>, accepting: Rc<Cell<bool>>) {
    // A descriptor to fall back on: with none left, nobody could even be told to come back.
    let mut spare = spare_descriptor();
    let mut connections = shard.driver.accept_multi(listener);
    while accepting.get() {
        let connection = connections.next().await;
        if !accepting.get() {
            return;
        }
        match connection {
            Ok(socket) => {
                spare = spare.or_else(spare_descriptor);
                shard.door.is_short.set(spare.is_none());
                let seat = if spare.is_some() { seat(&shard) } else { None };
                match seat.or_else(|| shard.seats.take_refusal()) {
                    Some(seat) => {
                        shard.counters.accepted.add(1);
                        spawn_local(serve::<H>(Rc::clone(&shard), socket, seat));
                    }
                    None => shard.note_refused(),
                }
            }
            Err(e) => {
                tracing::warn!(core = shard.core, error = %e, "accept failed");
                // Most likely out of descriptors: somebody idle gives one up, and the spare one serves until then.
                shard.make_room();
                drop(spare.take());
                shard.driver.sleep(PAUSE).await;
            }
        }
    }
}

fn spare_descriptor() -> Option<File> {
    File::open("/dev/null").ok()
}

/// A seat, or standing room until somebody idle has made room.
fn seat(shard: &Rc<Shard>) -> Option<Seat> {
    if let Some(seat) = shard.seats.take() {
        return Some(seat);
    }
    shard.make_room();
    shard.seats.take_standby()
}

impl Shard {
    /// Ends the connection of this core that has idled longest, or asks the next core to end one of its own.
    pub(super) fn make_room(&self) {
        if self.watch.shutdown_longest_idle() {
            return count(&self.door.made_room);
        }
        if self.cores() > 1 && !self.room_asked.replace(true) {
            self.pass_on(self.core, false);
        }
    }

    /// A core asks for room. The letter goes round once, so that there is one of each core at most.
    pub(super) fn room_wanted(&self, asker: usize, made: bool) {
        if asker == self.core {
            return self.room_asked.set(false);
        }
        let made_here = !made && self.watch.shutdown_longest_idle();
        if made_here {
            count(&self.door.made_room);
        }
        self.pass_on(asker, made || made_here);
    }

    fn pass_on(&self, asker: usize, made: bool) {
        let next = (self.core + 1) % self.cores().max(1);
        // A core that has stopped ends the round; the node is about to end as well then.
        self.send(next, Letter::RoomWanted { asker, made });
    }
}
