//! From settings to a running node, and back.

use crate::cluster::{ClusterState, Command, Control, View};
use crate::config::Config;
use crate::durable;
use crate::identity::{DataDirLock, Identity};
use crate::jobs::{Jobs, new_uuid};
use crate::limits::{Budget, HEAD_LIMITS};
use crate::node::Node;
use crate::shard::{CoreReady, CoreSetup, Letter, Seats, StreamLimits, mailbox_capacity, start_core};
use crate::store::{BucketRef, FormatRequest, Mountpath, RecoveryReport, StoreConfig, refuse_growth};
use arc_swap::ArcSwap;
use placement::smap::NetInfo;
use placement::{NodeLayout, Smap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uring::{Features, MailReceiver, MailSender, Mailbox, PoolConfig, sock};

/// Entries of each core's submission queue.
const RING_ENTRIES: u32 = 1024;
/// Files that each core keeps open for reading.
const OPEN_FILES_CORE: usize = 2048;
/// How long the kernel keeps the address of an ended connection, and a little more.
const TIME_WAIT: Duration = Duration::from_secs(65);
/// How long the kernel may take to close the listeners of a process that was killed: it takes its rings down later.
const KILLED: Duration = Duration::from_secs(3);
/// The cluster's state in the data directory.
pub(crate) const STATE_FILE: &str = "cluster.json";

/// A node that serves.
pub(crate) struct RunningNode {
    pub(crate) node: Arc<Node>,
    pub(crate) config: Config,
    pub(crate) features: Features,
    pub(crate) recovery: RecoveryReport,
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
pub(crate) fn start(config: Config) -> io::Result<RunningNode> {
    let budget = Budget::divide(config.memory_bytes, config.cores, config.connections_max)
        .map_err(io::Error::other)?;
    raise_file_limit(&config)?;
    let (identity, lock) = Identity::load_or_create(&config.data_dir)?;
    let listeners = listen(&config)?;
    let mountpaths = open_mountpaths(&config, &identity)?;
    let layout = layout(&mountpaths, &listeners, config.lanes)?;
    let state = load_state(&config, &identity, &listeners, &layout)?;
    let view = Arc::new(ArcSwap::from_pointee(View::new(&state, &layout)));
    let known = KnownBuckets {
        buckets: view.load().buckets().iter().map(|b| Arc::clone(&b.bucket)).collect(),
        first_new: state.first_new_bucket_id(),
    };
    let swept = sweep(&mountpaths)?;
    let (control, control_thread) =
        Control::start(state, config.data_dir.join(STATE_FILE), layout, Arc::clone(&view))?;
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
        jobs: Jobs::default(),
        budget,
    });
    let (cores, mail, ready) = start_cores(&config, &node, listeners.by_core, &known)?;
    let features = ready.features;
    let recovery = RecoveryReport { swept, ..ready.recovery };
    Ok(RunningNode { node, config, features, recovery, cores, mail, control: control_thread, _lock: lock })
}

impl RunningNode {
    /// Finishes requests, flushes and ends all threads.
    ///
    /// # Errors
    /// When a core failed or a file system could not be flushed.
    pub(crate) fn stop(self) -> io::Result<()> {
        for mailbox in &self.mail {
            // A core that has stopped already needs no order.
            let _ = mailbox.send(Letter::Stop);
        }
        let mut outcome = Ok(());
        for core in self.cores {
            let ended = core.join().unwrap_or_else(|_| Err(io::Error::other("a core panicked")));
            outcome = outcome.and(ended);
        }
        self.node.control.stop();
        if self.control.join().is_err() {
            outcome = outcome.and(Err(io::Error::other("the control thread panicked")));
        }
        for mountpath in self.node.mountpaths.iter() {
            // What buckets with durability "none" have not flushed.
            outcome = outcome.and(rustix::fs::syncfs(mountpath.dir()).map_err(io::Error::from));
        }
        outcome
    }
}

fn raise_file_limit(config: &Config) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = (config.connections_max + config.cores * (OPEN_FILES_CORE + 64) + 256) as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum })?;
    if raised < wanted {
        tracing::warn!(raised, wanted, "fewer file descriptors than the settings need: raise LimitNOFILE");
    }
    Ok(())
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

fn open_mountpaths(config: &Config, identity: &Identity) -> io::Result<Arc<[Arc<Mountpath>]>> {
    refuse_growth(&config.mountpaths)?;
    let mut mountpaths = Vec::new();
    for path in &config.mountpaths {
        let request = FormatRequest {
            mountpath_id: new_uuid(),
            target_id: &identity.target_id,
            cluster_id: &identity.cluster_id,
            lanes: config.lanes,
        };
        mountpaths.push(Arc::new(Mountpath::open(path, &request)?));
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
        mountpaths.iter().map(|mountpath| placement::Mountpath::new(mountpath.path.display().to_string()));
    Ok(NodeLayout { mountpaths: paths.collect(), lanes, core_urls: listeners.core_urls.clone() })
}

/// The cluster's state as it was left, with this start's addresses, and with destroyed buckets out of the way.
fn load_state(
    config: &Config,
    identity: &Identity,
    listeners: &Listeners,
    layout: &NodeLayout,
) -> io::Result<ClusterState> {
    let file = config.data_dir.join(STATE_FILE);
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
    let mut state = match read_state(&file)? {
        Some(state) => state,
        None => ClusterState::new(smap.clone(), identity.created.clone()),
    };
    smap.version = state.smap.version + 1;
    state.smap = smap;
    bury_doomed(&mut state, config)?;
    durable::write_json(&file, &state)?;
    Ok(state)
}

/// The state in a file; `None` when there is no such file.
///
/// # Errors
/// When it is damaged or cannot be read.
pub(crate) fn read_state(file: &Path) -> io::Result<Option<ClusterState>> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| io::Error::other(format!("{} is damaged: {e}", file.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A crash may have come between the end of a bucket and the end of its directories.
fn bury_doomed(state: &mut ClusterState, config: &Config) -> io::Result<()> {
    for doomed in state.doomed.clone() {
        for path in &config.mountpaths {
            let dir = path.join(doomed.bucket().dir());
            match std::fs::remove_dir_all(&dir) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        state.apply(Command::BucketBuried { id: doomed.id }).map_err(|e| io::Error::other(e.text))?;
    }
    Ok(())
}

/// Removes what a crash may have left; returns how much there was.
fn sweep(mountpaths: &[Arc<Mountpath>]) -> io::Result<usize> {
    mountpaths.iter().map(|mountpath| mountpath.sweep()).sum()
}

type Cores = (Vec<JoinHandle<io::Result<()>>>, Vec<MailSender<Letter>>, CoreReady);

fn start_cores(
    config: &Config,
    node: &Arc<Node>,
    listeners: Vec<Vec<OwnedFd>>,
    known: &KnownBuckets,
) -> io::Result<Cores> {
    let capacity = mailbox_capacity(config.cores, config.connections_max);
    let boxes: Vec<(MailSender<Letter>, MailReceiver<Letter>)> =
        (0..config.cores).map(|_| Mailbox::new(capacity)).collect::<io::Result<_>>()?;
    let seats = Seats::new(config.connections_max);
    let (mail, receivers): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
    let cpus = allowed_cpus()?;
    let (ready, started) = channel();
    let mut threads = Vec::new();
    let parts = receivers.into_iter().zip(listeners).zip(cpus).enumerate();
    for (core, ((mailbox, listeners), cpu)) in parts {
        threads.push(start_core(CoreSetup {
            core,
            cpu,
            ring_entries: RING_ENTRIES,
            pool: PoolConfig { size_bytes_max: node.budget.pool_bytes_core() },
            store: store_config(config, &node.budget),
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
    let mut all: Option<CoreReady> = None;
    for _ in 0..config.cores {
        let ready = started.recv().map_err(|_| io::Error::other("a core ended while starting"))??;
        let so_far = all.map(|all| all.recovery).unwrap_or_default();
        all = Some(CoreReady { recovery: so_far.plus(ready.recovery), ..ready });
    }
    let ready = all.ok_or_else(|| io::Error::other("there is no core"))?;
    Ok((threads, mail, ready))
}

fn store_config(config: &Config, budget: &Budget) -> StoreConfig {
    StoreConfig {
        cache_bytes: budget.cache_bytes_core,
        segment_bytes: config.segment_bytes,
        open_files: OPEN_FILES_CORE,
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
fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}
