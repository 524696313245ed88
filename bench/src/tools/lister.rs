//! A client that lists a bucket and counts the names: one connection, pages as MessagePack.

use super::msgpack;
use crate::child::check_interrupted;
use crate::error::Result;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use wire::http1::{Framing, HeadLimits, Method, parse_response};

const TIMEOUT: Duration = Duration::from_secs(120);
const CHUNK: usize = 256 << 10;

/// The cost of a listing from one end to the other.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) names: u64,
    pub(crate) seconds: f64,
    /// Seconds of each page, in order.
    pub(crate) pages: Vec<f64>,
}

/// A page that has come.
pub(crate) struct Listed {
    pub(crate) names: u64,
    /// Where the next one begins; empty at the end.
    pub(crate) token: String,
    /// From the request to the last byte; without the counting.
    pub(crate) seconds: f64,
}

/// A connection to the node.
pub(crate) struct Lister {
    stream: TcpStream,
    target: String,
    answer: Vec<u8>,
    chunk: Vec<u8>,
}

impl Lister {
    /// Connects.
    pub(crate) fn connect(port: u16, bucket: &str) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let connect = || {
            let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_nodelay(true)?;
            std::io::Result::Ok(stream)
        };
        let stream = connect().map_err(|e| format!("{address}: {e}"))?;
        let target = format!("/v1/buckets/{bucket}?provider=ais");
        Ok(Self { stream, target, answer: Vec::new(), chunk: vec![0; CHUNK] })
    }

    /// All pages, with these properties of the objects.
    pub(crate) fn all(&mut self, props: &str, page_names: u64) -> Result<Walk> {
        let (mut walk, mut token, start) = (Walk::default(), String::new(), Instant::now());
        loop {
            check_interrupted()?;
            let page = self.page(props, page_names, &token)?;
            walk.names += page.names;
            walk.pages.push(page.seconds);
            if page.token.is_empty() {
                walk.seconds = start.elapsed().as_secs_f64();
                return Ok(walk);
            }
            token = page.token;
        }
    }

    /// The page after `token`.
    pub(crate) fn page(&mut self, props: &str, names: u64, token: &str) -> Result<Listed> {
        self.see_page(props, names, token, |_| ())
    }

    fn see_page(&mut self, props: &str, names: u64, token: &str, see: impl FnMut(&str)) -> Result<Listed> {
        let value = json!({"props": props, "pagesize": names, "continuation_token": token});
        let body = json!({"action": "list", "value": value}).to_string();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/msgpack\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.target,
            body.len()
        );
        let start = Instant::now();
        self.stream.write_all(request.as_bytes()).map_err(|e| format!("list: {e}"))?;
        let body = self.receive()?;
        let seconds = start.elapsed().as_secs_f64();
        let page = msgpack::page(self.answer.get(body..).unwrap_or_default());
        let page = page.map_err(|e| format!("list: {e}"))?;
        let names = page.names().len() as u64;
        page.names().for_each(see);
        Ok(Listed { names, token: page.token.to_owned(), seconds })
    }

    /// Reads an answer to its end; gives where its body begins.
    fn receive(&mut self) -> Result<usize> {
        self.answer.clear();
        let mut body = None;
        loop {
            if body.is_none() {
                body = self.head()?;
            }
            if let Some((begin, end)) = body
                && self.answer.len() >= end
            {
                return Ok(begin);
            }
            let got = self.stream.read(&mut self.chunk).map_err(|e| format!("list: {e}"))?;
            if got == 0 {
                return Err("list: the answer is cut off".to_owned());
            }
            self.answer.extend_from_slice(self.chunk.get(..got).unwrap_or_default());
        }
    }

    /// Where the body begins and ends, once the head is there.
    fn head(&self) -> Result<Option<(usize, usize)>> {
        let head = parse_response(&self.answer, &HeadLimits::default(), Method::Get);
        let Some(head) = head.map_err(|e| format!("list: {e}"))? else { return Ok(None) };
        let Framing::Length(length) = head.framing else {
            return Err("list: an answer without Content-Length".to_owned());
        };
        if head.status != 200 {
            return Err(format!("list: status {}", head.status));
        }
        let length = usize::try_from(length).map_err(|e| format!("list: {e}"))?;
        let end = head.head_bytes.checked_add(length).ok_or("list: an answer beyond measure")?;
        Ok(Some((head.head_bytes, end)))
    }
}

/// Writes all names of a bucket to a file, one a line; gives their number.
pub(crate) fn write_names(port: u16, bucket: &str, path: &Path) -> Result<u64> {
    let say = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = BufWriter::new(File::create(path).map_err(say)?);
    let mut lister = Lister::connect(port, bucket)?;
    let (mut names, mut token) = (0, String::new());
    loop {
        let mut lines = String::new();
        let page = lister.see_page("name", 0, &token, |name| {
            lines.push_str(name);
            lines.push('\n');
        })?;
        file.write_all(lines.as_bytes()).map_err(say)?;
        names += page.names;
        if page.token.is_empty() {
            file.flush().map_err(say)?;
            return Ok(names);
        }
        token = page.token;
    }
}
