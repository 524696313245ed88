//! A disk that fails under load beside one that does not: a device that ends too early, a thin one that is full, an ext4
//! that turns read-only, an XFS that shuts down. Every request ends in time, nothing acknowledged is lost, and the other
//! mountpath serves on as before. Runs as root.
//!
//! `DISK_ERRORS` says how many rounds; with it, the figures go to `bench/results/disk-errors.json` and are held to the
//! bounds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Client, LoopFs, Node, Reply, Site, numbered, write_report};

const B: Bucket = Bucket("failing");
const ANSWER_MAX: Duration = Duration::from_secs(10);
const STOP_MAX: Duration = Duration::from_secs(25);
/// Names on each mountpath, shared out to its threads.
const NAMES: usize = 24;
const THREADS: usize = 4;
const SIZES: [usize; 6] = [4096, 20_000, 131_072, 300_000, 5000, 700_001];
/// The pause between two requests of a thread: the load is the same whether answers are slow, fast or refusals.
const PACE: Duration = Duration::from_millis(4);
/// The 99th percentile of the other mountpath may become this, in percent of before.
const P99_PERCENT_MAX: u64 = 150;
const MIB: u64 = 400;

/// The way in which a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Shrinks,
    ThinIsFull,
    ReadOnly,
    ShutDown,
}

const FAILURES: [(&str, Failure); 6] = [
    ("ext4", Failure::ReadOnly),
    ("ext4", Failure::ThinIsFull),
    ("xfs", Failure::ShutDown),
    ("xfs", Failure::ThinIsFull),
    ("ext4", Failure::Shrinks),
    ("xfs", Failure::Shrinks),
];

/// A tmpfs, which a thin device lies on and somebody else fills up.
struct Thin(PathBuf);

impl Thin {
    fn new(dir: &Path) -> Self {
        support::require_root();
        std::fs::create_dir_all(dir).unwrap();
        let size = format!("size={}M", MIB / 2);
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir).status();
        assert!(mounted.unwrap().success());
        Self(dir.to_owned())
    }

    fn fill(&self) {
        let mut rest = std::fs::File::create(self.0.join("somebody-else")).unwrap();
        while std::io::Write::write_all(&mut rest, &[1; 1 << 16]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("somebody-else")).unwrap();
    }
}

impl Drop for Thin {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The disk that fails.
struct Disk {
    kind: &'static str,
    failure: Failure,
    fs: LoopFs,
    // After the file system that lies on it.
    thin: Option<Thin>,
}

impl Disk {
    fn new(kind: &'static str, failure: Failure, dir: &Path) -> Self {
        let place = dir.join("device");
        let thin = (failure == Failure::ThinIsFull).then(|| Thin::new(&place));
        let fs = LoopFs::new(kind, &place, MIB);
        if thin.is_some() {
            fs.write_page_by_page();
        }
        Self { kind, failure, fs, thin }
    }

    fn fail(&self) {
        match self.failure {
            Failure::Shrinks => self.fs.shrink_to(MIB / 5),
            Failure::ThinIsFull => self.thin.as_ref().unwrap().fill(),
            Failure::ReadOnly => self.fs.turn_read_only(),
            Failure::ShutDown => self.fs.cut_power(),
        }
    }

    fn heal(&mut self) {
        match self.failure {
            Failure::Shrinks => self.fs.shrink_to(0),
            Failure::ThinIsFull => self.thin.as_ref().unwrap().empty(),
            Failure::ReadOnly | Failure::ShutDown => {}
        }
        self.fs.mount_again();
    }

    /// True when written data can still be read while it fails. XFS shuts down when its own log cannot be written.
    fn reads_on(&self) -> bool {
        match self.failure {
            Failure::ReadOnly => true,
            Failure::ThinIsFull => self.kind == "ext4",
            Failure::Shrinks | Failure::ShutDown => false,
        }
    }
}

/// One name, written over and over by one thread.
struct Name {
    name: String,
    id: u64,
    acknowledged: u64,
    sent: u64,
}

impl Name {
    fn is_deletion(number: u64) -> bool {
        number.is_multiple_of(9)
    }

    fn content(&self, number: u64) -> Vec<u8> {
        numbered(self.id, number, SIZES[((self.id + number) % SIZES.len() as u64) as usize])
    }

    fn write(&mut self, client: &mut Client) -> Option<Reply> {
        self.sent += 1;
        let number = self.sent;
        let reply = if Self::is_deletion(number) {
            timed(client, "DELETE", &self.path(), b"")
        } else {
            timed(client, "PUT", &self.path(), &self.content(number))
        };
        // A deletion of what another one has taken whose answer was an error is as good.
        let done = |r: &Reply| r.status == 200 || (r.status == 404 && Self::is_deletion(number));
        if reply.as_ref().is_some_and(done) {
            self.acknowledged = number;
        }
        reply
    }

    fn path(&self) -> String {
        B.object(&self.name)
    }

    /// True when an answer is the last acknowledged write, or one that was sent after it.
    fn is_right(&self, reply: &Reply) -> bool {
        let mut possible = self.acknowledged..=self.sent;
        match reply.status {
            404 => self.acknowledged == 0 || possible.any(Self::is_deletion),
            200 => possible.any(|number| !Self::is_deletion(number) && reply.body == self.content(number)),
            _ => false,
        }
    }
}

/// Sends a request and sees to it that it ends in time; `None` for a connection that was cut.
fn timed(client: &mut Client, method: &str, path: &str, body: &[u8]) -> Option<Reply> {
    let begun = Instant::now();
    let reply = client.request(method, path, &[], body);
    assert!(begun.elapsed() < ANSWER_MAX, "{method} {path} took {:?}", begun.elapsed());
    reply.ok().filter(|reply| reply.complete)
}

/// Phases of a round.
const BEFORE: u8 = 0;
const AFTER: u8 = 1;
const END: u8 = 2;

/// Observations of the load.
#[derive(Default)]
struct Seen {
    /// Nanoseconds of the requests to the other mountpath before the failure, and after it.
    latencies: [Vec<u64>; 2],
    refused: u64,
    /// Reads of the failing disk that were answered with an error.
    unread: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (all, more) in self.latencies.iter_mut().zip(other.latencies) {
            all.extend(more);
        }
        self.refused += other.refused;
        self.unread += other.unread;
    }
}

/// Writes and reads names of one mountpath, in turn, until the end.
fn load(port: u16, names: &mut [Name], fails: bool, phase: &AtomicU8) -> Seen {
    let mut client = Client::new(port);
    let mut seen = Seen::default();
    let count = names.len();
    for turn in 0.. {
        let now = phase.load(Ordering::Relaxed);
        if now == END {
            return seen;
        }
        let begun = Instant::now();
        let name = &mut names[turn / 2 % count];
        if turn % 2 == 0 {
            let reply = name.write(&mut client);
            if fails {
                seen.refused += u64::from(reply.is_none_or(|reply| reply.status >= 500));
            } else {
                let reply = reply.expect("the other mountpath answers");
                assert!(reply.status < 500, "the other mountpath: {} {}", reply.status, reply.text());
            }
        } else {
            match timed(&mut client, "GET", &name.path(), b"") {
                Some(reply) if reply.status < 500 => {
                    assert!(name.is_right(&reply), "{}: {} in the running node", name.name, reply.status);
                }
                _ if fails => seen.unread += 1,
                other => panic!("the other mountpath: {:?}", other.map(|reply| reply.text())),
            }
        }
        if !fails {
            seen.latencies[usize::from(now)].push(begun.elapsed().as_nanos() as u64);
        }
        std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
    }
    unreachable!("the load ends with the round")
}

/// Names of both mountpaths: first those of the one that will fail.
fn find_names(site: &Site, client: &mut Client) -> [Vec<Name>; 2] {
    let mut names = [Vec::new(), Vec::new()];
    let failing = site.mountpath.display().to_string();
    for id in 0.. {
        let name = format!("n{id}");
        let mut name = Name { name, id, acknowledged: 0, sent: 0 };
        assert_eq!(name.write(client).unwrap().status, 200);
        let place = client.head(&name.path()).header("Ais-Location").to_owned();
        let of = &mut names[usize::from(!place.contains(&failing))];
        if of.len() < NAMES {
            of.push(name);
        }
        if names.iter().all(|names| names.len() == NAMES) {
            return names;
        }
    }
    unreachable!("there are names for every mountpath")
}

fn run_load(node: &Node, disk: &Disk, names: &mut [Vec<Name>; 2], each: Duration) -> Seen {
    let phase = AtomicU8::new(BEFORE);
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (names, fails) in names.iter_mut().zip([true, false]) {
            for names in names.chunks_mut(NAMES / THREADS) {
                let (phase, port) = (&phase, node.port);
                threads.push(scope.spawn(move || load(port, names, fails, phase)));
            }
        }
        std::thread::sleep(each);
        disk.fail();
        phase.store(AFTER, Ordering::Relaxed);
        std::thread::sleep(each);
        phase.store(END, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| seen.add(thread.join().unwrap()));
    });
    seen
}

/// The disk is made to fail by now, if the load has not met it yet.
fn insist(node: &Node, names: &mut [Name]) {
    let mut client = node.client();
    let begun = Instant::now();
    while client.get("/v1/health").status == 200 {
        assert!(begun.elapsed() < ANSWER_MAX, "the failure was never met");
        names.iter_mut().for_each(|name| drop(name.write(&mut client)));
    }
}

/// With `in_doubt`, a name whose last changes were not acknowledged may be answered with an error: a large file may have
/// got its name before the flush failed, and on a file system whose journal has failed its bytes cannot be told then.
fn verify(client: &mut Client, names: &[Name], in_doubt: bool, what: &str) {
    for name in names {
        let may_fail = in_doubt && name.sent > name.acknowledged;
        let Some(reply) = timed(client, "GET", &name.path(), b"") else {
            assert!(may_fail, "{what}: {} was cut", name.name);
            continue;
        };
        let is_unsure = may_fail && reply.status == 500;
        assert!(
            is_unsure || name.is_right(&reply),
            "{what}: {} {} of {} bytes is none of {} to {}: {}",
            name.name,
            reply.status,
            reply.body.len(),
            name.acknowledged,
            name.sent,
            if reply.status == 200 { String::new() } else { reply.text() }
        );
    }
}

fn round(number: usize, each: Duration) -> Seen {
    let (kind, failure) = FAILURES[number % FAILURES.len()];
    let what = format!("round {number}, {kind}, {failure:?}");
    let mut site = Site::new("failing");
    let mut disk = Disk::new(kind, failure, site.root());
    site.mountpath = disk.fs.mount_point.join("mp");
    site.other_mountpath = Some(site.root().join("other"));
    site.settings = "segment_bytes = 4194304\nlanes = 4\n".to_owned();
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let mut names = find_names(&site, &mut client);
    let seen = run_load(&node, &disk, &mut names, each);
    insist(&node, &mut names[0]);
    let path = site.mountpath.display().to_string();
    let health = client.get("/v1/health");
    assert!(health.status == 503 && health.text().contains(&path), "{what}: {}", health.text());
    if disk.reads_on() {
        verify(&mut client, &names[0], true, &format!("{what}, while it fails"));
    }
    verify(&mut client, &names[1], false, &format!("{what}, the other mountpath"));
    let (stopping, _) = node.end();
    assert!(stopping < STOP_MAX, "{what}: stopped in {stopping:?}");
    disk.heal();
    let node = site.start();
    let mut client = node.client();
    assert!(node.banner().contains("unusable 0"), "{what}: {}", node.banner());
    names.iter().for_each(|names| verify(&mut client, names, false, &format!("{what}, started again")));
    names[0].iter_mut().for_each(|name| {
        let reply = name.write(&mut client).unwrap();
        assert!(matches!(reply.status, 200 | 404), "{what}: {}", reply.text());
    });
    node.stop();
    disk.fs.unmount();
    seen
}

fn p99(latencies: &mut [u64]) -> u64 {
    latencies.sort_unstable();
    latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default()
}

#[test]
fn a_failing_disk_loses_nothing_and_hinders_no_other() {
    let wanted = std::env::var("DISK_ERRORS").ok().map(|text| text.parse::<usize>().unwrap());
    let numbers: Vec<usize> = wanted.map_or_else(|| vec![0, 1, 2, 3], |rounds| (0..rounds).collect());
    let rounds = numbers.len();
    let mut all = Seen::default();
    for number in numbers {
        // The failure comes at another moment each time.
        let each = match wanted {
            Some(_) => Duration::from_millis(2000 + 171 * (number as u64 % 11)),
            None => Duration::from_millis(600),
        };
        all.add(round(number, each));
    }
    let [before, after] = &mut all.latencies;
    let counts = (before.len(), after.len());
    let (before, after) = (p99(before), p99(after));
    assert!(all.refused > 0 && counts.0 > 20 && counts.1 > 20, "{} refused, {counts:?}", all.refused);
    let percent = after * 100 / before.max(1);
    eprintln!("other mountpath, p99: {before} ns before, {after} ns after, {percent} %");
    if wanted.is_some() {
        let figures = serde_json::json!({
            "what": "every request ends, nothing acknowledged is lost, and the other mountpath serves on: the run ends with an error otherwise",
            "rounds": rounds,
            "refused_or_failed_writes": all.refused,
            "reads_without_answer_from_the_failing_disk": all.unread,
            "other_mountpath": {
                "requests_before_and_after": counts,
                "p99_us_before": before / 1000,
                "p99_us_after": after / 1000,
                "p99_ratio": percent as f64 / 100.0,
            },
            "longest_wait_s_max": ANSWER_MAX.as_secs(),
        });
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/results/disk-errors.json");
        // Each round has a file system of its own.
        let command = format!("DISK_ERRORS={rounds} cargo test --release -p aisnode --test failing_disks");
        write_report(file.as_ref(), &command, "", figures);
        assert!(percent <= P99_PERCENT_MAX, "{percent} %");
    }
}
