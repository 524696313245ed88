//! The server as the one who starts it sees it.

use super::connection::{Core, converse};
use super::spec::{Served, Spec};
use crate::shard::{CoreHandle, Shard, allowed_cpus, start};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uring::sock::{listen_tcp, local_address};

/// Registered memory of a core; connections beyond it wait.
const POOL_BYTES: usize = 256 << 20;
/// After a failure to accept, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(10);

/// A running server. It serves until the process ends.
pub struct Responder {
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Served>>>,
    handles: Vec<CoreHandle<io::Result<()>>>,
}

impl Responder {
    /// Starts serving.
    ///
    /// # Errors
    /// When it cannot listen, or a core cannot be started.
    pub fn start(spec: &Spec) -> io::Result<Self> {
        let cpus = allowed_cpus()?;
        let cores = spec.cores.clamp(1, cpus.len().max(1));
        let log = Arc::new(Mutex::default());
        let (mut address, mut handles) = (spec.address, Vec::new());
        let begin = Instant::now();
        // The last ones: loaders take the first ones first.
        for cpu in cpus.iter().rev().take(cores) {
            let listener = listen_tcp(address, true)?;
            address = local_address(&listener)?;
            let (spec, log) = (spec.clone(), Arc::clone(&log));
            handles.push(start(*cpu, POOL_BYTES, move |shard| accept(shard, spec, begin, listener, log))?);
        }
        Ok(Self { address, log, handles })
    }

    /// The requests that were served so far, if the server notes them.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end, which only an error brings.
    ///
    /// # Errors
    /// That error.
    pub fn wait(self) -> io::Result<()> {
        self.handles.into_iter().try_for_each(|handle| handle.join()?)
    }
}

async fn accept(
    shard: Shard,
    spec: Spec,
    begin: Instant,
    listener: OwnedFd,
    log: Arc<Mutex<Vec<Served>>>,
) -> io::Result<()> {
    let mut connections = shard.driver().accept_multi(Rc::new(listener));
    let core = Rc::new(Core::new(shard, &spec, begin, log));
    loop {
        match connections.next().await {
            Ok(socket) => core.shard.spawn(converse(Rc::clone(&core), Rc::new(socket))).detach(),
            Err(_) => core.shard.driver().sleep(ACCEPT_REST).await,
        }
    }
}
