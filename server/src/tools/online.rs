//! `aisnode store check` on a store that a node uses: the node is asked to check itself, and to say what it finds.

use super::Ending;
use super::args::CheckArgs;
use super::report::Report;
use super::site::Site;
use crate::jobs::CheckReport;
use crate::store::Observer;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The time between two questions.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// The node answers at once, however busy it is.
const PATIENCE: Duration = Duration::from_secs(60);
/// The bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const START: &str = r#"{"action":"start","value":{"kind":"store-check"}}"#;

/// Has the node check itself and waits for the end.
///
/// # Errors
/// When the node cannot be reached, or the check does not come to its end.
pub(super) fn run(args: &CheckArgs, site: &Site) -> io::Result<Ending> {
    if !args.site.mountpaths.is_empty() {
        eprintln!("a node that runs checks all its mountpaths");
    }
    let url = args.url.as_deref().or(site.url.as_deref());
    let url = url.ok_or_else(|| {
        io::Error::other(format!("{} does not say where the node is: give --url", site.data_dir.display()))
    })?;
    let id = ask(url, "PUT", "/v1/cluster", START)?;
    let report = Report::new(args.json);
    let mut seen = 0;
    loop {
        let path = format!("/v1/daemon?what=store-check&skip={seen}");
        let told: CheckReport = serde_json::from_str(&ask(url, "GET", &path, "")?)?;
        if told.id != id {
            return Err(io::Error::other("another check has taken the place of this one"));
        }
        seen += told.findings.len();
        let (running, error, counts) = (told.running, told.error, told.checked);
        told.findings.into_iter().for_each(|finding| report.found(finding));
        report.progress().set(told.done_bytes, told.expected_bytes);
        if !running {
            let untold = (told.damaged + told.leftover).saturating_sub(seen as u64);
            if untold > 0 {
                eprintln!("{untold} more findings are only counted");
            }
            return if error.is_empty() { Ok(report.finish(counts)) } else { Err(io::Error::other(error)) };
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// Sends one request; the answer's body, if it is a good one.
fn ask(url: &str, method: &str, path: &str, body: &str) -> io::Result<String> {
    let fail = |e: io::Error| io::Error::new(e.kind(), format!("{url}: {e}"));
    let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let mut stream = TcpStream::connect(host).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).map_err(fail)?;
    let (status, body) = read_answer(&mut BufReader::new(stream)).map_err(fail)?;
    match status {
        200 => Ok(body),
        _ => Err(io::Error::other(format!("{url} answers {status}: {}", body.trim()))),
    }
}

/// Status and body of an answer; the server closes behind it.
fn read_answer(stream: &mut impl BufRead) -> io::Result<(u16, String)> {
    let odd = || io::Error::other("this is no answer of a node");
    let mut line = String::new();
    let mut head = stream.take(64 << 10);
    head.read_line(&mut line)?;
    let status =
        line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(odd)?;
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Err(odd());
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut body = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut body)?;
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_without_trust() {
        let read = |bytes: &[u8]| read_answer(&mut BufReader::new(bytes));
        let good = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!(good, (200, "{}".to_owned()));
        for bad in [
            &b""[..],
            b"HTTP/1.1 2",
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno end",
            b"HTTP/1.1 \xff\r\n\r\n",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
