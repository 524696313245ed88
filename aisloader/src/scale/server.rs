//! The server under test, in its control group, and a server that does nothing.

use super::devices::Disk;
use super::failure::{Failure, Result, at};
use super::ledger::{Ledger, Taken, Thing};
use super::process::{birth, spawn};
use super::throttle::Group;
use crate::client::Client;
use crate::workload::names::BucketName;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// So much of its log is shown when it does not start.
const LOG_CHARS_MAX: usize = 2000;

/// A server that serves; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) port: u16,
    child: Child,
    taken: Option<Taken>,
}

impl Server {
    /// Starts it on the disks, with a state of its own in `dir`.
    pub(super) fn start(
        ledger: &Rc<Ledger>,
        group: &Group,
        program: &Path,
        disks: &[Disk],
        dir: &Path,
        interrupted: &AtomicBool,
    ) -> Result<Self> {
        if !program.is_file() {
            return Err(Failure(format!("{}: no such program; see -aisnode", program.display())));
        }
        let port = free_port()?;
        fs::create_dir_all(dir).map_err(at(dir))?;
        let log = dir.join("log");
        let file = File::create(&log).map_err(at(&log))?;
        let mut command = group.command(program);
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--data-dir"])
            .arg(dir.join("state"));
        for disk in disks {
            command.arg("--mountpath").arg(&disk.mountpath);
        }
        command.stdout(file.try_clone().map_err(at(&log))?).stderr(file);
        let mut server = Self::spawn(ledger, &mut command, port)?;
        server.await_ready(interrupted).map_err(|e| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            Failure(format!("{e}: {}", text.chars().take(LOG_CHARS_MAX).collect::<String>()))
        })?;
        Ok(server)
    }

    /// Starts a server that does nothing but answer from memory: what the loader gets from it is the most that the
    /// loader can take.
    pub(super) fn idle(
        ledger: &Rc<Ledger>,
        loader: &Path,
        object_bytes: u64,
        interrupted: &AtomicBool,
    ) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(loader);
        command.args(["respond", &format!("-port={port}"), &format!("-size={object_bytes}")]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Self::spawn(ledger, &mut command, port)?;
        server.await_ready(interrupted)?;
        Ok(server)
    }

    fn spawn(ledger: &Rc<Ledger>, command: &mut Command, port: u16) -> Result<Self> {
        let mut taken = Taken::new(ledger);
        let child = spawn(command)?;
        let pid = child.id();
        taken.add(Thing::Process { pid, born: birth(pid).unwrap_or(0) })?;
        Ok(Self { port, child, taken: Some(taken) })
    }

    fn await_ready(&mut self, interrupted: &AtomicBool) -> Result<()> {
        let begin = Instant::now();
        let bucket = BucketName::parse("ais://scale", "ais").map_err(Failure)?;
        let mut client = Client::new(&format!("127.0.0.1:{}", self.port), Some(Duration::from_secs(5)));
        while client.bucket_exists(&bucket).is_err() {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Failure::interrupted());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failure(format!("the server has ended ({status})")));
            }
            if begin.elapsed() > START_LIMIT {
                return Err(Failure("the server does not answer".to_owned()));
            }
            sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.taken = None;
        // It has ended: only its number is still to be freed.
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|e| Failure(format!("no free port: {e}")))
}
