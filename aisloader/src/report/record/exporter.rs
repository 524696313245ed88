//! A Prometheus endpoint for the time of the run: one thread, one connection at a time, everything bounded.

use super::prometheus::Totals;
use super::schema::FinalLine;
use super::sink::{Moment, Sink};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for a request, whole, and for room to send the answer.
const PATIENCE: Duration = Duration::from_secs(2);
const REQUEST_BYTES_MAX: usize = 8 << 10;

/// Serves what the run has counted so far.
pub(super) struct Exporter {
    totals: Totals,
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    text: Mutex<String>,
    is_over: AtomicBool,
}

impl Exporter {
    /// Listens on `host:port`.
    pub(super) fn new(listen: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let totals = Totals::default();
        shared.set(totals.text());
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("prometheus".to_owned())
            .spawn(move || serve(&listener, &served))?;
        Ok(Self { totals, shared, address, thread: Some(thread) })
    }
}

impl Shared {
    fn set(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn get(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Exporter {
    fn name(&self) -> &str {
        "-prom-listen"
    }

    fn moment(&mut self, moment: &Moment<'_>) -> io::Result<()> {
        self.totals.add(moment);
        self.shared.set(self.totals.text());
        Ok(())
    }

    fn end(&mut self, _whole: &FinalLine) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // The thread waits in accept; this lets it look.
        let is_awake = TcpStream::connect_timeout(&self.address, PATIENCE).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| is_awake) {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        match stream {
            // A peer that hangs up is no matter of ours.
            Ok(stream) => drop(answer(stream, &shared.get())),
            // There may be no descriptors left, so it does not try again at once.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// One request, one answer.
fn answer(mut stream: TcpStream, text: &str) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut room = [0u8; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let got = stream.read(&mut room)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(room.get(..got).unwrap_or_default());
    }
    let target = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let (status, body) = match (request.starts_with(b"GET "), target) {
        (true, b"/metrics" | b"/") => ("200 OK", text),
        (true, _) => ("404 Not Found", "only /metrics is here\n"),
        (false, _) => ("405 Method Not Allowed", "only GET\n"),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::super::schema::Phase;
    use super::*;
    use crate::recorder::cpu::CpuUse;
    use crate::recorder::{Interval, Moved, Span};
    use crate::workload::OpKind;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_counts_can_be_scraped_while_the_run_goes_on() {
        let mut exporter = Exporter::new("127.0.0.1:0").unwrap();
        let begin = Instant::now();
        let mut interval = Interval { number: 1, inflight: 4, ..Interval::default() };
        let span = Span { due: None, begin, end: begin + Duration::from_millis(2), run_end: None };
        interval.stats.record(OpKind::Get, &span, Moved { bytes: 100, names: 0 });
        for second in 1..=2 {
            let (at_s, phase, cpu) = (f64::from(second), Phase::Steady, CpuUse::default());
            exporter.moment(&Moment { at_s, span_s: 1.0, phase, interval: &interval, cpu }).unwrap();
        }
        let text = ask(exporter.address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(text.contains("\naisloader_ops_total{op=\"get\"} 2\n"), "{text}");
        assert!(text.contains("\naisloader_bytes_total{op=\"get\"} 200\n"), "{text}");
        assert!(text.contains("\naisloader_inflight 4\n"), "{text}");
        assert!(ask(exporter.address, "GET /x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask(exporter.address, "PUT / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn it_ends_with_the_run() {
        let address = {
            let exporter = Exporter::new("127.0.0.1:0").unwrap();
            exporter.address
        };
        assert!(TcpStream::connect(address).is_err());
    }
}
