//! A server that does nothing: what the loader gets from it is the most that the loader can take.

use super::{Failure, Result};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

const NAMES: usize = 1000;
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The server; it ends when this is dropped.
pub(super) struct Noop {
    pub(super) port: u16,
    is_ended: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Noop {
    /// Answers every GET of an object with so many bytes, on a port of its own.
    pub(super) fn start(object_bytes: usize) -> Result<Self> {
        let failed = |e: std::io::Error| Failure(format!("the server that does nothing: {e}"));
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let is_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_ended);
        let answers = Arc::new(Answers::new(object_bytes));
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let answers = Arc::clone(&answers);
                // Ends when the loader closes the connection.
                std::thread::spawn(move || answers.serve(&stream));
            }
        });
        Ok(Self { port, is_ended, acceptor: Some(acceptor) })
    }
}

impl Drop for Noop {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Relaxed);
        // Wakes the acceptor.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}

/// Whole answers, made beforehand.
struct Answers {
    object: Vec<u8>,
    page: Vec<u8>,
    empty: Vec<u8>,
}

impl Answers {
    fn new(object_bytes: usize) -> Self {
        let names: Vec<String> = (0..NAMES).map(|at| format!("{{\"name\":\"o{at}\"}}")).collect();
        let page =
            format!("{{\"uuid\":\"u\",\"continuation_token\":\"\",\"entries\":[{}]}}", names.join(","));
        let answer = |body: &[u8]| {
            let mut all = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            all.extend_from_slice(body);
            all
        };
        Self { object: answer(&vec![0u8; object_bytes]), page: answer(page.as_bytes()), empty: answer(b"") }
    }

    /// Serves a connection until it ends.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut input = Vec::new();
        let mut bytes = [0u8; 4096];
        loop {
            let (kind, length) = loop {
                if let Some(found) = parse(&input) {
                    break found;
                }
                if input.len() > HEAD_BYTES_MAX {
                    return None;
                }
                let got = stream.read(&mut bytes).ok().filter(|got| *got > 0)?;
                input.extend_from_slice(bytes.get(..got)?);
            };
            input.drain(..length);
            let answer = match kind {
                Ask::Object => &self.object,
                Ask::Page => &self.page,
                Ask::Other => &self.empty,
            };
            stream.write_all(answer).ok()?;
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Object,
    Page,
    Other,
}

/// A whole request at the begin, and its length with the body; `None` while it is incomplete.
fn parse(input: &[u8]) -> Option<(Ask, usize)> {
    let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n")?.saturating_add(4);
    let head = String::from_utf8_lossy(input.get(..end)?);
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    };
    let length = end.saturating_add(head.lines().find_map(field).unwrap_or(0));
    let ask = match head.split(['?', ' ']).nth(1) {
        Some(path) if path.starts_with("/v1/objects/") => Ask::Object,
        Some(path) if path.starts_with("/v1/buckets/") && head.starts_with("GET ") => Ask::Page,
        _ => Ask::Other,
    };
    (input.len() >= length).then_some((ask, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        assert_eq!(
            parse(b"GET /v1/objects/b/o?provider=ais HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().0,
            Ask::Object
        );
        let list = b"GET /v1/buckets/b?x HTTP/1.1\r\ncontent-LENGTH: 2\r\n\r\n{}";
        assert_eq!(parse(list), Some((Ask::Page, list.len())));
        assert_eq!(parse(&list[..list.len() - 1]), None, "the body is still to come");
        assert_eq!(parse(b"HEAD /v1/buckets/b HTTP/1.1\r\n\r\n").unwrap().0, Ask::Other);
        assert_eq!(parse(b"GET /v1"), None);
    }

    #[test]
    fn the_client_lists_and_finds_what_it_needs() {
        let noop = Noop::start(10).unwrap();
        let authority = format!("127.0.0.1:{}", noop.port);
        let mut client = crate::client::Client::new(&authority, None);
        let bucket = crate::names::BucketName::parse("ais://b", "ais").unwrap();
        assert!(client.bucket_exists(&bucket).unwrap());
        assert_eq!(client.list_names(&bucket, "").unwrap().len(), NAMES as u64);
    }
}
