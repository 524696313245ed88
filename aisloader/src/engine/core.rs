//! One core: its workers, its connections, its statistics.

use super::error::OpError;
use super::open::{Crew, Part, receive_bytes, run_open};
use super::payload::{Cksums, Payload};
use super::peers::{PeerId, Peers};
use super::run::{Interval, Letter, Outbox, Run};
use super::tapes::Tape;
use super::watch::Slot;
use super::worker::Worker;
use crate::config::Config;
use crate::names::NameList;
use crate::recorder::Stats;
use crate::shard::Shard;
use crate::trace::TraceNote;
use crate::workload::Workload;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use uring::Driver;
use wire::http1::HeadLimits;

/// Where answers are received: few turns for a large object, and small enough that a core's workers stay in its
/// cache.
const RECEIVE_BYTES: usize = 256 << 10;
/// Room of a core's pool beside its workers' buffers.
const POOL_SPARE_BYTES: usize = 1 << 20;

/// What the workers of a core share.
pub(super) struct Core {
    pub(super) run: Arc<Run>,
    pub(super) shard: Shard,
    pub(super) peers: Peers,
    pub(super) gateway: PeerId,
    pub(super) payload: Payload,
    pub(super) cksums: Cksums,
    pub(super) limits: HeadLimits,
    pub(super) stats: RefCell<Stats>,
    pub(super) last_end: Cell<Option<Instant>>,
    /// The trace that is written.
    pub(super) note: Option<TraceNote>,
    /// What each worker is doing.
    pub(super) slots: RefCell<Vec<Rc<Slot>>>,
    /// Names that this core has PUT; a run that also reads reads them too.
    own_names: RefCell<NameList>,
    /// For each target of the cluster map, the servers of its cores.
    direct_peers: Vec<Vec<PeerId>>,
}

/// Registered memory that a core needs for its part of a run.
pub(super) fn pool_bytes(config: &Config, part: Part) -> usize {
    let (workers, buf_bytes) = match &config.open {
        None => (part.of(config.workers), RECEIVE_BYTES),
        Some(open) => (part.of(open.inflight_max), receive_bytes(part.of(open.inflight_max))),
    };
    workers.saturating_mul(buf_bytes).saturating_add(POOL_SPARE_BYTES)
}

/// Runs one core's part to its end and posts what it measured.
pub(super) async fn run_core(
    shard: Shard,
    run: Arc<Run>,
    part: Part,
    tape: Tape,
    outbox: Outbox,
) -> Result<(), OpError> {
    let core = Rc::new(Core::new(shard, Arc::clone(&run), tape.note)?);
    let crew = match &run.config.open {
        None => None,
        Some(open) => Some((Crew::new(&core, open, part).await, open)),
    };
    outbox.post(Letter::Ready);
    run.wait_for_begin();
    let outbox = Rc::new(outbox);
    let watch = core.shard.spawn(watch(Rc::clone(&core), Rc::clone(&outbox)));
    match crew {
        None => run_closed(&core, part).await,
        Some((crew, open)) => run_open(crew, open, tape.feed).await,
    }
    watch.cancel().await;
    let stats = core.stats.take();
    outbox.post(Letter::End { stats: Box::new(stats), last_end: core.last_end.get() });
    Ok(())
}

/// The closed loop: each worker begins an operation when its last one has ended.
async fn run_closed(core: &Rc<Core>, part: Part) {
    let config = &core.run.config;
    let numbers = (part.core..config.workers).step_by(part.cores.max(1));
    let mut tasks = Vec::new();
    for number in numbers {
        let slot = Rc::new(Slot::default());
        core.slots.borrow_mut().push(Rc::clone(&slot));
        let buf = core.driver().pool().alloc(RECEIVE_BYTES).await;
        let workload = Workload::new(config.mix, number as u64, config.workers as u64);
        let worker = Worker::new(core, slot, Rc::new(RefCell::new(workload)), buf);
        tasks.push(core.shard.spawn(worker.run()));
    }
    for task in tasks {
        task.await;
    }
}

/// At every tick: cuts operations that are out of time. At every interval: posts the statistics so far.
async fn watch(core: Rc<Core>, outbox: Rc<Outbox>) {
    let mut interval = 0u64;
    loop {
        core.shard.tick().await;
        let now = Instant::now();
        for slot in &*core.slots.borrow() {
            slot.check(now, core.run.cut_at(), core.driver());
        }
        if let (Some(note), Some(begin)) = (&core.note, core.run.begin()) {
            note.flush(now.saturating_duration_since(begin));
        }
        // Every core posts every number once, whatever held it up; the main thread counts on that.
        while interval < core.run.intervals_passed(now) {
            interval = interval.saturating_add(1);
            let inflight = core.slots.borrow().iter().filter(|slot| slot.is_busy()).count() as u64;
            let stats = core.stats.take();
            outbox.post(Letter::Interval(Box::new(Interval { number: interval, stats, inflight })));
        }
    }
}

impl Core {
    fn new(shard: Shard, run: Arc<Run>, note: Option<TraceNote>) -> Result<Self, OpError> {
        let config = &run.config;
        let peers = Peers::default();
        let gateway = peers.find(&config.gateway)?;
        let mut direct_peers = Vec::new();
        for authorities in run.direct.iter().flat_map(|map| map.authorities()) {
            let found: Result<Vec<PeerId>, OpError> = authorities.iter().map(|one| peers.find(one)).collect();
            direct_peers.push(found?);
        }
        let payload = if config.mix.pct_put > 0 || config.trace.is_some() {
            Payload::new(config.mix.seed)
        } else {
            Payload::empty()
        };
        Ok(Self {
            shard,
            peers,
            gateway,
            payload,
            cksums: Cksums::default(),
            limits: HeadLimits::default(),
            stats: RefCell::default(),
            last_end: Cell::new(None),
            note,
            slots: RefCell::default(),
            own_names: RefCell::default(),
            direct_peers,
            run,
        })
    }

    pub(super) fn driver(&self) -> &Driver {
        self.shard.driver()
    }

    /// How many names GET can choose from.
    pub(super) fn names_known(&self) -> u64 {
        self.run.names.len().saturating_add(self.own_names.borrow().len())
    }

    /// Copies the name at a place among those known.
    pub(super) fn copy_name(&self, index: u64, out: &mut String) {
        out.clear();
        let listed = self.run.names.len();
        match index.checked_sub(listed) {
            None => out.push_str(self.run.names.get(index).unwrap_or_default()),
            Some(own) => out.push_str(self.own_names.borrow().get(own).unwrap_or_default()),
        }
    }

    pub(super) fn add_name(&self, name: &str) {
        self.own_names.borrow_mut().push(name);
    }

    /// Whom to ask for an object.
    pub(super) fn peer_of(&self, name: &str) -> Result<PeerId, OpError> {
        let Some(map) = &self.run.direct else { return Ok(self.gateway) };
        let place = map.place(self.run.config.bucket.as_placement(), name);
        let peer = place.and_then(|place| self.direct_peers.get(place.node)?.get(place.port));
        peer.copied().ok_or_else(|| OpError::protocol("the cluster map gives the object no place"))
    }
}
