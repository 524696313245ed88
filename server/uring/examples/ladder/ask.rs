//! Small answers to small requests over loopback connections, without HTTP, look-ups or checks: what the kernel alone
//! takes of a GET of 4 KiB. The processor time is that of both ends.

use crate::disk::{Job, Random, Task, new_driver, run_all};
use crate::{Sample, Watch};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::thread::JoinHandle;
use uring::{Buf, Driver};

/// As long as the heads of a usual request and its answer.
const REQUEST_BYTES: usize = 128;
const HEAD_BYTES: usize = 384;

/// Where the answers come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Disk,
    Memory,
}

type Asker = JoinHandle<io::Result<()>>;

/// A thread that asks on as many connections as it can, each time for `block` bytes, until they are closed.
fn asker(count: usize, block: usize) -> io::Result<(Vec<Rc<OwnedFd>>, Asker)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..count {
        theirs.push(TcpStream::connect(listener.local_addr()?)?);
        ours.push(Rc::new(OwnedFd::from(listener.accept()?.0)));
    }
    Ok((ours, std::thread::spawn(move || ask(theirs, HEAD_BYTES + block))))
}

fn ask(sockets: Vec<TcpStream>, answer_bytes: usize) -> io::Result<()> {
    let driver = new_driver()?;
    let task = |socket: TcpStream| -> Task<'_, io::Result<()>> {
        let driver = &driver;
        Box::pin(async move {
            socket.set_nodelay(true)?;
            let socket = Rc::new(OwnedFd::from(socket));
            let (mut request, mut buf) = (vec![7; REQUEST_BYTES], driver.pool().alloc(answer_bytes).await);
            loop {
                let (sent, received);
                let send = driver.send(&socket, request, 0..REQUEST_BYTES, false);
                let recv = driver.recv(&socket, buf, 0..answer_bytes, true);
                (sent, request) = send.await;
                (received, buf) = recv.await;
                if sent.is_err() || received? < answer_bytes {
                    return Ok(());
                }
            }
        })
    };
    run_all(&driver, sockets.into_iter().map(task).collect())?.into_iter().collect()
}

impl Job<'_> {
    /// One task for each connection.
    pub(crate) fn answer_driver(&self, source: Source) -> io::Result<Sample> {
        let driver = new_driver()?;
        let (sockets, asker) = asker(self.depth, self.block)?;
        let watch = Watch::start(true);
        let tasks = sockets.iter().enumerate();
        let tasks = tasks.map(|(at, socket)| self.asked_task(&driver, socket, at as u64, source, &watch));
        let ops = run_all(&driver, tasks.collect())?.into_iter().sum::<io::Result<u64>>()?;
        let sample = watch.stop(ops);
        sockets.iter().for_each(|socket| uring::sock::shutdown(&**socket));
        asker.join().map_err(|_| io::Error::other("the asker panicked"))??;
        Ok(sample)
    }

    fn asked_task<'a>(
        &'a self,
        driver: &'a Driver,
        socket: &'a Rc<OwnedFd>,
        seed: u64,
        source: Source,
        watch: &'a Watch,
    ) -> Task<'a, io::Result<u64>> {
        Box::pin(async move {
            let (mut random, mut ops) = (Random::new(seed), 0);
            let (mut request, mut head) = (Vec::new(), vec![7; HEAD_BYTES]);
            while !watch.is_over(self.span) {
                let received;
                request.clear();
                (received, request) = driver.recv_append(socket, request, 4096).await;
                if received? != REQUEST_BYTES {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let buf = self.bytes(driver, source, &mut random).await?;
                let sent;
                (sent, head, _) = driver.send_pair(socket, head, buf.freeze(), 0..self.block).await;
                if sent? != HEAD_BYTES + self.block {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                ops += 1;
            }
            Ok(ops)
        })
    }

    async fn bytes(&self, driver: &Driver, source: Source, random: &mut Random) -> io::Result<Buf> {
        let buf = driver.pool().alloc(self.block).await;
        if source == Source::Memory {
            return Ok(buf);
        }
        let (read, buf) = driver.read_at(self.file.fd(), buf, self.block, self.offset(random)).await;
        self.full(read?)?;
        Ok(buf)
    }
}
