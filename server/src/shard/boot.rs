//! Starting a core: executor, ring, store, listeners, and the tasks that live as long as it does.

use super::call::{Letter, OpenCalls};
use super::connection::serve;
use super::context::Shard;
use super::runtime::{drive, spawn_core, spawn_local, tick};
use super::stream::StreamLimits;
use super::watch::Watch;
use super::workers::Workers;
use crate::metrics::Counters;
use crate::node::Node;
use crate::object::AppendSessions;
use crate::store::{Mountpath, Recovered, Store, StoreConfig};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uring::{Driver, DriverConfig, Features, MailReceiver, MailSender, Mailbox, PoolConfig};

/// Deadlines are looked at every so many ticks.
const TICKS_PER_SWEEP: u32 = 5;
/// How long requests being served may take after the order to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Everything a core needs, made before it starts.
pub(crate) struct CoreSetup {
    pub(crate) core: usize,
    pub(crate) cpu: usize,
    pub(crate) ring_entries: u32,
    pub(crate) pool: PoolConfig,
    pub(crate) store: StoreConfig,
    pub(crate) limits: StreamLimits,
    pub(crate) connections_max: usize,
    pub(crate) node: Arc<Node>,
    pub(crate) mountpaths: Arc<[Arc<Mountpath>]>,
    pub(crate) recovered: Vec<Recovered>,
    pub(crate) mail: Vec<MailSender<Letter>>,
    pub(crate) mailbox: MailReceiver<Letter>,
    pub(crate) listeners: Vec<OwnedFd>,
    /// Told once when the core listens.
    pub(crate) ready: Sender<io::Result<Features>>,
}

/// Starts the thread of a core.
pub(crate) fn start_core(setup: CoreSetup) -> io::Result<JoinHandle<io::Result<()>>> {
    let cpu = setup.cpu;
    spawn_core(cpu, move || run(setup))
}

async fn run(setup: CoreSetup) -> io::Result<()> {
    let ready = setup.ready.clone();
    let driver = match open_ring(&setup) {
        Ok(opened) => opened,
        Err(e) => {
            let text = e.to_string();
            let _ = ready.send(Err(e));
            return Err(io::Error::other(text));
        }
    };
    let features = driver.features();
    let connections_max = setup.connections_max;
    let (shard, mailbox, listeners) = assemble(driver.clone(), setup)?;
    for flush in shard.store.commit_loops() {
        spawn_local(flush);
    }
    let accepting = Rc::new(Cell::new(true));
    for listener in listeners {
        spawn_local(accept(Rc::clone(&shard), Rc::new(listener), connections_max, Rc::clone(&accepting)));
    }
    spawn_local(keep_time(Rc::clone(&shard)));
    let stopped = Rc::new(Cell::new(false));
    spawn_local(read_mail(Rc::clone(&shard), mailbox, accepting, Rc::clone(&stopped)));
    let _ = ready.send(Ok(features));
    drive(&driver, || stopped.get()).await
}

fn open_ring(setup: &CoreSetup) -> io::Result<Driver> {
    let driver = Driver::new(DriverConfig { entries: setup.ring_entries, pool: setup.pool })?;
    // The first segment is mapped and registered now, so that its cost and its failure show at the start.
    drop(driver.pool().try_alloc(uring::LEAF_BYTES));
    Ok(driver)
}

fn assemble(driver: Driver, setup: CoreSetup) -> io::Result<(Rc<Shard>, Mailbox<Letter>, Vec<OwnedFd>)> {
    let mailbox = setup.mailbox.open()?;
    let store = Store::new(driver.clone(), setup.core, setup.mountpaths, setup.store, setup.recovered);
    let shard = Shard {
        core: setup.core,
        driver,
        store,
        node: setup.node,
        counters: Counters::default(),
        appends: AppendSessions::default(),
        limits: setup.limits,
        mail: setup.mail,
        watch: Rc::new(Watch::default()),
        workers: Workers::new(),
        calls: RefCell::new(OpenCalls::new()),
        next_call: Cell::new(0),
        stopping: Cell::new(false),
    };
    Ok((Rc::new(shard), mailbox, setup.listeners))
}

async fn accept(shard: Rc<Shard>, listener: Rc<OwnedFd>, connections_max: usize, accepting: Rc<Cell<bool>>) {
    let mut connections = shard.driver.accept_multi(listener);
    while accepting.get() {
        match connections.next().await {
            Ok(_) if !accepting.get() => {}
            // Over the limit: closing at once tells the client to come back, and costs us nothing more.
            Ok(_) if shard.connections() >= connections_max => shard.counters.refused.add(1),
            Ok(socket) => {
                shard.counters.accepted.add(1);
                spawn_local(serve(Rc::clone(&shard), socket));
            }
            Err(e) => {
                tracing::warn!(core = shard.core, error = %e, "accept failed");
                // Most likely out of descriptors; some will be free soon.
                shard.driver.sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn keep_time(shard: Rc<Shard>) {
    let start = Instant::now();
    let mut ticks = 0u32;
    loop {
        tick(&shard.driver).await;
        shard.watch.set_now(start.elapsed().as_millis() as u64);
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(TICKS_PER_SWEEP) {
            shard.watch.cancel_expired(&shard.driver);
            shard.appends.expire();
        }
    }
}

async fn read_mail(
    shard: Rc<Shard>,
    mut mailbox: Mailbox<Letter>,
    accepting: Rc<Cell<bool>>,
    stopped: Rc<Cell<bool>>,
) {
    loop {
        let letter = match mailbox.next(&shard.driver).await {
            Ok(letter) => letter,
            Err(e) => {
                tracing::error!(core = shard.core, error = %e, "the mailbox failed: the core stops");
                return stopped.set(true);
            }
        };
        if !shard.open_letter(letter) {
            // The order to stop: drain in a task of its own, because the mail must go on meanwhile.
            accepting.set(false);
            shard.stopping.set(true);
            spawn_local(drain(Rc::clone(&shard), Rc::clone(&stopped)));
        }
    }
}

/// Lets requests in progress finish, then stops the core.
async fn drain(shard: Rc<Shard>, stopped: Rc<Cell<bool>>) {
    let deadline = Instant::now() + DRAIN;
    while shard.connections() > 0 && Instant::now() < deadline {
        shard.watch.shutdown_idle();
        shard.driver.sleep(Duration::from_millis(20)).await;
    }
    stopped.set(true);
}
