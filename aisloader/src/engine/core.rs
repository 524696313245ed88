//! One core: its workers, its connections, its statistics.

use super::error::OpError;
use super::payload::{Cksums, Payload};
use super::peers::{PeerId, Peers};
use super::run::{Interval, Letter, Outbox, Run};
use super::watch::Slot;
use super::worker::Worker;
use crate::names::NameList;
use crate::recorder::Stats;
use crate::shard::Shard;
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
    /// Names that this core has PUT; a run that also reads reads them too.
    own_names: RefCell<NameList>,
    /// For each target of the cluster map, the servers of its cores.
    direct_peers: Vec<Vec<PeerId>>,
}

/// Registered memory that a core with so many workers needs.
pub(super) fn pool_bytes(workers: usize) -> usize {
    workers.saturating_mul(RECEIVE_BYTES).saturating_add(POOL_SPARE_BYTES)
}

/// Runs the workers of one core to their end and posts what they measured.
pub(super) async fn run_core(
    shard: Shard,
    run: Arc<Run>,
    workers: Vec<u64>,
    outbox: Outbox,
) -> Result<(), OpError> {
    let core = Rc::new(Core::new(shard, Arc::clone(&run))?);
    outbox.post(Letter::Ready);
    run.wait_for_begin();
    let outbox = Rc::new(outbox);
    let slots: Vec<Rc<Slot>> = workers.iter().map(|_| Rc::new(Slot::default())).collect();
    let mut tasks = Vec::with_capacity(workers.len());
    for (number, slot) in workers.iter().zip(&slots) {
        let buf = core.driver().pool().alloc(RECEIVE_BYTES).await;
        let worker = Worker::new(&core, Rc::clone(slot), *number, buf);
        tasks.push(core.shard.spawn(worker.run()));
    }
    let watch = core.shard.spawn(watch(Rc::clone(&core), slots, Rc::clone(&outbox)));
    for task in tasks {
        task.await;
    }
    watch.cancel().await;
    let stats = core.stats.take();
    outbox.post(Letter::End { stats: Box::new(stats), last_end: core.last_end.get() });
    Ok(())
}

/// At every tick: cuts operations that are out of time. At every interval: posts the statistics so far.
async fn watch(core: Rc<Core>, slots: Vec<Rc<Slot>>, outbox: Rc<Outbox>) {
    let mut interval = 0u64;
    loop {
        core.shard.tick().await;
        let now = Instant::now();
        for slot in &slots {
            slot.check(now, core.run.cut_at(), core.driver());
        }
        // Every core posts every number once, whatever held it up; the main thread counts on that.
        while interval < core.run.intervals_passed(now) {
            interval = interval.saturating_add(1);
            let inflight = slots.iter().filter(|slot| slot.is_busy()).count() as u64;
            let stats = core.stats.take();
            outbox.post(Letter::Interval(Box::new(Interval { number: interval, stats, inflight })));
        }
    }
}

impl Core {
    fn new(shard: Shard, run: Arc<Run>) -> Result<Self, OpError> {
        let config = &run.config;
        let peers = Peers::default();
        let gateway = peers.find(&config.gateway)?;
        let mut direct_peers = Vec::new();
        for authorities in run.direct.iter().flat_map(|map| map.authorities()) {
            let found: Result<Vec<PeerId>, OpError> = authorities.iter().map(|one| peers.find(one)).collect();
            direct_peers.push(found?);
        }
        let payload = if config.mix.pct_put > 0 { Payload::new(config.mix.seed) } else { Payload::empty() };
        Ok(Self {
            shard,
            peers,
            gateway,
            payload,
            cksums: Cksums::default(),
            limits: HeadLimits::default(),
            stats: RefCell::default(),
            last_end: Cell::new(None),
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
