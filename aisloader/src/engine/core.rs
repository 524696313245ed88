//! One core: its workers, its connections, its statistics.

use super::dialect::Dialect;
use super::known::Known;
use super::open::{Crew, Part, receive_bytes, run_open};
use super::payload::{Cksums, Payload};
use super::peers::{PeerId, Peers};
use super::run::{Letter, Outbox, Run};
use super::stamped::Spares;
use super::tapes::Tape;
use super::watch::Slot;
use super::worker::Worker;
use crate::content::{Pool, Pools};
use crate::recorder::{Interval, OpError, Stats};
use crate::settings::Config;
use crate::shard::Shard;
use crate::workload::random::{Stream, draw, scale};
use crate::workload::trace::TraceNote;
use crate::workload::{OpKind, Workload};
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
    /// The `Authorization` header of every request.
    pub(super) authorization: Option<String>,
    pub(super) payload: Payload,
    pub(super) cksums: Cksums,
    pub(super) pools: Rc<Pools>,
    pub(super) spares: Spares,
    pub(super) limits: HeadLimits,
    /// How requests are worded.
    pub(super) dialect: Dialect,
    pub(super) stats: RefCell<Stats>,
    pub(super) last_end: Cell<Option<Instant>>,
    /// The trace that is written.
    pub(super) note: Option<TraceNote>,
    /// What each worker is doing.
    pub(super) slots: RefCell<Vec<Rc<Slot>>>,
    /// Names to read and to delete, those that this core has PUT among them.
    pub(super) known: Known,
    /// At least one.
    gateways: Vec<PeerId>,
    /// Requests that chose a gateway.
    gateway_draws: Cell<u64>,
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
        let workload = Workload::new(config.mix.clone(), number as u64, config.workers as u64);
        let worker = Worker::new(core, slot, number as u64, Rc::new(RefCell::new(workload)), buf);
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
            outbox.post(Letter::Interval(Box::new(Interval {
                number: interval,
                stats,
                inflight,
                cpu: None,
            })));
        }
    }
}

/// The pool, when something is sent; it goes through a file when that is asked for.
fn payload(config: &Config, pools: &Pools) -> Result<Payload, OpError> {
    if !config.mix.has(OpKind::sends_object) && config.trace.is_none() {
        return Ok(Payload::new(&Pool::empty()));
    }
    let pool = Payload::new(&pools.of(&config.content.recipe));
    match &config.payload_directory {
        Some(directory) => pool.through_file(directory).map_err(|e| OpError::protocol(e.to_string())),
        None => Ok(pool),
    }
}

impl Core {
    fn new(shard: Shard, run: Arc<Run>, note: Option<TraceNote>) -> Result<Self, OpError> {
        let config = &run.config;
        let peers = Peers::default();
        let all = if config.gateways.is_empty() {
            std::slice::from_ref(&config.gateway)
        } else {
            config.gateways.as_slice()
        };
        let gateways: Result<Vec<PeerId>, OpError> = all.iter().map(|one| peers.find(one)).collect();
        let pools = Rc::new(Pools::default());
        let mut direct_peers = Vec::new();
        for authorities in run.direct.iter().flat_map(|map| map.authorities()) {
            let found: Result<Vec<PeerId>, OpError> = authorities.iter().map(|one| peers.find(one)).collect();
            direct_peers.push(found?);
        }
        let payload = payload(config, &pools)?;
        Ok(Self {
            shard,
            peers,
            authorization: config.token.as_ref().map(|token| format!("Bearer {token}")),
            gateways: gateways?,
            gateway_draws: Cell::new(0),
            payload,
            cksums: Cksums::default(),
            pools,
            spares: Spares::default(),
            limits: HeadLimits::default(),
            dialect: Dialect::of(config),
            stats: RefCell::default(),
            last_end: Cell::new(None),
            note,
            slots: RefCell::default(),
            known: Known::new(Arc::clone(&run.listed)),
            direct_peers,
            run,
        })
    }

    pub(super) fn driver(&self) -> &Driver {
        self.shard.driver()
    }

    /// Whom to ask for what no target answers: the gateway, or any of them.
    pub(super) fn gateway(&self) -> Result<PeerId, OpError> {
        let turn = self.gateway_draws.get();
        self.gateway_draws.set(turn.wrapping_add(1));
        let random = draw(self.run.config.mix.own_seed, Stream::Gateway, 0, turn);
        let at = usize::try_from(scale(random, self.gateways.len() as u64)).unwrap_or(0);
        self.gateways.get(at).copied().ok_or_else(|| OpError::protocol("there is no gateway"))
    }

    /// Whom to ask for an object.
    pub(super) fn peer_of(&self, name: &str) -> Result<PeerId, OpError> {
        let Some(map) = &self.run.direct else { return self.gateway() };
        let place = map.place(self.run.config.bucket.as_placement(), name);
        let peer = place.and_then(|place| self.direct_peers.get(place.node)?.get(place.port));
        peer.copied().ok_or_else(|| OpError::protocol("the cluster map gives the object no place"))
    }
}
