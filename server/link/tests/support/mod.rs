//! Servers on threads, and a client on a ring.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use link::{ErrorKind, Leave, Line, LinkError, Patience, Peers, Piece, PoolLimits, Room, Source, Tls, Watch};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use uring::{Driver, DriverConfig, PoolConfig, block_on_within};
use wire::http1::{HeadLimits, HeadWriter, Headers, Method};

const LIMIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Server {
    pub(crate) address: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// A thread for each connection.
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, serve) = (Arc::clone(&connections), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address, connections }
    }

    /// An address where nobody listens.
    pub(crate) fn refusing() -> String {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A head, byte by byte, so that nothing behind it is taken.
pub(crate) fn receive_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

pub(crate) fn length_of(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    line.map_or(0, |text| text.parse().unwrap())
}

pub(crate) fn respond(stream: &mut TcpStream, status: &str, header: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\n{header}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

/// A body in pieces of one length.
pub(crate) struct Pieces {
    bytes: Rc<[u8]>,
    piece_bytes: usize,
    pub(crate) fails_at: Option<usize>,
    /// Before each piece but the first.
    pub(crate) pause: Option<(Rc<Driver>, Duration)>,
    pub(crate) given: usize,
}

impl Pieces {
    pub(crate) fn new(bytes: &[u8], piece_bytes: usize) -> Self {
        Self { bytes: Rc::from(bytes), piece_bytes, fails_at: None, pause: None, given: 0 }
    }
}

impl Source for Pieces {
    type Bytes = Rc<[u8]>;

    async fn piece(&mut self, index: usize) -> Result<Option<Piece<Rc<[u8]>>>, LinkError> {
        if self.fails_at == Some(index) {
            return Err(LinkError::new(ErrorKind::Source, "as a test"));
        }
        if let Some((driver, pause)) = self.pause.as_ref().filter(|_| index > 0) {
            driver.sleep(*pause).await;
        }
        self.given = index;
        let from = index * self.piece_bytes;
        let to = self.bytes.len().min(from + self.piece_bytes);
        Ok((from < to).then(|| Piece { bytes: Rc::clone(&self.bytes), range: from..to }))
    }
}

/// The request that has come.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) bytes: u64,
    pub(crate) is_reusable: bool,
    pub(crate) leave: Leave,
}

pub(crate) struct Client {
    pub(crate) driver: Rc<Driver>,
    pub(crate) peers: Peers,
    pub(crate) watch: Watch,
    pub(crate) idle: Option<Duration>,
    pub(crate) total: Option<Duration>,
}

impl Client {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        let config = DriverConfig { entries: 64, pool: PoolConfig { size_bytes_max: 8 << 20 } };
        let driver = Rc::new(Driver::new(config).unwrap());
        let peers = Peers::new(Tls::default(), limits);
        Self { driver, peers, watch: Watch::default(), idle: None, total: None }
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        block_on_within(&self.driver, LIMIT, future).unwrap()
    }

    /// The same with a look at the time now and then.
    pub(crate) fn run_watched<T>(&self, future: impl Future<Output = T>) -> T {
        let watch = pin!(async {
            loop {
                self.driver.sleep(LOOK).await;
                self.watch.look(Instant::now(), None, &self.driver);
            }
        });
        let future = pin!(future);
        let both = futures_util::future::select(future, watch);
        match self.run(both) {
            futures_util::future::Either::Left((done, _)) => done,
            futures_util::future::Either::Right((never, _)) => never,
        }
    }

    /// A request without a body.
    pub(crate) async fn exchange(
        &self,
        address: &str,
        method: &str,
        path: &str,
        is_discarded: bool,
    ) -> Result<Got, LinkError> {
        let write = |head: &mut Vec<u8>, host: &str| HeadWriter::request(head, method, path, host).finish();
        self.go(address, method, &write, None, false, is_discarded).await
    }

    /// A PUT.
    pub(crate) async fn push(
        &self,
        address: &str,
        path: &str,
        source: &mut Pieces,
        length: usize,
        is_asked: bool,
    ) -> Result<Got, LinkError> {
        let write = |head: &mut Vec<u8>, host: &str| {
            let mut writer = HeadWriter::request(head, "PUT", path, host);
            if is_asked {
                writer.header("Expect", "100-continue");
            }
            writer.content_length(length as u64);
            writer.finish();
        };
        self.go(address, "PUT", &write, Some(source), is_asked, false).await
    }

    async fn go(
        &self,
        address: &str,
        method: &str,
        write: &dyn Fn(&mut Vec<u8>, &str),
        mut source: Option<&mut Pieces>,
        is_asked: bool,
        is_discarded: bool,
    ) -> Result<Got, LinkError> {
        let peer = self.peers.find(address)?;
        let slot = self.watch.slot();
        let mut room = Room::new(self.driver.pool().alloc(64 << 10).await);
        let mut conn = self.peers.take(peer).await?;
        slot.begin(Patience { until: self.total.map(|total| Instant::now() + total), idle: self.idle });
        let outcome = loop {
            room.head.clear();
            write(&mut room.head, &self.peers.authority(peer));
            let mut line = Line {
                driver: &self.driver,
                slot: &slot,
                conn: &mut conn,
                room: &mut room,
                limits: &HeadLimits::default(),
                method: Method::from_text(method),
                first_bytes_max: usize::MAX,
                on_head: &mut |_: u16, _: &Headers<'_>| {},
            };
            match once(&mut line, source.as_deref_mut(), is_asked, is_discarded).await {
                Ok(got) => break Ok(got),
                Err(e) => match self.peers.replace(conn, e, &slot) {
                    Ok(new) => conn = new,
                    Err(e) => return Err(e),
                },
            }
        };
        slot.end();
        if outcome.as_ref().is_ok_and(|got| got.is_reusable) {
            self.peers.keep(conn);
        }
        outcome
    }
}

async fn once(
    line: &mut Line<'_>,
    source: Option<&mut Pieces>,
    is_asked: bool,
    is_discarded: bool,
) -> Result<Got, LinkError> {
    let (mut answer, leave) = match source {
        None => (line.ask().await?, Leave::Given),
        Some(source) if is_asked => line.push_with_leave(source).await?,
        Some(source) => (line.push(source).await?, Leave::Given),
    };
    let (mut body, mut bytes) = (Vec::new(), 0);
    if is_discarded {
        bytes = line.discard(&mut answer).await?;
    }
    while let Some(piece) = line.next(&mut answer).await? {
        body.extend_from_slice(piece);
        bytes += piece.len() as u64;
    }
    Ok(Got { status: answer.status, body, bytes, is_reusable: answer.is_reusable(), leave })
}
