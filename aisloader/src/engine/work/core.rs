//! One core: its connections, its statistics, and what else its workers share.

use crate::engine::request::dialect::Dialect;
use crate::engine::request::stock::Stock;
use crate::engine::shared::known::Known;
use crate::engine::shared::state::Run;
use crate::recorder::{OpError, Stats};
use crate::shard::Shard;
use crate::workload::random::{Stream, draw, scale};
use crate::workload::trace::TraceNote;
use link::{LinkError, PeerId, Peers, PoolLimits, Watch};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;
use uring::Driver;
use wire::http1::HeadLimits;

/// State that the workers of a core share.
pub(crate) struct Core {
    pub(crate) run: Arc<Run>,
    pub(crate) shard: Shard,
    pub(crate) peers: Peers,
    /// The source of the bodies.
    pub(crate) stock: Stock,
    pub(crate) limits: HeadLimits,
    /// The wording of requests.
    pub(crate) dialect: Dialect,
    pub(crate) stats: RefCell<Stats>,
    pub(crate) last_end: Cell<Option<Instant>>,
    /// The trace that is written.
    pub(crate) note: Option<TraceNote>,
    /// The operation that each worker waits for.
    pub(crate) watch: Watch,
    /// Names to read and to delete, those that this core has PUT among them.
    pub(crate) known: Known,
    /// At least one.
    gateways: Vec<PeerId>,
    /// Requests that chose a gateway.
    gateway_draws: Cell<u64>,
    /// For each target of the cluster map, the servers of its cores.
    direct_peers: Vec<Vec<PeerId>>,
}

impl Core {
    /// Sets a core up; nothing is connected yet.
    pub(crate) fn new(shard: Shard, run: Arc<Run>, note: Option<TraceNote>) -> Result<Self, OpError> {
        let config = &run.config;
        let peers = Peers::new(config.tls.clone(), PoolLimits::default());
        let all = if config.gateways.is_empty() {
            std::slice::from_ref(&config.gateway)
        } else {
            config.gateways.as_slice()
        };
        let find = |addresses: &[String]| -> Result<Vec<PeerId>, LinkError> {
            addresses.iter().map(|one| peers.find(one)).collect()
        };
        let gateways = find(all)?;
        let mut direct_peers = Vec::new();
        for addresses in run.direct.iter().flat_map(|map| map.addresses()) {
            direct_peers.push(find(addresses)?);
        }
        let stock = Stock::new(config)?;
        Ok(Self {
            shard,
            peers,
            gateways,
            gateway_draws: Cell::new(0),
            stock,
            limits: HeadLimits::default(),
            dialect: Dialect::of(config),
            stats: RefCell::default(),
            last_end: Cell::new(None),
            note,
            watch: Watch::default(),
            known: Known::new(Arc::clone(&run.listed)),
            direct_peers,
            run,
        })
    }

    pub(crate) fn driver(&self) -> &Driver {
        self.shard.driver()
    }

    /// Whom to ask for what no target answers: the gateway, or any of them.
    pub(crate) fn gateway(&self) -> Result<PeerId, OpError> {
        let turn = self.gateway_draws.get();
        self.gateway_draws.set(turn.wrapping_add(1));
        let random = draw(self.run.config.mix.own_seed, Stream::Gateway, 0, turn);
        let at = usize::try_from(scale(random, self.gateways.len() as u64)).unwrap_or(0);
        self.gateways.get(at).copied().ok_or_else(|| OpError::protocol("there is no gateway"))
    }

    /// Whom to ask for an object.
    pub(crate) fn peer_of(&self, name: &str) -> Result<PeerId, OpError> {
        let Some(map) = &self.run.direct else { return self.gateway() };
        let place = map.place(self.run.config.bucket.as_placement(), name);
        let peer = place.and_then(|place| self.direct_peers.get(place.node)?.get(place.port));
        peer.copied().ok_or_else(|| OpError::protocol("the cluster map gives the object no place"))
    }
}
