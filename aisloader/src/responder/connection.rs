//! One connection: requests in, answers from memory out.

use super::delay::{Delay, Stall};
use super::spec::{Served, Spec};
use crate::shard::Shard;
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uring::Buf;
use wire::http1::{Framing, HeadLimits, HeadWriter, Method, parse_request};

/// A request's head must fit; bodies pass through.
const RECEIVE_BYTES: usize = 16 << 10;

/// State that the connections of a core share.
pub(super) struct Core {
    pub(super) shard: Shard,
    delay: Delay,
    stall: Option<Stall>,
    begin: Instant,
    count: Cell<u64>,
    log: Option<Arc<Mutex<Vec<Served>>>>,
    limits: HeadLimits,
    /// Whole answers, heads included.
    object: Rc<[u8]>,
    object_head: Rc<[u8]>,
    page: Rc<[u8]>,
    done: Rc<[u8]>,
    unknown: Rc<[u8]>,
    go_on: Rc<[u8]>,
}

impl Core {
    pub(super) fn new(shard: Shard, spec: &Spec, begin: Instant, log: Arc<Mutex<Vec<Served>>>) -> Self {
        let body: Vec<u8> =
            (0..spec.object_bytes as u64).map(|at| (placement::mix(at) & 255) as u8).collect();
        let object = answer(200, &body);
        let head_bytes = object.len().saturating_sub(body.len());
        Self {
            shard,
            delay: spec.delay,
            stall: spec.stall,
            begin,
            count: Cell::new(0),
            log: spec.is_logged.then_some(log),
            limits: HeadLimits::default(),
            object_head: object.get(..head_bytes).unwrap_or_default().into(),
            object,
            page: answer(200, &page(spec)),
            done: answer(200, b""),
            unknown: answer(404, b"the responder knows objects, buckets and listings only"),
            go_on: Rc::from(b"HTTP/1.1 100 Continue\r\n\r\n".as_slice()),
        }
    }

    /// Takes the time that an object takes.
    async fn serve(&self) {
        let number = self.count.replace(self.count.get().wrapping_add(1));
        let now = Instant::now();
        let stalled = self.stall.map_or(Duration::ZERO, |stall| stall.wait(now.duration_since(self.begin)));
        let wait = stalled.saturating_add(self.delay.draw(number));
        if !wait.is_zero() {
            self.shard.driver().sleep(wait).await;
        }
        if let Some(log) = &self.log {
            let served = Served { received: now, answered: Instant::now() };
            log.lock().unwrap_or_else(PoisonError::into_inner).push(served);
        }
    }

    fn answer_to(&self, method: Method, path: &str) -> Rc<[u8]> {
        let is_object = path.starts_with("/v1/objects/");
        let chosen = match method {
            Method::Get if is_object => &self.object,
            Method::Head if is_object => &self.object_head,
            Method::Get if path.starts_with("/v1/buckets/") => &self.page,
            _ if is_object || path.starts_with("/v1/buckets/") => &self.done,
            _ => &self.unknown,
        };
        Rc::clone(chosen)
    }
}

fn answer(status: u16, body: &[u8]) -> Rc<[u8]> {
    let mut out = Vec::new();
    let mut writer = HeadWriter::response(&mut out, status);
    writer.content_length(body.len() as u64);
    writer.finish();
    out.extend_from_slice(body);
    out.into()
}

fn page(spec: &Spec) -> Vec<u8> {
    let entry = |n| serde_json::json!({"name": format!("o{n:08x}"), "size": spec.object_bytes.to_string()});
    let entries: Vec<serde_json::Value> = (0..spec.objects).map(entry).collect();
    serde_json::json!({"uuid": "responder", "continuation_token": "", "entries": entries, "flags": 0})
        .to_string()
        .into_bytes()
}

/// A request of which the head has been read.
struct Request {
    answer: Rc<[u8]>,
    is_object: bool,
    is_asking: bool,
    keep_alive: bool,
    /// Bytes of head and body.
    whole_bytes: u64,
}

/// Serves one connection until it ends.
pub(super) async fn converse(core: Rc<Core>, socket: Rc<OwnedFd>) {
    let buf = core.shard.driver().pool().alloc(RECEIVE_BYTES).await;
    let mut line = Line { core, socket, buf: Some(buf), filled: 0 };
    // A client that breaks off, or does not speak HTTP, is not the responder's concern.
    while let Ok(true) = line.exchange().await {}
}

struct Line {
    core: Rc<Core>,
    socket: Rc<OwnedFd>,
    /// Absent only while the ring has it.
    buf: Option<Buf>,
    /// Bytes received and not yet used.
    filled: usize,
}

impl Line {
    /// One request and its answer; false at the end of the connection.
    async fn exchange(&mut self) -> io::Result<bool> {
        let request = loop {
            if let Some(request) = self.parse()? {
                break request;
            }
            if self.recv(self.filled..RECEIVE_BYTES).await? == 0 {
                return Ok(false);
            }
        };
        if request.is_asking {
            self.send(Rc::clone(&self.core.go_on)).await?;
        }
        if !self.skip(request.whole_bytes).await? {
            return Ok(false);
        }
        if request.is_object {
            Rc::clone(&self.core).serve().await;
        }
        if self.filled > 0 || !request.keep_alive {
            self.send(request.answer).await?;
            return Ok(request.keep_alive);
        }
        self.send_and_recv(request.answer).await
    }

    fn parse(&self) -> io::Result<Option<Request>> {
        let bytes = self.buf.as_deref().and_then(|buf| buf.get(..self.filled)).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(None);
        }
        let head = parse_request(bytes, &self.core.limits).map_err(|e| io::Error::other(e.what))?;
        let Some(head) = head else { return Ok(None) };
        let body_bytes = match head.framing {
            Framing::Length(bytes) => bytes,
            Framing::Empty => 0,
            Framing::Chunked | Framing::UntilClose => {
                return Err(io::Error::other("a body without a length"));
            }
        };
        Ok(Some(Request {
            answer: self.core.answer_to(head.method, head.path()),
            is_object: head.path().starts_with("/v1/objects/"),
            is_asking: head.expect_continue,
            keep_alive: head.keep_alive,
            whole_bytes: body_bytes.saturating_add(head.head_bytes as u64),
        }))
    }

    /// Lets so many bytes pass; bytes received beyond them move to the front. False: the peer has ended.
    async fn skip(&mut self, bytes: u64) -> io::Result<bool> {
        let mut left = bytes;
        while left > self.filled as u64 {
            left = left.saturating_sub(self.filled as u64);
            self.filled = 0;
            if self.recv(0..RECEIVE_BYTES).await? == 0 {
                return Ok(false);
            }
        }
        let used = usize::try_from(left).unwrap_or(usize::MAX);
        if let Some(buf) = &mut self.buf {
            buf.copy_within(used..self.filled, 0);
        }
        self.filled = self.filled.saturating_sub(used);
        Ok(true)
    }

    async fn recv(&mut self, range: Range<usize>) -> io::Result<usize> {
        if range.is_empty() {
            return Err(io::Error::other("the request's head does not fit"));
        }
        let buf = self.buf.take().ok_or_else(|| io::Error::other("the buffer is in use"))?;
        let (got, buf) = self.core.shard.driver().recv(&self.socket, buf, range, false).await;
        self.buf = Some(buf);
        let got = got?;
        self.filled = self.filled.saturating_add(got);
        Ok(got)
    }

    async fn send(&self, bytes: Rc<[u8]>) -> io::Result<()> {
        self.send_from(bytes, 0).await
    }

    async fn send_from(&self, bytes: Rc<[u8]>, from: usize) -> io::Result<()> {
        let mut left = from..bytes.len();
        while !left.is_empty() {
            let bytes = Rc::clone(&bytes);
            let (sent, _) = self.core.shard.driver().send(&self.socket, bytes, left.clone(), false).await;
            left.start = left.start.saturating_add(sent?);
        }
        Ok(())
    }

    /// Sends, and receives what comes next: the ring is entered once for both.
    async fn send_and_recv(&mut self, bytes: Rc<[u8]>) -> io::Result<bool> {
        let buf = self.buf.take().ok_or_else(|| io::Error::other("the buffer is in use"))?;
        let driver = self.core.shard.driver().clone();
        let whole = bytes.len();
        let send = driver.send(&self.socket, Rc::clone(&bytes), 0..whole, false);
        let recv = driver.recv(&self.socket, buf, 0..RECEIVE_BYTES, false);
        let (sent, _) = send.await;
        let sent = match sent {
            Ok(sent) if sent < whole => self.send_from(bytes, sent).await,
            Ok(_) => Ok(()),
            Err(e) => Err(e),
        };
        if sent.is_err() {
            // The receive, which holds our buffer, ends too.
            uring::sock::shutdown(&self.socket);
        }
        let (got, buf) = recv.await;
        self.buf = Some(buf);
        sent?;
        self.filled = got?;
        Ok(self.filled > 0)
    }
}
