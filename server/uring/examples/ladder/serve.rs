//! From a file to loopback connections, as the answer to a large GET goes: read, checked or not, sent. The other end has
//! the kernel drop what comes, on a thread of its own whose processor time is taken off.

use crate::disk::{Job, Random, Task, new_driver, run_all};
use crate::{Sample, Watch};
use crc_fast::CrcAlgorithm::Crc32Iscsi;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::thread::JoinHandle;
use uring::{Chunk, Driver};

/// Bytes that have a checksum of their own.
const CHECKED_BYTES: usize = 64 << 10;
const DROP_BYTES: u32 = 1 << 20;

/// The work that is done for each answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Read,
    ReadAndCheck,
    /// From a buffer that the pool has at hand, perhaps still in the processor's caches: the least that sending can cost.
    Send,
}

/// The other ends; gives the processor time that they took.
struct Drain(JoinHandle<io::Result<f64>>);

impl Drain {
    fn connect(count: usize) -> io::Result<(Vec<TcpStream>, Self)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..count {
            ours.push(TcpStream::connect(listener.local_addr()?)?);
            theirs.push(listener.accept()?.0);
        }
        Ok((ours, Self(std::thread::spawn(|| drain(theirs)))))
    }

    /// Takes its time off a sample; the connections must have been closed.
    fn taken_off(self, sample: Sample) -> io::Result<Sample> {
        let cpu_s = self.0.join().map_err(|_| io::Error::other("the drain panicked"))??;
        Ok(Sample { cpu_s: sample.cpu_s - cpu_s, ..sample })
    }
}

fn drain(sockets: Vec<TcpStream>) -> io::Result<f64> {
    let watch = Watch::start(false);
    let driver = new_driver()?;
    let sockets: Vec<_> = sockets.into_iter().map(|socket| Rc::new(OwnedFd::from(socket))).collect();
    let task = |socket| -> Task<'_, io::Result<()>> {
        let driver = &driver;
        Box::pin(async move {
            while driver.recv_discard(socket, DROP_BYTES).await? > 0 {}
            Ok(())
        })
    };
    run_all(&driver, sockets.iter().map(task).collect())?.into_iter().collect::<io::Result<()>>()?;
    Ok(watch.stop(0).cpu_s)
}

impl Job<'_> {
    /// One thread for each answer under way.
    pub(crate) fn serve_blocking(&self) -> io::Result<Sample> {
        let (sockets, drain) = Drain::connect(self.depth)?;
        let (fd, block, span) = (self.file.fd().as_fd(), self.block, self.span);
        let blocks = self.file.size_bytes() / block as u64;
        let watch = Watch::start(true);
        let ops = std::thread::scope(|scope| {
            let answer = |(at, mut socket): (usize, TcpStream)| {
                let watch = &watch;
                scope.spawn(move || -> io::Result<u64> {
                    let mut memory = vec![0u8; block + 4096];
                    let start = memory.as_ptr().align_offset(4096);
                    let bytes = &mut memory[start..start + block];
                    let (mut random, mut ops) = (Random::new(at as u64), 0);
                    while !watch.is_over(span) {
                        let at = random.next() % blocks * block as u64;
                        if rustix::io::pread(fd, &mut *bytes, at)? != block {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        socket.write_all(bytes)?;
                        ops += 1;
                    }
                    Ok(ops)
                })
            };
            let threads: Vec<_> = sockets.into_iter().enumerate().map(answer).collect();
            let joined = threads.into_iter().map(|t| t.join().map_err(|_| io::Error::other("panicked"))?);
            joined.sum::<io::Result<u64>>()
        })?;
        drain.taken_off(watch.stop(ops))
    }

    /// One task for each answer under way.
    pub(crate) fn serve_driver(&self, work: Work) -> io::Result<Sample> {
        let driver = new_driver()?;
        drop(driver.pool().try_alloc(self.block));
        let (sockets, drain) = Drain::connect(self.depth)?;
        let sockets: Vec<_> = sockets.into_iter().map(|socket| Rc::new(OwnedFd::from(socket))).collect();
        let watch = Watch::start(true);
        let tasks = sockets.iter().enumerate();
        let tasks = tasks.map(|(at, socket)| self.answering_task(&driver, socket, at as u64, work, &watch));
        let ops = run_all(&driver, tasks.collect())?.into_iter().sum::<io::Result<u64>>()?;
        let sample = watch.stop(ops);
        sockets.iter().for_each(|socket| uring::sock::shutdown(&**socket));
        drain.taken_off(sample)
    }

    fn answering_task<'a>(
        &'a self,
        driver: &'a Driver,
        socket: &'a Rc<OwnedFd>,
        seed: u64,
        work: Work,
        watch: &'a Watch,
    ) -> Task<'a, io::Result<u64>> {
        Box::pin(async move {
            let (mut random, mut ops) = (Random::new(seed), 0);
            while !watch.is_over(self.span) {
                let mut buf = driver.pool().alloc(self.block).await;
                if work != Work::Send {
                    let at = self.offset(&mut random);
                    let (read, back) = driver.read_at(self.file.fd(), buf, self.block, at).await;
                    self.full(read?)?;
                    buf = back;
                }
                if work == Work::ReadAndCheck {
                    for block in buf.chunks(CHECKED_BYTES) {
                        std::hint::black_box(crc_fast::checksum(Crc32Iscsi, block));
                    }
                }
                send(driver, socket, buf.freeze(), self.block).await?;
                ops += 1;
            }
            Ok(ops)
        })
    }
}

async fn send(driver: &Driver, socket: &Rc<OwnedFd>, chunk: Chunk, len: usize) -> io::Result<()> {
    let (mut chunk, mut sent) = (chunk, 0);
    while sent < len {
        let count;
        (count, chunk) = driver.send(socket, chunk, sent..len, false).await;
        sent += count?;
    }
    Ok(())
}
