//! Blocking HTTP for control requests: one exchange on one socket, plain or with TLS.

use link::{Tls, address, trust};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use wire::http1::{ChunkStep, ChunkedDecoder, Framing, HeadLimits, Method, parse_response};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 256 << 10;
/// A page of names, with room to spare.
const BODY_BYTES_MAX: usize = 1 << 30;

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    /// Where S3 keeps the bucket.
    pub(crate) bucket_region: Option<String>,
    pub(crate) keep_alive: bool,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// True for 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A connection that is kept for the next request.
pub(crate) struct Connection {
    timeout: Option<Duration>,
    tls: Tls,
    stream: Option<Stream>,
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Nothing is connected yet; `timeout` is the longest wait for a part of an answer.
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, tls: Tls::default(), stream: None }
    }

    /// The same where TLS is spoken as `tls` says.
    pub(crate) fn with_tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// Sends a whole request to a server's address and reads its whole answer.
    pub(crate) fn exchange(&mut self, address: &str, method: &str, request: &[u8]) -> io::Result<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => dial(address, self.timeout, &self.tls)?,
        };
        stream.write_all(request)?;
        stream.flush()?;
        let response = receive(&mut stream, Method::from_text(method))?;
        if response.keep_alive {
            self.stream = Some(stream);
        }
        Ok(response)
    }

    /// Forgets the connection: the next request goes elsewhere.
    pub(crate) fn close(&mut self) {
        self.stream = None;
    }
}

/// The kernel's "would block" is a limit of time that has passed.
pub(crate) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        // Only Ctrl-C comes here: everything else repeats the call.
        io::ErrorKind::Interrupted => "interrupted".to_owned(),
        io::ErrorKind::UnexpectedEof => "the connection was closed too early".to_owned(),
        _ => error.to_string(),
    }
}

fn dial(address: &str, timeout: Option<Duration>, tls: &Tls) -> io::Result<Stream> {
    let found = address::resolve(address)?;
    let stream = TcpStream::connect_timeout(&found, timeout.unwrap_or(CONNECT_LIMIT).min(CONNECT_LIMIT))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(timeout)?;
    stream.set_write_timeout(timeout)?;
    if !address::is_secure(address) {
        return Ok(Stream::Plain(stream));
    }
    let config = tls.client_config().map_err(io::Error::other)?;
    let name = trust::server_name(address).map_err(io::Error::other)?;
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    // Here, and not with the first bytes, so that what fails is known to be the greeting.
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|e| refused(e, true))?;
    }
    Ok(Stream::Secure(Box::new(stream)))
}

/// A failure of TLS in words for people.
fn refused(error: io::Error, is_greeting: bool) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(why) => io::Error::other(format!("TLS: {}", trust::told(why, is_greeting))),
        None if is_greeting && error.kind() == io::ErrorKind::UnexpectedEof => {
            io::Error::other("TLS: the connection was closed before TLS was agreed upon")
        }
        None => error,
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buf),
            Self::Secure(stream) => stream.read(buf).map_err(|e| refused(e, false)),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buf),
            Self::Secure(stream) => stream.write(buf).map_err(|e| refused(e, false)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush().map_err(|e| refused(e, false)),
        }
    }
}

fn receive(stream: &mut Stream, method: Method) -> io::Result<Response> {
    let bad = |what: &str| io::Error::other(format!("the answer is not understood: {what}"));
    let limits = HeadLimits::default();
    let mut input = Vec::new();
    let (mut response, framing, body_at) = loop {
        if let Some(head) = parse_response(&input, &limits, method).map_err(|e| bad(e.what))? {
            let text = |name| head.headers.get_str(name).map(str::to_owned);
            let response = Response {
                status: head.status,
                location: text("Location"),
                bucket_region: text("x-amz-bucket-region"),
                keep_alive: head.keep_alive,
                body: Vec::new(),
            };
            break (response, head.framing, head.head_bytes);
        }
        if read_more(stream, &mut input)? == 0 {
            return Err(io::Error::other("the connection was closed without an answer"));
        }
    };
    let mut rest = input.split_off(body_at);
    match framing {
        Framing::Empty => {}
        Framing::Length(bytes) => {
            while (rest.len() as u64) < bytes {
                if read_more(stream, &mut rest)? == 0 {
                    return Err(io::Error::other("the connection was closed in the middle of an answer"));
                }
            }
            response.body = rest;
        }
        Framing::Chunked => response.body = receive_chunks(stream, rest)?,
        Framing::UntilClose => {
            while read_more(stream, &mut rest)? > 0 {}
            response.body = rest;
        }
    }
    Ok(response)
}

fn receive_chunks(stream: &mut Stream, mut input: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut decoder = ChunkedDecoder::default();
    let mut body = Vec::new();
    let mut at = 0usize;
    loop {
        let bytes = input.get(at..).unwrap_or_default();
        match decoder.decode(bytes).map_err(|e| io::Error::other(e.what))? {
            ChunkStep::Data { skip, len } => {
                let start = at.saturating_add(skip);
                at = start.saturating_add(len);
                body.extend_from_slice(input.get(start..at).unwrap_or_default());
            }
            ChunkStep::End { .. } => return Ok(body),
            ChunkStep::NeedMore { .. } => {
                input.clear();
                at = 0;
                if read_more(stream, &mut input)? == 0 {
                    return Err(io::Error::other("the connection was closed in the middle of an answer"));
                }
            }
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(io::Error::other("the answer is too large"));
        }
    }
}

fn read_more(stream: &mut Stream, input: &mut Vec<u8>) -> io::Result<usize> {
    let filled = input.len();
    if filled > BODY_BYTES_MAX {
        return Err(io::Error::other("the answer is too large"));
    }
    input.resize(filled.saturating_add(READ_BYTES), 0);
    let got = stream.read(input.get_mut(filled..).unwrap_or_default());
    input.truncate(filled.saturating_add(*got.as_ref().unwrap_or(&0)));
    got
}
