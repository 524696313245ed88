//! A node as a process: where it lives, how it starts, how it ends.

use super::http::Client;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Outside the range that the system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 18300..19000;
/// Only a guard against a hang; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(60);

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// A port that no other test uses; the lock is held for as long as this lives.
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    fn claim() -> Self {
        let count = PORTS.end - PORTS.start;
        let first = (std::process::id() % u32::from(count)) as u16;
        let locks = std::env::temp_dir().join("straightline-test-ports");
        fs::create_dir_all(&locks).unwrap();
        for _ in 0..count {
            let number = PORTS.start + (first + NEXT_PORT.fetch_add(1, Ordering::Relaxed)) % count;
            let lock = File::create(locks.join(number.to_string())).unwrap();
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no free port in {PORTS:?}");
    }
}

/// Where a node lives, over several starts of it. Removed at the end of the test.
pub(crate) struct Site {
    root: tempfile::TempDir,
    port: Port,
    pub(crate) data_dir: PathBuf,
    pub(crate) mountpath: PathBuf,
    /// A second one, if there is to be one.
    pub(crate) other_mountpath: Option<PathBuf>,
    /// Lines of the settings file beyond those that every test needs.
    pub(crate) settings: String,
    pub(crate) connections_max: usize,
    pub(crate) memory: &'static str,
    /// Neither memory nor connections are set: the node finds out what it may use.
    pub(crate) is_by_default: bool,
    /// Words before the program's name, that start it in some special place.
    pub(crate) launcher: Vec<String>,
}

impl Site {
    /// A site on a real disk: direct I/O and flushes are those of production.
    pub(crate) fn new(name: &str) -> Self {
        fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        Self {
            port: Port::claim(),
            data_dir: root.path().join("data"),
            mountpath: root.path().join("mp"),
            other_mountpath: None,
            settings: String::new(),
            connections_max: 512,
            memory: "768MiB",
            is_by_default: false,
            launcher: Vec::new(),
            root,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Files that are being written, or that nobody cleared away.
    pub(crate) fn work_files(&self) -> Vec<PathBuf> {
        super::files_beneath(&self.mountpath.join(".straightline/work"))
    }

    /// The file of an object whose name has no special characters.
    pub(crate) fn object_file(&self, bucket: &str, name: &str) -> PathBuf {
        self.mountpath.join("@ais").join(bucket).join("%ob").join(name.replace('/', "%/"))
    }

    /// The segment that holds a small object, and where its bytes are; the last of them, if there are several.
    pub(crate) fn segment_of(&self, bucket: &str, name: &str) -> (PathBuf, usize) {
        let member = format!("{bucket}/{name}");
        let is_its_header = |block: &[u8]| {
            &block[257..262] == b"ustar"
                && block[156] == b'0'
                && block.starts_with(member.as_bytes())
                && block[member.len()] == 0
        };
        let segments = super::files_beneath(&self.mountpath.join(".straightline/lanes"));
        let mut found = segments
            .into_iter()
            .filter(|path| path.extension().is_some_and(|ext| ext == "tar"))
            .filter_map(|path| {
                let bytes = std::fs::read(&path).unwrap();
                let at = bytes.chunks(512).rposition(|block| block.len() == 512 && is_its_header(block))?;
                Some((path, (at + 1) * 512))
            });
        found.next_back().unwrap_or_else(|| panic!("{member} is in no segment"))
    }

    /// Removes the indexes of all lanes: the next start makes them anew.
    pub(crate) fn remove_indexes(&self) {
        for file in super::files_beneath(&self.mountpath.join(".straightline/lanes")) {
            if file.extension().is_none_or(|ext| ext != "tar") {
                std::fs::remove_file(file).unwrap();
            }
        }
    }

    /// Runs a tool on the data directory: its exit code, and all that it wrote.
    pub(crate) fn tool(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aisnode"));
        let ran = command.arg("store").args(args).arg("--data-dir").arg(&self.data_dir).output().unwrap();
        let text =
            [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(!text.contains("panicked"), "{args:?}: {text}");
        (ran.status.code().unwrap(), text)
    }

    pub(crate) fn start(&self) -> Node {
        self.try_start().unwrap_or_else(|why| panic!("the node does not start: {why}"))
    }

    /// Starts the node; an error is what it wrote before it ended.
    pub(crate) fn try_start(&self) -> Result<Node, String> {
        self.start_on(self.port.number, "node", &[])
    }

    /// Starts the node with more variables in its environment; an error is what it wrote before it ended.
    pub(crate) fn try_start_with(&self, environment: &[(&str, &str)]) -> Result<Node, String> {
        self.start_on(self.port.number, "node", environment)
    }

    /// Starts one more process on the same directories, which must fail: returns what it says.
    pub(crate) fn refused_beside(&self) -> String {
        let port = Port::claim();
        match self.start_on(port.number, "second", &[]) {
            Ok(_) => panic!("a node that must not start has started"),
            Err(said) => said,
        }
    }

    fn start_on(&self, port: u16, log_name: &str, environment: &[(&str, &str)]) -> Result<Node, String> {
        let config = self.root().join(format!("{log_name}.toml"));
        let limits = match self.is_by_default {
            true => String::new(),
            false => format!("memory = {:?}\nconnections_max = {}\n", self.memory, self.connections_max),
        };
        let text = format!(
            "data_dir = {:?}\nmountpaths = {:?}\nport = {port}\n{limits}{}\n",
            self.data_dir,
            std::iter::once(&self.mountpath).chain(&self.other_mountpath).collect::<Vec<_>>(),
            self.settings,
        );
        fs::write(&config, text).unwrap();
        let out = self.root().join(format!("{log_name}.out"));
        let log = self.root().join(format!("{log_name}.err"));
        let mut words = self.launcher.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_aisnode")]);
        let child = Command::new(words.next().unwrap())
            .args(words)
            .arg("--config")
            .arg(&config)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut node = Node { child, port, out, log, is_told: AtomicBool::new(false) };
        node.wait_ready()?;
        Ok(node)
    }
}

/// A running node. Killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) port: u16,
    out: PathBuf,
    log: PathBuf,
    /// It has been told to end; told twice, it ends in no order at all.
    is_told: AtomicBool,
}

impl Node {
    /// Waits until it serves and has said so.
    fn wait_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("{status}: {}", self.log_text()));
            }
            let said = fs::read_to_string(&self.out).unwrap();
            if said.contains("listening") && said.ends_with('\n') {
                // A node that was told to die may do so right now: then it has ended by the next turn.
                if let Ok(health) = self.client().request("GET", "/v1/health", &[], b"") {
                    assert_eq!(health.status, 200, "{}", health.text());
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the node neither serves nor ends: {}", self.log_text());
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// The text that it printed at its start.
    pub(crate) fn banner(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// The text of its log.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) {
        if self.is_alive() && !self.is_told.load(Ordering::Relaxed) {
            self.signal(Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", self.log_text());
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the node does not stop: {}", self.log_text());
    }

    /// Has it end as the operator would; returns how long that took, and whether it says that all went well.
    pub(crate) fn end(mut self) -> (Duration, bool) {
        let begun = Instant::now();
        if self.is_alive() && !self.is_told.load(Ordering::Relaxed) {
            self.signal(Signal::TERM);
        }
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (begun.elapsed(), status.success());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the node does not stop: {}", self.log_text());
    }

    /// Ends it in no order at all.
    pub(crate) fn kill(mut self) {
        self.kill_and_wait();
    }

    /// `kill -9` from a thread that does not own the node.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
        self.is_told.fetch_or(signal == Signal::TERM, Ordering::Relaxed);
    }

    fn kill_and_wait(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill_and_wait();
        if std::thread::panicking() {
            eprintln!("--- log of the node:\n{}", self.log_text());
        }
    }
}

/// The sum of a metric over all cores.
pub(crate) fn metric(client: &mut Client, name: &str) -> u64 {
    let text = client.get("/metrics").text();
    let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
