//! The few control requests of the runner: HTTP/1.0, one connection each, the answer read to its end.

use crate::error::Result;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use wire::http1::{HeadLimits, Method, parse_response};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Sends a request to 127.0.0.1 and gives the body of a successful answer.
pub(crate) fn request(port: u16, method: &str, target: &str, body: &str) -> Result<String> {
    let what = format!("{method} {target}");
    let answer = exchange(port, method, target, body).map_err(|e| format!("{what}: {e}"))?;
    let head = parse_response(&answer, &HeadLimits::default(), Method::Get);
    let head = head.map_err(|e| format!("{what}: {e}"))?.ok_or_else(|| format!("{what}: answer cut off"))?;
    let body = String::from_utf8_lossy(answer.get(head.head_bytes..).unwrap_or_default()).into_owned();
    if !(200..300).contains(&head.status) {
        return Err(format!("{what}: status {}: {body}", head.status));
    }
    Ok(body)
}

fn exchange(port: u16, method: &str, target: &str, body: &str) -> std::io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
