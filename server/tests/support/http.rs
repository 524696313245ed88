//! A small blocking HTTP/1.1 client that hides nothing.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Only a guard against a hang; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Every byte that the head announced has come.
    pub(crate) complete: bool,
}

impl Reply {
    /// The first value of a header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    fn closes(&self) -> bool {
        !self.complete || self.header("Connection").eq_ignore_ascii_case("close")
    }
}

/// One connection, made when it is first needed and again after the server has closed it.
pub(crate) struct Client {
    port: u16,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, stream: None, received: Vec::new() }
    }

    /// The socket itself.
    pub(crate) fn stream(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.received.clear();
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.stream.is_none()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream()?.write_all(bytes)
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.call("GET", path, &[], b"")
    }

    pub(crate) fn head(&mut self, path: &str) -> Reply {
        self.call("HEAD", path, &[], b"")
    }

    pub(crate) fn put(&mut self, path: &str, body: &[u8]) -> Reply {
        self.call("PUT", path, &[], body)
    }

    pub(crate) fn delete(&mut self, path: &str) -> Reply {
        self.call("DELETE", path, &[], b"")
    }

    /// A request that must be answered, if with an error.
    pub(crate) fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.request(method, path, headers, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "PUT" | "POST") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let sent = self.send(head.as_bytes()).and_then(|()| self.send(body));
        // A server that refuses early answers before it has read everything: the answer counts.
        let reply = self.read_reply(method);
        if reply.is_err() {
            self.close();
            sent?;
        }
        reply
    }

    /// Reads the next answer.
    pub(crate) fn read_reply(&mut self, method: &str) -> io::Result<Reply> {
        let (status, headers) = self.read_head()?;
        let mut reply = Reply { status, headers, body: Vec::new(), complete: true };
        if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
            return Ok(self.finish(reply));
        }
        let announced: Option<usize> = reply.header("Content-Length").parse().ok();
        while announced.is_none_or(|length| self.received.len() < length) {
            match self.receive() {
                Ok(0) | Err(_) => {
                    reply.complete = announced.is_none();
                    break;
                }
                Ok(_) => {}
            }
        }
        let length = announced.unwrap_or(usize::MAX).min(self.received.len());
        let rest = self.received.split_off(length);
        reply.body = std::mem::replace(&mut self.received, rest);
        Ok(self.finish(reply))
    }

    fn finish(&mut self, reply: Reply) -> Reply {
        if reply.closes() {
            // Who wants to see the end of the connection reads it raw.
            self.close();
        }
        reply
    }

    fn read_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if self.receive()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        self.received.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        assert!(status_line.starts_with("HTTP/1.1 "), "{status_line:?}");
        let status = status_line[9..12].parse().map_err(io::Error::other)?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        Ok((status, headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()))
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut buf = [0; 64 << 10];
        let count = self.stream()?.read(&mut buf)?;
        self.received.extend_from_slice(&buf[..count]);
        Ok(count)
    }

    /// Everything until the server closes; an error when it does not.
    pub(crate) fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.receive() {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => break,
                Err(e) => return Err(e),
            }
        }
        self.close();
        Ok(std::mem::take(&mut self.received))
    }

    /// Sends bytes as they are and returns the status of the answer, once the server has closed; 0 without answer.
    pub(crate) fn refused(&mut self, bytes: &[u8]) -> (u16, String) {
        self.close();
        // The server may refuse before it has read everything.
        let _ = self.send(bytes);
        let answer = String::from_utf8_lossy(&self.read_to_close().unwrap()).into_owned();
        let status = answer.get(9..12).and_then(|text| text.parse().ok()).unwrap_or(0);
        (status, answer)
    }
}
