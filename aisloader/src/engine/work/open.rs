//! The open loop of one core: an operation begins when it is due, whatever became of those before it.
//!
//! The operations of an arrival process are done by workers that are kept: an idle one takes the next arrival, a new one
//! is hired when none is idle, and an arrival that finds all busy is counted as dropped. Nothing is ever put off: an
//! arrival that the core was too busy to begin in time begins late, and its latency counts from when it was due.

use super::arrival::Arrivals;
use super::core::Core;
use super::source::{Due, Source};
use super::worker::Worker;
use crate::engine::shared::part::{Part, receive_bytes};
use crate::shard::Task;
use crate::workload::Workload;
use crate::workload::open_loop::OpenLoop;
use crate::workload::trace::Feed;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// The longest sleep, so that the end of a run is noticed when arrivals are rare.
const SLEEP_MAX: Duration = Duration::from_millis(20);
/// A core without any operation in flight spins for the last bit before an arrival, which a timer would overshoot.
const SPIN: Duration = Duration::from_micros(50);
/// Arrivals that are begun one after another before everything else on the core gets its turn.
const BURST_MAX: u32 = 32;
/// The workers of one core.
pub(crate) struct Crew {
    core: Rc<Core>,
    workload: Rc<RefCell<Workload>>,
    part: Part,
    workers_max: usize,
    /// Seats that wait for an arrival; the one that was busy last is taken first, as its memory is still near.
    idle: RefCell<Vec<Rc<Seat>>>,
    tasks: RefCell<Vec<Task<()>>>,
    is_over: Cell<bool>,
}

/// Where a worker waits for its next arrival.
#[derive(Default)]
struct Seat {
    due: Cell<Option<Due>>,
    waker: Cell<Option<Waker>>,
}

/// Works off the arrivals of one core until the run is over.
pub(crate) async fn run_open(crew: Rc<Crew>, open: &OpenLoop, feed: Option<Feed>) {
    let (core, part) = (Rc::clone(&crew.core), crew.part);
    let arrivals =
        Arrivals::new(open.spacing, core.run.config.mix.own_seed, open.ops_per_s(), part.core, part.cores)
            .with_phase(core.run.config.naming.loader.phase());
    if let Some(begin) = core.run.begin() {
        let speed = core.run.config.trace.as_ref().map_or(1.0, |trace| trace.speed);
        let source = feed.map_or(Source::Clock(arrivals), |feed| Source::Trace { feed, speed });
        crew.feed(begin, source).await;
    }
    crew.dismiss().await;
}

impl Crew {
    /// A crew with some workers ready, so that the first arrivals find memory.
    pub(crate) async fn new(core: &Rc<Core>, open: &OpenLoop, part: Part) -> Rc<Self> {
        let config = &core.run.config;
        // The decisions of a core are drawn in the order of its arrivals, whichever worker gets them.
        let workload = Workload::new(config.mix.clone(), part.core as u64, part.cores as u64);
        let crew = Rc::new(Self {
            core: Rc::clone(core),
            workload: Rc::new(RefCell::new(workload)),
            part,
            workers_max: part.of(open.inflight_max).max(1),
            idle: RefCell::default(),
            tasks: RefCell::default(),
            is_over: Cell::new(false),
        });
        for _ in 0..part.of(config.workers).min(crew.workers_max) {
            let seat = crew.hire(None);
            crew.idle.borrow_mut().push(seat);
        }
        uring::yield_now().await;
        crew
    }

    async fn feed(self: &Rc<Self>, begin: Instant, mut source: Source) {
        let mut burst = 0u32;
        while let Some(due) = source.next(&self.core, begin).await {
            match self.wait_until(due.at).await {
                Waited::Over => break,
                Waited::Slept => burst = 0,
                Waited::WasDue => burst = burst.saturating_add(1),
            }
            self.begin(due);
            if burst >= BURST_MAX {
                burst = 0;
                uring::yield_now().await;
            }
        }
    }

    /// Waits for an arrival's time, or for the end of the run if that is sooner.
    async fn wait_until(&self, due: Instant) -> Waited {
        let mut waited = Waited::WasDue;
        loop {
            let run = &self.core.run;
            if run.is_halted() {
                return Waited::Over;
            }
            let end = run.end();
            let until = end.map_or(due, |end| end.min(due));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return if end.is_some_and(|end| due >= end) { Waited::Over } else { waited };
            }
            waited = Waited::Slept;
            let is_idle = self.in_flight() == 0;
            if is_idle && left <= SPIN {
                std::hint::spin_loop();
                continue;
            }
            let lead = if is_idle { SPIN } else { Duration::ZERO };
            self.core.driver().sleep(left.saturating_sub(lead).min(SLEEP_MAX)).await;
        }
    }

    /// Gives an arrival to a worker, or drops it.
    fn begin(self: &Rc<Self>, due: Due) {
        let idle = self.idle.borrow_mut().pop();
        match idle {
            Some(seat) => seat.give(due),
            None if self.hired() < self.workers_max => drop(self.hire(Some(due))),
            None => self.core.stats.borrow_mut().open.dropped(),
        }
        self.core.stats.borrow_mut().open.arrived(self.in_flight());
    }

    fn hire(self: &Rc<Self>, due: Option<Due>) -> Rc<Seat> {
        let seat = Rc::new(Seat { due: Cell::new(due), waker: Cell::default() });
        let number = self.part.number(self.hired());
        let task = self.core.shard.spawn(work(Rc::clone(self), Rc::clone(&seat), number));
        self.tasks.borrow_mut().push(task);
        seat
    }

    fn hired(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Workers with an arrival.
    fn in_flight(&self) -> u64 {
        self.hired().saturating_sub(self.idle.borrow().len()) as u64
    }

    /// Waits for what is in flight, and ends all workers.
    async fn dismiss(&self) {
        self.is_over.set(true);
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        idle.iter().for_each(|seat| seat.wake());
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        for task in tasks {
            task.await;
        }
    }
}

/// The outcome of waiting for an arrival.
enum Waited {
    /// The run is over, and the arrival not part of it.
    Over,
    /// It came after a while.
    Slept,
    /// It was due already.
    WasDue,
}

impl Seat {
    fn give(&self, due: Due) {
        self.due.set(Some(due));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The next arrival; `None` when there will be none.
    async fn next(&self, is_over: &Cell<bool>) -> Option<Due> {
        poll_fn(|cx| match self.due.take() {
            Some(due) => Poll::Ready(Some(due)),
            None if is_over.get() => Poll::Ready(None),
            None => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

/// A worker, from its hire to its end.
async fn work(crew: Rc<Crew>, seat: Rc<Seat>, number: u64) {
    let core = Rc::clone(&crew.core);
    let slot = core.watch.slot();
    let buf = core.driver().pool().alloc(receive_bytes(crew.workers_max)).await;
    let mut worker = Worker::new(&core, slot, number, Rc::clone(&crew.workload), buf);
    while let Some(due) = seat.next(&crew.is_over).await {
        if !worker.one(Some(due.at), due.op.as_ref()).await {
            break;
        }
        crew.idle.borrow_mut().push(Rc::clone(&seat));
    }
    worker.leave();
}
