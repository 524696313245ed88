//! A mountpath as one core uses it: what may wait for the disk is done by the mountpath's helper threads.
//!
//! Threads that look and threads that change are two groups: where only changes have to wait, reads go on.

use super::mountpath::Mountpath;
use crate::error::{Error, Result};
use futures_util::future::{Either, select};
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use uring::{DirectFile, Driver, Offload, OpenMode, Opened, sys};

/// A question about a disk is kept waiting for it so long at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// One core's way to a mountpath. Clones are the same.
#[derive(Clone)]
pub(crate) struct Disk {
    mountpath: Arc<Mountpath>,
    lookers: Offload,
    changers: Offload,
}

impl Disk {
    pub(crate) fn new(mountpath: &Arc<Mountpath>, driver: &Driver) -> io::Result<Self> {
        let lookers = Offload::new(mountpath.lookers(), driver)?;
        let changers = Offload::new(mountpath.changers(), driver)?;
        Ok(Self { mountpath: Arc::clone(mountpath), lookers, changers })
    }

    pub(crate) fn mountpath(&self) -> &Arc<Mountpath> {
        &self.mountpath
    }

    /// Its helper threads that change something.
    pub(crate) fn changers(&self) -> &Offload {
        &self.changers
    }

    /// Bytes that may be written before the file system is full.
    pub(crate) async fn available_bytes(&self) -> Result<u64> {
        let look = |mountpath: &Arc<Mountpath>| {
            mountpath.available_bytes().map_err(|e| mountpath.failed("look for room", &e))
        };
        self.look(look).await
    }

    /// The file system as it is now.
    pub(crate) async fn space_now(&self) -> Result<sys::FileSystem> {
        let look =
            |mountpath: &Arc<Mountpath>| mountpath.space().map_err(|e| mountpath.failed("look for room", &e));
        self.look(look).await
    }

    /// The bytes as of now, or as they were when the disk last answered.
    pub(crate) async fn space(&self, driver: &Driver) -> Result<u64> {
        let timeout = driver.sleep(PATIENCE);
        match select(pin!(self.available_bytes()), timeout).await {
            Either::Left((available, _)) => available,
            Either::Right(_) => Ok(self.mountpath.last_available_bytes()),
        }
    }

    /// Has a file made, and this much of it allocated. It goes again unless it is kept.
    pub(super) async fn make_file(&self, path: String, blocks: Option<u64>) -> Result<(DirectFile, Doomed)> {
        let make = move |mountpath: &Arc<Mountpath>| {
            let file = uring::fault::step("work-create")
                .and_then(|()| Opened::open(mountpath.dir(), &path, OpenMode::CreateNew))
                .map_err(|e| mountpath.failed("create a work file", &e))?;
            let doomed = Doomed::new(mountpath, path);
            if let Some(size_bytes) = blocks {
                let allocated = uring::fault::step("work-allocate")
                    .and_then(|()| sys::allocate(file.as_fd(), size_bytes));
                allocated.map_err(|e| mountpath.failed("allocate", &e))?;
            }
            Ok((file, doomed))
        };
        let (file, doomed) = self.change(make).await?;
        Ok((file.into(), doomed))
    }

    /// Hands over work that changes nothing on the disk, at once; the future is its outcome.
    pub(crate) fn look<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Arc<Mountpath>) -> Result<T> + Send + 'static,
    {
        self.run(&self.lookers, work)
    }

    /// The same for work that changes something.
    pub(crate) fn change<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Arc<Mountpath>) -> Result<T> + Send + 'static,
    {
        self.run(&self.changers, work)
    }

    fn run<T, W>(&self, offload: &Offload, work: W) -> impl Future<Output = Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Arc<Mountpath>) -> Result<T> + Send + 'static,
    {
        let mountpath = Arc::clone(&self.mountpath);
        let outcome = offload.run(move || Ok(work(&mountpath)));
        async move { outcome.await.map_err(|e| Error::internal(e.to_string()))? }
    }
}

/// A file that goes again unless it is kept: it is removed by a helper, whoever drops it.
#[derive(Debug)]
pub(crate) struct Doomed {
    mountpath: Arc<Mountpath>,
    /// Beneath the mountpath; empty when it is kept.
    path: String,
}

impl Doomed {
    pub(crate) fn new(mountpath: &Arc<Mountpath>, path: String) -> Self {
        Self { mountpath: Arc::clone(mountpath), path }
    }

    /// It stays; returns its path.
    pub(crate) fn keep(mut self) -> String {
        std::mem::take(&mut self.path)
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        if !path.is_empty() {
            self.mountpath.remove_later([path]);
        }
    }
}
