//! The way from settings to a running node, and back.

use crate::cluster::{
    Action, BucketView, ClusterState, Command, Control, Entry, Found, Journal, Note, Replica, STATE_FILE,
    View, read_state,
};
use crate::config::Config;
use crate::disks::{self, Known, Owner};
use crate::front::Front;
use crate::identity::{DataDirLock, Identity};
use crate::ids::new_uuid;
use crate::jobs::Jobs;
use crate::limits::{Budget, Descriptors, HEAD_LIMITS};
use crate::message_budget::MessageBudget;
use crate::node::Node;
use crate::shard::{
    CoreReady, CoreSetup, Letter, Seats, StreamLimits, mailbox_capacity, start_core, watch_cores,
};
use crate::store::{BucketRef, FormatRequest, Mountpath, RecoveryReport, StoreConfig, holds_objects};
use arc_swap::ArcSwap;
use placement::smap::NetInfo;
use placement::{NodeLayout, Smap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uring::{Features, Grower, Helpers, MailReceiver, MailSender, Mailbox, PoolConfig, Pulse, sock};

/// Entries of each core's submission queue.
const RING_ENTRIES: u32 = 1024;
/// Helper threads for what belongs to no mountpath.
const HELPERS_MAX: usize = 4;
/// Work that requests have left to be done may take this long at the end.
const CLEARING: Duration = Duration::from_secs(2);
/// The kernel keeps the address of an ended connection for a minute; this is a little more.
const TIME_WAIT: Duration = Duration::from_secs(65);
/// The kernel may take this long to close the listeners of a process that was killed: it takes its rings down later.
const KILLED: Duration = Duration::from_secs(3);
/// A stop may take this long in all; its parts have shorter limits of their own.
const STOP: Duration = Duration::from_secs(18);
/// Exit code of a process that could not be stopped in order.
const EXIT_WITHOUT_ORDER: i32 = 3;

/// A node that serves.
pub(crate) struct RunningNode {
    pub(crate) node: Arc<Node>,
    pub(crate) config: Config,
    pub(crate) features: Features,
    pub(crate) recovery: RecoveryReport,
    /// For the operator: what was asked for and cannot be had.
    pub(crate) warnings: Vec<String>,
    cores: Vec<JoinHandle<io::Result<()>>>,
    mail: Vec<MailSender<Letter>>,
    control: JoinHandle<()>,
    _lock: DataDirLock,
}

/// Buckets at the start.
struct KnownBuckets {
    buckets: Vec<Arc<BucketRef>>,
    /// Numbers from here on belong to buckets that are made later.
    first_new: u64,
}

/// Sockets of the node, bound before anything else so that a port in use is noticed first.
struct Listeners {
    by_core: Vec<Vec<OwnedFd>>,
    public: SocketAddr,
    core_urls: Vec<String>,
}

/// Starts a node.
///
/// # Errors
/// Whatever keeps it from serving, in words for the operator.
pub(crate) fn start(mut config: Config) -> io::Result<RunningNode> {
    let (descriptors, warnings) = raise_file_limit(&config)?;
    config.connections_max = descriptors.connections_max;
    let budget = Budget::divide(config.memory.total_bytes, config.cores, config.connections_max)
        .map_err(io::Error::other)?;
    for warning in config.memory.warning.iter().chain(&warnings) {
        tracing::warn!("{warning}");
    }
    let (identity, lock) = Identity::load_or_create(&config.data_dir, STATE_FILE)?;
    let listeners = listen(&config)?;
    let mountpaths = open_mountpaths(&config, &identity)?;
    let layout = Arc::new(layout(&mountpaths, &listeners, config.lanes)?);
    let (replica, journal) = load_state(&config, &identity, &listeners, &layout, &mountpaths)?;
    let view = Arc::new(ArcSwap::from_pointee(View::new(&replica, &layout)));
    let known = KnownBuckets {
        buckets: view.load().buckets().map(|b| Arc::clone(&b.bucket)).collect(),
        first_new: replica.cluster.first_new_bucket_id(),
    };
    let swept = sweep(&mountpaths)?;
    let (control, control_thread) = Control::start(replica, journal, layout, Arc::clone(&view))?;
    let node = Arc::new(Node {
        proxy_id: identity.proxy_id,
        target_id: identity.target_id,
        url: format!("http://{}", listeners.public),
        host: listeners.public.ip().to_string(),
        port: listeners.public.port(),
        data_dir: config.data_dir.clone(),
        started: Instant::now(),
        mountpaths: Arc::clone(&mountpaths),
        view,
        control,
        jobs: Jobs::open(&config.data_dir)?,
        budget,
        helpers: Helpers::new("helper", HELPERS_MAX)?,
        memory_limit_bytes: config.memory.limit_bytes,
        messages: MessageBudget::new(budget.messages_bytes),
        watchdog: Arc::default(),
    });
    let (cores, mail, ready) = start_cores(&config, &node, listeners.by_core, &known, descriptors)?;
    let features = ready.features;
    let recovery = RecoveryReport { swept, ..ready.recovery };
    watch_cores(ready.pulses, Arc::clone(&node.watchdog))?;
    let control = control_thread;
    Ok(RunningNode { node, config, features, recovery, warnings, cores, mail, control, _lock: lock })
}

impl RunningNode {
    /// Finishes requests, flushes and ends all threads. Threads that have not ended after [`STOP`] are left behind: the
    /// process ends in any case, and the next start reads from the logs what an index lacks.
    ///
    /// # Errors
    /// When a core failed, did not end in time, or a file system could not be flushed.
    pub(crate) fn stop(self) -> io::Result<()> {
        end_anyway_after(STOP);
        for mailbox in &self.mail {
            // A core that has stopped already needs no order.
            let _ = mailbox.send(Letter::Stop);
        }
        let mut outcome = Ok(());
        for (number, core) in self.cores.into_iter().enumerate() {
            let ended =
                core.join().unwrap_or_else(|_| Err(io::Error::other(format!("core {number} panicked"))));
            outcome = outcome.and(ended);
        }
        self.node.control.stop();
        if self.control.join().is_err() {
            outcome = outcome.and(Err(io::Error::other("the control thread panicked")));
        }
        for mountpath in self.node.mountpaths.iter() {
            if mountpath.is_suspect() {
                outcome = outcome.and(Err(io::Error::other(mountpath.refusal().text)));
                continue;
            }
            // Files are still to be removed; the next start sweeps the ones that are left.
            mountpath.changers().drain(CLEARING);
            // Buckets with durability "none" have writes that are not flushed.
            outcome = outcome.and(rustix::fs::syncfs(mountpath.dir()).map_err(io::Error::from));
        }
        outcome
    }
}

/// Ends the process when it has not ended by itself: whatever a core or a disk does, an order to stop is followed.
fn end_anyway_after(patience: Duration) {
    let end = move || {
        std::thread::sleep(patience);
        eprintln!("aisnode: not stopped within {} s: ended without order", patience.as_secs());
        std::process::exit(EXIT_WITHOUT_ORDER);
    };
    let watching = std::thread::Builder::new().name("stop-watch".to_owned()).spawn(end);
    if let Err(e) = watching {
        tracing::warn!(error = %e, "nothing watches over the stop");
    }
}

/// Raises the limit of open files as far as it goes. Where that is too little there are fewer files kept open, and then
/// fewer connections, because a connection that finds no descriptor would wait in the kernel without an answer.
fn raise_file_limit(config: &Config) -> io::Result<(Descriptors, Vec<String>)> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let lanes = config.mountpaths.len() * usize::from(config.lanes);
    let wanted = Descriptors::wanted(config.cores, lanes, config.connections_max);
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap_or(usize::MAX));
    let mut allowed = limit.current.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX));
    if allowed < wanted.needed && allowed < maximum {
        let raised = wanted.needed.min(maximum);
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised as u64), maximum: limit.maximum }) {
            Ok(()) => allowed = raised,
            Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
        }
    }
    let got = wanted.within(allowed, config.cores, lanes).map_err(io::Error::other)?;
    let fewer = (got.connections_max < config.connections_max).then(|| {
        format!(
            "{} connections instead of {}: a limit of {allowed} open files allows no more, {} are needed; raise \
             LimitNOFILE (ulimit -Hn)",
            got.connections_max, config.connections_max, wanted.needed
        )
    });
    Ok((got, fewer.into_iter().collect()))
}

fn listen(config: &Config) -> io::Result<Listeners> {
    let address = SocketAddr::new(config.host, config.port);
    let in_use = |e: io::Error| io::Error::other(format!("cannot listen on {address}: {e}"));
    let public = free_address(address).map_err(in_use)?;
    let mut by_core = Vec::new();
    let mut core_urls = Vec::new();
    for _ in 0..config.cores {
        let shared = sock::listen_tcp(public, true).map_err(in_use)?;
        let own = sock::listen_tcp(SocketAddr::new(config.host, 0), false).map_err(in_use)?;
        core_urls.push(format!("http://{}", sock::local_address(&own)?));
        by_core.push(vec![shared, own]);
    }
    Ok(Listeners { by_core, public, core_urls })
}

/// Finds out whether an address is free: shared listeners would also share with a stranger.
///
/// The default port lies in the range of outgoing connections. One that has just ended can hold it for a minute, and
/// unlike a stranger it takes no connection: then it is waited for. A node that was just killed may still take them for
/// a moment: it too is waited for, so that a node can be started again at once.
fn free_address(address: SocketAddr) -> io::Result<SocketAddr> {
    let start = Instant::now();
    loop {
        match sock::listen_tcp(address, false) {
            Ok(socket) => return sock::local_address(socket),
            Err(e) if e.kind() != io::ErrorKind::AddrInUse || start.elapsed() > TIME_WAIT => return Err(e),
            Err(e) if std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() => {
                if start.elapsed() > KILLED {
                    return Err(e);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            // The listener has gone between the two questions.
            Err(_) if start.elapsed() < KILLED => std::thread::sleep(Duration::from_millis(50)),
            Err(_) => {
                tracing::warn!(%address, "held by an outgoing connection that has just ended: waiting for it");
                std::thread::sleep(Duration::from_secs(5));
            }
        }
    }
}

/// Finds out which mountpath is where, formats those that are new, and remembers all of them.
fn open_mountpaths(config: &Config, identity: &Identity) -> io::Result<Arc<[Arc<Mountpath>]>> {
    let known = disks::read(&config.data_dir, STATE_FILE)?;
    let explain = |e: io::Error| identity.explain(e, &config.data_dir);
    let owner = Owner { target_id: &identity.target_id, cluster_id: &identity.cluster_id };
    let file = config.data_dir.join(disks::FILE);
    let plan = disks::plan(&config.mountpaths, known.as_deref(), owner, &file, &new_uuid).map_err(explain)?;
    refuse_lost_state(config, &plan)?;
    let mut mountpaths = Vec::new();
    for place in &plan {
        let request = FormatRequest {
            mountpath_id: place.id.clone(),
            target_id: &identity.target_id,
            cluster_id: &identity.cluster_id,
            lanes: config.lanes,
        };
        let mountpath = Mountpath::open(&place.path, &request).map_err(explain)?;
        mountpaths.push(Arc::new(mountpath.with_label(&place.label)));
    }
    if known.as_ref() != Some(&plan) {
        disks::remember(&config.data_dir, plan)?;
    }
    Ok(mountpaths.into())
}

fn layout(mountpaths: &[Arc<Mountpath>], listeners: &Listeners, lanes: u16) -> io::Result<NodeLayout> {
    if let Some(other) = mountpaths.iter().find(|mountpath| mountpath.lanes != lanes) {
        return Err(io::Error::other(format!(
            "mountpath {} was formatted with {} lanes, the setting is {lanes}",
            other.path.display(),
            other.lanes
        )));
    }
    let paths =
        mountpaths.iter().map(|mp| placement::Mountpath::new(mp.id.as_str(), mp.path.display().to_string()));
    Ok(NodeLayout { mountpaths: paths.collect(), lanes, core_urls: listeners.core_urls.clone() })
}

/// The cluster's state as it was left, with this start's addresses, and with destroyed buckets out of the way.
fn load_state(
    config: &Config,
    identity: &Identity,
    listeners: &Listeners,
    layout: &NodeLayout,
    mountpaths: &[Arc<Mountpath>],
) -> io::Result<(Replica, Journal)> {
    let mut smap = Smap::single_node(
        &identity.cluster_id,
        &identity.created,
        &identity.proxy_id,
        &identity.target_id,
        &NetInfo::http(&listeners.public.ip().to_string(), listeners.public.port()),
    );
    if let Some(target) = smap.tmap.get_mut(&identity.target_id) {
        target.layout = Some(layout.clone());
    }
    let Some(found) = read_state(&config.data_dir)? else {
        let replica = Replica::new(ClusterState::new(smap, identity.created.clone()));
        let journal = Journal::create(&config.data_dir, &replica)?;
        return Ok((replica, journal));
    };
    let mut journal = Journal::open(&config.data_dir, &found)?;
    let Found { mut replica, .. } = found;
    let mut entries = vec![Entry::Command(Command::NodeStarted { smap: Box::new(smap) })];
    entries.extend(abandoned(&replica, &identity.target_id));
    entries.extend(bury_doomed(&replica, mountpaths)?);
    let before = replica.clone();
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        lines.push(serde_json::to_string(&entry)?);
        // The cores start with the view that comes of it: nothing is left for them to do.
        replica.apply(entry).map_err(|e| io::Error::other(e.text))?;
    }
    journal.append(&lines, &before)?;
    Ok((replica, journal))
}

/// Opens the buckets that jobs of this node had closed: no job has outlived the process.
fn abandoned(replica: &Replica, target_id: &str) -> Vec<Entry> {
    let closed = replica.cluster.bmd.all().filter(|view| view.closed_by() == Some(target_id));
    let open = |view: &Arc<BucketView>| {
        let (name, id) = (view.bucket.name.clone(), view.bucket.id);
        Entry::Command(Command::OpenBucket { name, id })
    };
    closed.map(open).collect()
}

/// Nobody knows the buckets on a mountpath without the state: that is no new cluster.
fn refuse_lost_state(config: &Config, mountpaths: &[Known]) -> io::Result<()> {
    if config.data_dir.join(STATE_FILE).try_exists()? {
        return Ok(());
    }
    let Some(used) = mountpaths.iter().find(|known| holds_objects(&known.path)) else { return Ok(()) };
    Err(io::Error::other(format!(
        "{} is gone: the names and numbers of the buckets were in it, and mountpath {} holds objects",
        config.data_dir.join(STATE_FILE).display(),
        used.path.display()
    )))
}

/// A crash may have come between the end of a bucket and the end of its directories. The sweep removes them.
fn bury_doomed(replica: &Replica, mountpaths: &[Arc<Mountpath>]) -> io::Result<Vec<Entry>> {
    let mut buried = Vec::new();
    for action in replica.at_start() {
        // Cores know nothing yet that they could forget, and start with what is closed.
        let Action::Bury(bucket) = action else { continue };
        for mountpath in mountpaths {
            let explain = |e: io::Error| {
                let text = format!("mountpath {}: move a bucket away: {e}", mountpath.path.display());
                io::Error::new(e.kind(), text)
            };
            mountpath.trash_bucket(&bucket).map_err(explain)?;
        }
        buried.push(Entry::Note(Note::BucketBuried { id: bucket.id }));
    }
    Ok(buried)
}

/// Removes what a crash may have left; returns how much there was.
fn sweep(mountpaths: &[Arc<Mountpath>]) -> io::Result<usize> {
    mountpaths.iter().map(|mountpath| mountpath.sweep()).sum()
}

type Cores = (Vec<JoinHandle<io::Result<()>>>, Vec<MailSender<Letter>>, AllReady);

/// All cores listen.
struct AllReady {
    features: Features,
    recovery: RecoveryReport,
    pulses: Vec<Pulse>,
}

fn start_cores(
    config: &Config,
    node: &Arc<Node>,
    listeners: Vec<Vec<OwnedFd>>,
    known: &KnownBuckets,
    descriptors: Descriptors,
) -> io::Result<Cores> {
    let capacity = mailbox_capacity(config.cores, config.connections_max);
    let boxes: Vec<(MailSender<Letter>, MailReceiver<Letter>)> =
        (0..config.cores).map(|_| Mailbox::new(capacity)).collect::<io::Result<_>>()?;
    let seats = Seats::new(config.connections_max);
    let (mail, receivers): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
    let cpus = allowed_cpus()?;
    let grower = Grower::start()?;
    let (ready, started) = channel();
    let mut threads = Vec::new();
    let parts = receivers.into_iter().zip(listeners).zip(cpus).enumerate();
    for (core, ((mailbox, listeners), cpu)) in parts {
        threads.push(start_core::<Front>(CoreSetup {
            core,
            cpu,
            ring_entries: RING_ENTRIES,
            pool: PoolConfig { size_bytes_max: node.budget.pool_bytes_core() },
            grower: grower.clone(),
            store: store_config(config, &node.budget, descriptors),
            limits: stream_limits(config),
            seats: Arc::clone(&seats),
            node: Arc::clone(node),
            mountpaths: Arc::clone(&node.mountpaths),
            buckets: known.buckets.clone(),
            first_new_bucket: known.first_new,
            mail: mail.clone(),
            mailbox,
            listeners,
            ready: ready.clone(),
        })?);
    }
    drop(ready);
    let ready = (0..config.cores)
        .map(|_| started.recv().map_err(|_| io::Error::other("a core ended while starting")).flatten());
    let ready: Vec<CoreReady> = ready.collect::<io::Result<_>>()?;
    let features = ready.first().map(|core| core.features);
    let all = AllReady {
        features: features.ok_or_else(|| io::Error::other("there is no core"))?,
        recovery: ready.iter().fold(RecoveryReport::default(), |all, core| all.plus(core.recovery)),
        pulses: ready.into_iter().map(|core| core.pulse).collect(),
    };
    Ok((threads, mail, all))
}

fn store_config(config: &Config, budget: &Budget, descriptors: Descriptors) -> StoreConfig {
    StoreConfig {
        cache_bytes: budget.cache_bytes_core,
        segment_bytes: config.segment_bytes,
        open_files: descriptors.open_files_core,
        index_bytes: budget.index_bytes_core,
        // The other half is what each connection has of its own.
        slow_bytes: budget.connections_bytes / 2 / budget.cores.max(1),
    }
}

fn stream_limits(config: &Config) -> StreamLimits {
    StreamLimits {
        head: HEAD_LIMITS,
        idle_timeout_ms: config.timeouts.idle_ms,
        head_timeout_ms: config.timeouts.head_ms,
        body_timeout_ms: config.timeouts.body_ms,
        zero_copy_bytes_min: config.zero_copy_bytes_min,
    }
}

/// CPUs that this process may run on.
pub(crate) fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}
