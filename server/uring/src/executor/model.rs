//! The loop in every order of events, against a model of the kernel and of another thread.
//!
//! The loop and its gate are the real ones. The kernel is a model with the traits that once made a core sleep for ever:
//! an entry runs only some of the deferred work, a receive that waits for all its bytes causes work without completions,
//! and a wait may end early with nothing. Sleeps have no limit here, so whatever only their end would mend is a hang.
//! Every state is visited once: of each, all events that may come next are tried.

use super::gate::Gate;
use super::pump::{Ring, Tasks, pump};
use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::io;

/// Deferred work that one entry runs; the kernel's own limit is 20.
const DEFERRED_PER_ENTRY: usize = 1;
/// More events than this in one run are a loop that spins.
const EVENTS_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    /// Watches the bell.
    Bell,
    /// Receives all bytes of a socket.
    Recv(usize),
}

/// The steps of another thread that wakes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Remote {
    PutDown,
    SayWork,
    LookAndRing,
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Socket {
    /// Pieces that have not been sent yet.
    to_come: usize,
    /// Pieces in the socket's buffer.
    buffered: usize,
    /// Pieces that the receive still waits for.
    missing: usize,
    armed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct World {
    submissions: VecDeque<Op>,
    bell_armed: bool,
    bell_count: usize,
    sockets: Vec<Socket>,
    deferred: VecDeque<Op>,
    completions: VecDeque<Op>,
    /// For the loop that this one replaced: an eventfd that the kernel signals.
    doorbell: bool,
    remotes: Vec<Remote>,
    local_ready: VecDeque<Task>,
    remote_ready: VecDeque<Task>,
    /// Tasks that have ended, as bits.
    done: u32,
    /// Tasks that can end.
    tasks: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Task {
    ListenToBell,
    Receive(usize),
    WokenByOther(usize),
}

impl World {
    /// Sockets that get all their pieces, one that stays a piece short if `silent`, and threads that wake a task each.
    fn new(complete: usize, pieces: usize, remotes: usize, silent: bool) -> Self {
        let sockets = complete + usize::from(silent);
        let socket = |number| Socket {
            to_come: pieces,
            missing: pieces + usize::from(number == complete),
            ..Socket::default()
        };
        let mut local_ready = VecDeque::from([Task::ListenToBell]);
        local_ready.extend((0..sockets).map(Task::Receive));
        Self {
            sockets: (0..sockets).map(socket).collect(),
            tasks: complete + remotes,
            remotes: vec![Remote::PutDown; remotes],
            local_ready,
            ..Self::default()
        }
    }

    fn all_done(&self) -> bool {
        self.done.count_ones() as usize == self.tasks
    }

    fn defer(&mut self, op: Op) {
        self.doorbell = true;
        self.deferred.push_back(op);
    }

    fn ring_bell(&mut self) {
        self.bell_count += 1;
        if std::mem::take(&mut self.bell_armed) {
            self.defer(Op::Bell);
        }
    }

    fn submit_all(&mut self) {
        while let Some(op) = self.submissions.pop_front() {
            match op {
                Op::Bell if self.bell_count > 0 => self.completions.push_back(op),
                Op::Bell => self.bell_armed = true,
                Op::Recv(socket) => self.receive(socket),
            }
        }
    }

    /// Takes what is there; completes with the last piece and otherwise only waits on.
    fn receive(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        socket.missing -= std::mem::take(&mut socket.buffered);
        socket.armed = socket.missing > 0;
        if !socket.armed {
            self.completions.push_back(Op::Recv(number));
        }
    }

    fn run_deferred(&mut self) {
        for _ in 0..DEFERRED_PER_ENTRY {
            match self.deferred.pop_front() {
                Some(Op::Bell) => self.completions.push_back(Op::Bell),
                Some(Op::Recv(socket)) => self.receive(socket),
                None => {}
            }
        }
    }

    fn reap(&mut self) -> usize {
        let count = self.completions.len();
        while let Some(op) = self.completions.pop_front() {
            self.local_ready.push_back(match op {
                Op::Bell => Task::ListenToBell,
                Op::Recv(socket) => Task::Receive(socket),
            });
        }
        count
    }

    fn run(&mut self, task: Task) {
        match task {
            Task::ListenToBell => {
                self.bell_count = 0;
                self.submissions.push_back(Op::Bell);
            }
            Task::Receive(socket) if self.sockets[socket].missing > 0 => {
                self.submissions.push_back(Op::Recv(socket));
            }
            Task::Receive(socket) => self.done |= 1 << socket,
            Task::WokenByOther(number) => self.done |= 1 << (self.sockets.len() + number),
        }
    }
}

/// One run: a world, the choices that lead through it, and what has been seen in all runs before.
struct Run<'a> {
    world: RefCell<World>,
    gate: Gate,
    seen: &'a RefCell<HashSet<(World, bool, bool, u32)>>,
    /// (what was chosen, of how many).
    choices: RefCell<Vec<(usize, usize)>>,
    replayed: usize,
    at: Cell<usize>,
    /// A state that has been seen: what follows has been tried.
    pruned: Cell<bool>,
    events: Cell<usize>,
}

impl Run<'_> {
    fn choose(&self, of: usize) -> usize {
        let at = self.at.replace(self.at.get() + 1);
        let mut choices = self.choices.borrow_mut();
        if at == choices.len() {
            choices.push((0, of));
        }
        assert_eq!(choices[at].1, of, "a run is not repeatable");
        choices[at].0
    }

    /// Marks the state at a place in the loop; true when it is new, or on the way to what is new.
    fn is_new(&self, place: u32) -> bool {
        if self.at.get() < self.replayed {
            return true;
        }
        let state = (self.world.borrow().clone(), self.gate.is_asleep(), self.gate.has_work(), place);
        if !self.seen.borrow_mut().insert(state) {
            self.pruned.set(true);
        }
        !self.pruned.get()
    }

    /// Lets others act, or not, before the loop goes on from this place.
    fn others_act(&self, place: u32) {
        while !self.pruned.get() && self.is_new(place) {
            let enabled = self.enabled();
            let chosen = self.choose(enabled.len() + 1);
            let Some(event) = chosen.checked_sub(1) else { return };
            self.act(enabled[event]);
        }
    }

    /// Another thread, or the network, does its next step. False when there is none.
    fn somebody_acts(&self, place: u32) -> bool {
        let enabled = self.enabled();
        if enabled.is_empty() || !self.is_new(place) {
            return false;
        }
        self.act(enabled[self.choose(enabled.len())]);
        true
    }

    fn enabled(&self) -> Vec<Event> {
        let world = self.world.borrow();
        let pieces = world.sockets.iter().enumerate().filter(|(_, socket)| socket.to_come > 0);
        let steps = world.remotes.iter().enumerate().filter(|(_, step)| **step != Remote::Gone);
        pieces
            .map(|(socket, _)| Event::Arrives(socket))
            .chain(steps.map(|(number, _)| Event::Other(number)))
            .collect()
    }

    fn act(&self, event: Event) {
        self.events.set(self.events.get() + 1);
        assert!(self.events.get() < EVENTS_MAX, "the loop spins");
        let mut world = self.world.borrow_mut();
        match event {
            Event::Arrives(number) => {
                let socket = &mut world.sockets[number];
                socket.to_come -= 1;
                socket.buffered += 1;
                if std::mem::take(&mut socket.armed) {
                    world.defer(Op::Recv(number));
                }
            }
            Event::Other(number) => {
                world.remotes[number] = match world.remotes[number] {
                    Remote::PutDown => {
                        world.remote_ready.push_back(Task::WokenByOther(number));
                        Remote::SayWork
                    }
                    Remote::SayWork => {
                        self.gate.say_work();
                        Remote::LookAndRing
                    }
                    Remote::LookAndRing | Remote::Gone => {
                        if self.gate.must_ring() {
                            world.ring_bell();
                        }
                        Remote::Gone
                    }
                };
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Event {
    /// A piece arrives at a socket.
    Arrives(usize),
    /// The thread of this number does its next step.
    Other(usize),
}

/// The model's word for a core that would never wake again.
fn hangs() -> io::Error {
    io::Error::other("sleeps on work")
}

impl Ring for Run<'_> {
    fn turn(&self) -> io::Result<()> {
        self.others_act(1);
        self.world.borrow_mut().submit_all();
        self.others_act(2);
        self.world.borrow_mut().run_deferred();
        self.others_act(3);
        self.world.borrow_mut().reap();
        Ok(())
    }

    fn wait(&self) -> io::Result<()> {
        self.others_act(4);
        self.world.borrow_mut().submit_all();
        while !self.pruned.get() && self.world.borrow().completions.is_empty() {
            self.others_act(5);
            let has_deferred = !self.world.borrow().deferred.is_empty();
            if has_deferred {
                self.world.borrow_mut().run_deferred();
                // A wait may be over although nothing has completed and more is deferred.
                if self.pruned.get() || self.choose(2) == 1 {
                    break;
                }
            } else if !self.somebody_acts(6) && !self.pruned.get() {
                return Err(hangs());
            }
        }
        self.others_act(7);
        self.world.borrow_mut().reap();
        Ok(())
    }
}

impl Tasks for Run<'_> {
    fn run_ready(&self) {
        self.others_act(8);
        if self.gate.has_work() {
            self.gate.take_work();
            self.others_act(9);
            let mut world = self.world.borrow_mut();
            let mut brought = std::mem::take(&mut world.remote_ready);
            world.local_ready.append(&mut brought);
        }
        let ready = self.world.borrow().local_ready.len();
        for _ in 0..ready {
            let mut world = self.world.borrow_mut();
            if let Some(task) = world.local_ready.pop_front() {
                world.run(task);
            }
        }
    }

    fn has_ready(&self) -> bool {
        self.others_act(10);
        !self.world.borrow().local_ready.is_empty() || self.gate.has_work()
    }

    fn say_asleep(&self) {
        self.others_act(11);
        self.gate.say_asleep();
    }

    fn say_awake(&self) {
        self.others_act(12);
        self.gate.say_awake();
    }
}

/// Runs a loop in every order of events; returns the number of states, or the first error.
fn explore(world: &World, body: impl Fn(&Run<'_>) -> io::Result<()>) -> io::Result<usize> {
    let seen = RefCell::new(HashSet::new());
    let mut choices: Vec<(usize, usize)> = Vec::new();
    loop {
        let run = Run {
            world: RefCell::new(world.clone()),
            gate: Gate::default(),
            seen: &seen,
            replayed: choices.len(),
            choices: RefCell::new(choices),
            at: Cell::new(0),
            pruned: Cell::new(false),
            events: Cell::new(0),
        };
        body(&run)?;
        assert!(run.pruned.get() || run.world.borrow().all_done());
        choices = run.choices.into_inner();
        while let Some((chosen, of)) = choices.pop() {
            if chosen + 1 < of {
                choices.push((chosen + 1, of));
                break;
            }
        }
        if choices.is_empty() {
            return Ok(seen.borrow().len());
        }
    }
}

fn is_over(run: &Run<'_>) -> bool {
    run.pruned.get() || run.world.borrow().all_done()
}

#[test]
fn the_loop_never_sleeps_on_work() {
    for (sockets, pieces, remotes) in [(1, 3, 1), (2, 2, 1), (0, 0, 2), (1, 2, 2), (3, 2, 0)] {
        for silent in [false, true] {
            let world = World::new(sockets, pieces, remotes, silent);
            let states = explore(&world, |run| pump(run, run, || is_over(run))).unwrap();
            assert!(states > 50, "{sockets} sockets and {remotes} threads give only {states} states");
        }
    }
}

/// The loop that this one replaced: it took a wait without completions for "no work" and slept on a doorbell that the
/// kernel rings for new work only.
fn loop_with_a_doorbell(run: &Run<'_>) -> io::Result<()> {
    while !is_over(run) {
        run.run_ready();
        if run.has_ready() {
            run.turn()?;
            continue;
        }
        run.say_asleep();
        run.world.borrow_mut().submit_all();
        run.world.borrow_mut().run_deferred();
        let completed = run.world.borrow_mut().reap();
        if completed == 0 && !run.has_ready() {
            // The last look before the sleep, with the doorbell on.
            run.world.borrow_mut().doorbell = false;
            run.world.borrow_mut().run_deferred();
            while run.world.borrow_mut().reap() == 0 && !run.world.borrow().doorbell && !is_over(run) {
                if !run.somebody_acts(20) && !run.pruned.get() {
                    return Err(hangs());
                }
            }
        }
        run.say_awake();
    }
    Ok(())
}

#[test]
fn the_model_finds_the_loop_that_slept_on_deferred_work() {
    let found = explore(&World::new(1, 1, 0, true), loop_with_a_doorbell);
    assert_eq!(found.unwrap_err().to_string(), "sleeps on work");
}

/// A sleeper that does not look again after its announcement.
fn loop_without_a_second_look(run: &Run<'_>) -> io::Result<()> {
    while !is_over(run) {
        run.run_ready();
        if run.has_ready() {
            run.turn()?;
            continue;
        }
        run.say_asleep();
        run.wait()?;
        run.say_awake();
    }
    Ok(())
}

#[test]
fn the_model_finds_a_wake_up_lost_between_look_and_sleep() {
    let found = explore(&World::new(0, 0, 1, false), loop_without_a_second_look);
    assert_eq!(found.unwrap_err().to_string(), "sleeps on work");
}
