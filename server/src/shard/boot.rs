//! Starting a core: executor, ring, store, listeners, and the tasks that live as long as it does.

use super::call::{Letter, OpenCalls, Order};
use super::connection::take_over;
use super::context::Shard;
use super::door::accept;
use super::door_counts::DoorCounts;
use super::handler::Handler;
use super::limits::StreamLimits;
use super::runtime::{Ending, spawn_core, spawn_local, tick};
use super::seat::Seats;
use super::turns::{AT_ONCE_CORE, Turns};
use super::watch::Watch;
use crate::metrics::Counters;
use crate::node::Node;
use crate::store::{AppendSessions, BucketRef, Mountpath, RecoveryReport, StoreConfig, StoreSetup};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uring::{
    Driver, DriverConfig, Executor, Features, Grower, MailReceiver, MailSender, Mailbox, Offload, PoolConfig,
    Pulse, Tender,
};

/// Deadlines are looked at every so many ticks.
const TICKS_PER_SWEEP: u32 = 5;
/// Requests being served may take this long after the order to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// The indexes may take this long to be written out after that. The next start reads the rest from the log.
const CLOSE: Duration = Duration::from_secs(6);
/// Memory that is there for requests and for the cache when a core says that it is ready. More comes with use.
const IO_BYTES_READY: usize = 32 << 20;
const CACHE_BYTES_READY: usize = 8 << 20;

/// Everything a core needs, made before it starts.
pub(crate) struct CoreSetup {
    pub(crate) core: usize,
    pub(crate) cpu: usize,
    pub(crate) ring_entries: u32,
    pub(crate) pool: PoolConfig,
    pub(crate) grower: Grower,
    pub(crate) store: StoreConfig,
    pub(crate) limits: StreamLimits,
    pub(crate) seats: Arc<Seats>,
    pub(crate) node: Arc<Node>,
    pub(crate) mountpaths: Arc<[Arc<Mountpath>]>,
    pub(crate) buckets: Vec<Arc<BucketRef>>,
    pub(crate) first_new_bucket: u64,
    pub(crate) mail: Vec<MailSender<Letter>>,
    pub(crate) mailbox: MailReceiver<Letter>,
    pub(crate) listeners: Vec<OwnedFd>,
    /// Told once when the core listens.
    pub(crate) ready: Sender<io::Result<CoreReady>>,
}

/// A core's report that it listens.
pub(crate) struct CoreReady {
    pub(crate) features: Features,
    pub(crate) recovery: RecoveryReport,
    pub(crate) pulse: Pulse,
}

/// Starts the thread of a core.
pub(crate) fn start_core<H: Handler>(setup: CoreSetup) -> io::Result<JoinHandle<io::Result<()>>> {
    spawn_core(setup.core, setup.cpu, move || run::<H>(setup))
}

/// A core's life, on its thread.
fn run<H: Handler>(setup: CoreSetup) -> io::Result<()> {
    let ready = setup.ready.clone();
    let opened = open_ring(&setup).and_then(|driver| Ok((Executor::new(&driver)?, driver)));
    let (executor, driver) = match opened {
        Ok(opened) => opened,
        Err(e) => return Err(tell(&ready, e)),
    };
    let pulse = executor.pulse();
    executor.run(live::<H>(driver, setup, pulse))?
}

async fn live<H: Handler>(driver: Driver, setup: CoreSetup, pulse: Pulse) -> io::Result<()> {
    let (ready, features, grower) = (setup.ready.clone(), driver.features(), setup.grower.clone());
    let assembled = assemble(driver, setup).await;
    let assembled = assembled.and_then(|assembled| grow_with_use(&assembled.0, &grower).map(|()| assembled));
    let (shard, mailbox, listeners, recovery) = match assembled {
        Ok(assembled) => assembled,
        Err(e) => return Err(tell(&ready, e)),
    };
    for commit in shard.store.commit_loops() {
        spawn_local(commit);
    }
    for upkeep in shard.store.upkeep_loops() {
        spawn_local(upkeep);
    }
    for bucket in shard.node.view().buckets().filter(|bucket| bucket.is_closed()) {
        shard.settle(&bucket.bucket);
    }
    let node = Arc::clone(&shard.node);
    let buckets = move || node.view().buckets().map(|b| Arc::clone(&b.bucket)).collect();
    spawn_local(Rc::clone(&shard.store).rebuild_loop(buckets));
    let accepting = Rc::new(Cell::new(true));
    for listener in listeners {
        spawn_local(accept::<H>(Rc::clone(&shard), Rc::new(listener), Rc::clone(&accepting)));
    }
    spawn_local(keep_time(Rc::clone(&shard)));
    let ending = Ending::default();
    spawn_local(read_mail::<H>(Rc::clone(&shard), mailbox, accepting, ending.clone()));
    let _ = ready.send(Ok(CoreReady { features, recovery, pulse }));
    ending.wait().await
}

/// Tells whoever starts the node why this core does not serve; returns the same for the core's own end.
fn tell(ready: &Sender<io::Result<CoreReady>>, error: io::Error) -> io::Error {
    let text = error.to_string();
    // Nobody listens any more when another core has failed before.
    let _ = ready.send(Err(error));
    io::Error::other(text)
}

fn open_ring(setup: &CoreSetup) -> io::Result<Driver> {
    Driver::new(DriverConfig { entries: setup.ring_entries, pool: setup.pool })
}

/// Up to here pools have grown on this thread, as opening the store needed it. From now on they grow with use, and
/// helpers make their memory resident ahead of that.
fn grow_with_use(shard: &Rc<Shard>, grower: &Grower) -> io::Result<()> {
    let [io, cache] = shard.store.pools();
    io.prepare(IO_BYTES_READY);
    cache.prepare(CACHE_BYTES_READY);
    let tender = Tender::new(&shard.driver, grower, vec![io.clone(), cache.clone()])?;
    let core = shard.core;
    spawn_local(async move {
        if let Err(e) = tender.run().await {
            tracing::error!(core, error = %e, "the memory of this core grows no further");
        }
    });
    Ok(())
}

type Assembled = (Rc<Shard>, Mailbox<Letter>, Vec<OwnedFd>, RecoveryReport);

async fn assemble(driver: Driver, setup: CoreSetup) -> io::Result<Assembled> {
    let mailbox = setup.mailbox.open()?;
    let store = StoreSetup {
        driver: driver.clone(),
        core: setup.core,
        cores: setup.mail.len(),
        mountpaths: setup.mountpaths,
        config: setup.store,
        buckets: setup.buckets,
        first_new_bucket: setup.first_new_bucket,
    };
    let (store, recovery) = store.open().await.map_err(|e| io::Error::other(e.text))?;
    let helpers = Offload::new(&setup.node.helpers, &driver)?;
    let shard = Shard {
        core: setup.core,
        driver,
        helpers,
        store,
        node: setup.node,
        counters: Counters::default(),
        appends: AppendSessions::default(),
        limits: setup.limits,
        job_turns: Turns::new(AT_ONCE_CORE),
        mail: setup.mail,
        seats: setup.seats,
        watch: Rc::new(Watch::default()),
        door: DoorCounts::default(),
        room_asked: Cell::new(false),
        calls: RefCell::new(OpenCalls::new()),
        stopping: Cell::new(false),
    };
    Ok((Rc::new(shard), mailbox, setup.listeners, recovery))
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
            if shard.seats.has_standing() {
                shard.watch.seat_standing(&shard.seats);
            }
            shard.appends.expire();
        }
    }
}

async fn read_mail<H: Handler>(
    shard: Rc<Shard>,
    mut mailbox: Mailbox<Letter>,
    accepting: Rc<Cell<bool>>,
    ending: Ending,
) {
    loop {
        let letter = match mailbox.next(&shard.driver).await {
            Ok(letter) => letter,
            Err(e) => {
                return ending.end(Err(io::Error::other(format!("the mailbox: {e}"))));
            }
        };
        match shard.open_letter(letter) {
            Some(Order::Serve(parcel)) => spawn_local(take_over::<H>(Rc::clone(&shard), parcel)),
            Some(Order::Stop) => {
                accepting.set(false);
                shard.stopping.set(true);
                // In a task of its own, because the mail must go on meanwhile.
                spawn_local(drain(Rc::clone(&shard), ending.clone()));
            }
            None => {}
        }
    }
}

/// Lets requests in progress finish, writes the indexes out, then stops the core. It waits for those of all cores: a
/// connection on its way here with a request is on none.
async fn drain(shard: Rc<Shard>, ending: Ending) {
    let deadline = Instant::now() + DRAIN;
    while shard.seats.taken() > 0 && Instant::now() < deadline {
        shard.watch.shutdown_idle();
        shard.driver.sleep(Duration::from_millis(20)).await;
    }
    ending.end(shard.store.close(CLOSE).await.map_err(|e| io::Error::other(e.text)));
}
