//! Random direct reads of one file.

use crate::{Sample, Watch};
use io_uring::{IoUring, opcode, types};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use uring::{DirectFile, Driver, DriverConfig, OpenMode, PoolConfig, block_on};

const PIECE: usize = 1 << 20;
const HUGE: usize = 2 << 20;
const NAME: &str = "data";

/// A file full of data that does not compress away, gone with this value.
pub(crate) struct TestFile {
    file: DirectFile,
    size_bytes: u64,
    _dir: tempfile::TempDir,
}

impl TestFile {
    pub(crate) fn make(dir: &Path, size_bytes: u64) -> io::Result<Self> {
        let dir = tempfile::tempdir_in(dir)?;
        let root = uring::sys::open_dir(dir.path())?;
        let file = DirectFile::open(root.as_fd(), NAME, OpenMode::CreateNew)?;
        let driver = new_driver()?;
        let mut random = Random(7);
        for at in (0..size_bytes).step_by(PIECE) {
            let mut buf = driver.pool().try_alloc(PIECE).ok_or(io::ErrorKind::OutOfMemory)?;
            buf.as_chunks_mut().0.iter_mut().for_each(|word| *word = random.next().to_ne_bytes());
            let (written, _) = block_on(&driver, driver.write_at(file.fd(), buf, PIECE, at))?;
            if written? != PIECE {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        block_on(&driver, driver.fsync(file.fd(), false))??;
        Ok(Self { file, size_bytes, _dir: dir })
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(crate) fn fd(&self) -> &Rc<OwnedFd> {
        self.file.fd()
    }
}

pub(crate) fn new_driver() -> io::Result<Driver> {
    Driver::new(DriverConfig { entries: 128, pool: PoolConfig { size_bytes_max: 32 << 20 } })
}

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed * 7919 + 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// The work that each rung does in its own way.
pub(crate) struct Job<'a> {
    pub(crate) file: &'a TestFile,
    pub(crate) block: usize,
    pub(crate) depth: usize,
    pub(crate) span: Duration,
}

impl Job<'_> {
    pub(crate) fn offset(&self, random: &mut Random) -> u64 {
        random.next() % (self.file.size_bytes / self.block as u64) * self.block as u64
    }

    pub(crate) fn full(&self, read: usize) -> io::Result<()> {
        if read == self.block { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// One thread for each read in flight.
    pub(crate) fn blocking_threads(&self) -> io::Result<Sample> {
        let (fd, ops) = (self.file.fd().as_fd(), AtomicU64::new(0));
        let (size_bytes, block, span) = (self.file.size_bytes, self.block, self.span);
        let watch = Watch::start(true);
        std::thread::scope(|scope| {
            let (ops, watch) = (&ops, &watch);
            let read = move |seed: u64| -> io::Result<()> {
                let mut memory = vec![0u8; block + 4096];
                let start = memory.as_ptr().align_offset(4096);
                let mut random = Random::new(seed);
                while !watch.is_over(span) {
                    let at = random.next() % (size_bytes / block as u64) * block as u64;
                    if rustix::io::pread(fd, &mut memory[start..start + block], at)? != block {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    ops.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            };
            let threads: Vec<_> = (0..self.depth as u64).map(|i| scope.spawn(move || read(i))).collect();
            threads.into_iter().try_for_each(|t| t.join().map_err(|_| io::Error::other("panicked"))?)
        })?;
        Ok(watch.stop(ops.into_inner()))
    }

    /// Registered memory, completions handled in batches, nothing else.
    pub(crate) fn bare_ring(&self) -> io::Result<Sample> {
        // As the driver's pool: large pages where the system gives some.
        let mut memory: Vec<u8> = Vec::with_capacity(self.depth * self.block + 2 * HUGE);
        let skip = memory.as_ptr().align_offset(HUGE);
        let base = memory.spare_capacity_mut()[skip..].as_mut_ptr().cast::<u8>();
        // SAFETY: advice for memory of our own changes no contents.
        unsafe {
            libc::madvise(base.cast(), (self.depth * self.block).next_multiple_of(HUGE), libc::MADV_HUGEPAGE)
        };
        let mut ring: IoUring =
            IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag().build(128)?;
        let iovec = libc::iovec { iov_base: base.cast(), iov_len: self.depth * self.block };
        // SAFETY: `memory` outlives the ring's use of it: everything in flight is awaited below.
        unsafe { ring.submitter().register_buffers(&[iovec]) }?;
        let fd = types::Fd(self.file.fd().as_raw_fd());
        let mut random = Random::new(3);
        let mut read = |slot: usize| {
            // SAFETY: slots are apart and lie inside of `memory`.
            let at = unsafe { base.add(slot * self.block) };
            let entry = opcode::ReadFixed::new(fd, at, self.block as u32, 0);
            entry.offset(self.offset(&mut random)).build().user_data(slot as u64)
        };
        let watch = Watch::start(true);
        let (mut ops, mut in_flight, mut again) = (0, 0, (0..self.depth).collect::<Vec<_>>());
        while in_flight > 0 || !again.is_empty() {
            for slot in again.drain(..) {
                // SAFETY: as above; the queue has more entries than there are slots.
                unsafe { ring.submission().push(&read(slot)) }.map_err(io::Error::other)?;
                in_flight += 1;
            }
            ring.submit_and_wait(1)?;
            let over = watch.is_over(self.span);
            for entry in ring.completion() {
                self.full(entry.result().max(0) as usize)?;
                ops += 1;
                in_flight -= 1;
                if !over {
                    again.push(entry.user_data() as usize);
                }
            }
        }
        Ok(watch.stop(ops))
    }

    /// As many tasks as reads in flight.
    pub(crate) fn driver(&self) -> io::Result<Sample> {
        let driver = new_driver()?;
        // Maps and registers the memory, as the bare ring does before its time starts.
        drop(driver.pool().try_alloc(self.block));
        let watch = Watch::start(true);
        let tasks = (0..self.depth as u64).map(|i| self.reading_task(&driver, i, &watch));
        let ops = run_all(&driver, tasks.collect())?.into_iter().sum::<io::Result<u64>>()?;
        Ok(watch.stop(ops))
    }

    fn reading_task<'a>(
        &'a self,
        driver: &'a Driver,
        seed: u64,
        watch: &'a Watch,
    ) -> Task<'a, io::Result<u64>> {
        Box::pin(async move {
            let (mut random, mut ops) = (Random::new(seed), 0);
            let mut buf = driver.pool().alloc(self.block).await;
            while !watch.is_over(self.span) {
                let n;
                (n, buf) = driver.read_at(self.file.fd(), buf, self.block, self.offset(&mut random)).await;
                self.full(n?)?;
                ops += 1;
            }
            Ok(ops)
        })
    }
}

pub(crate) type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs tasks to their ends, each polled only when it was woken.
pub(crate) fn run_all<T>(driver: &Driver, tasks: Vec<Task<'_, T>>) -> io::Result<Vec<T>> {
    let mut running: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let flag = Arc::new(Flag(AtomicBool::new(true)));
            (task, Waker::from(Arc::clone(&flag)), flag)
        })
        .collect();
    let mut outputs = Vec::with_capacity(running.len());
    loop {
        running.retain_mut(|(task, waker, flag)| {
            if !flag.0.swap(false, Ordering::Relaxed) {
                return true;
            }
            match task.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Pending => true,
                Poll::Ready(output) => {
                    outputs.push(output);
                    false
                }
            }
        });
        if running.is_empty() {
            return Ok(outputs);
        }
        driver.turn_waiting(Duration::from_secs(1))?;
    }
}
