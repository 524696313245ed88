//! Every step on a disk fails in turn while every kind of change is under way. Each request is answered in time, what was
//! acknowledged stays readable, a change that was refused has not happened, the mountpath is named, and a start brings
//! nothing else to light.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{Bucket, Client, LoopFs, Node, Reply, Site, content, metric};

const B: Bucket = Bucket("settle");
const ANSWER_MAX: Duration = Duration::from_secs(10);
const SMALL: usize = 5000;
const LARGE: usize = 300_000;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// The state that a failed step leaves behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// A mountpath that takes no more changes.
    Suspect,
    /// Nothing: what failed may be tried again.
    Sound,
    /// Only reads fail, and only as long as the disk does.
    Reads,
}
use Leaves::{Reads, Sound, Suspect};

/// (step, error, what is left behind).
const STEPS: [(&str, i32, Leaves); 31] = [
    ("batch-write", EIO, Suspect),
    ("batch-write", ENOSPC, Suspect),
    ("batch-write", EROFS, Suspect),
    ("batch-written", EIO, Suspect),
    ("round-touch", EROFS, Suspect),
    ("round-flush", EIO, Suspect),
    ("round-flush", ENOSPC, Suspect),
    ("segment-create", EIO, Suspect),
    ("segment-create", ENOSPC, Sound),
    ("segment-allocate", EIO, Suspect),
    ("segment-allocate", ENOSPC, Sound),
    ("work-create", EROFS, Suspect),
    ("work-create", ENOSPC, Sound),
    ("work-allocate", EIO, Suspect),
    ("work-allocate", ENOSPC, Sound),
    ("work-write", EIO, Suspect),
    ("work-write", ENOSPC, Sound),
    ("write-meta", EIO, Suspect),
    ("write-meta", ENOSPC, Sound),
    ("set-meta", EIO, Suspect),
    ("set-meta", ENOSPC, Sound),
    ("rename", EIO, Suspect),
    ("rename", ENOSPC, Sound),
    ("remove", EIO, Suspect),
    ("index-create", ENOSPC, Sound),
    ("index-write", EIO, Suspect),
    ("index-flush", EIO, Suspect),
    ("manifest-rename", EROFS, Suspect),
    ("segment-remove", EIO, Suspect),
    ("segment-read", EIO, Reads),
    ("file-read", EIO, Reads),
];

/// The content of a name: its bytes and its metadata, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held(Option<(Vec<u8>, String)>);

impl Held {
    fn of(seed: u64, size: usize) -> Self {
        Self(Some((content(seed, size), String::new())))
    }

    fn patched(&self) -> Self {
        Self(self.0.clone().map(|(bytes, _)| (bytes, "key=value".to_owned())))
    }
}

/// A change of one name.
#[derive(Clone, Copy, Debug)]
enum Change {
    Put(usize),
    Delete,
    Patch,
    Append,
    Copy,
    Rename,
}

/// A name, what it holds before, and the change that is made to it.
struct Case {
    name: &'static str,
    before: Option<usize>,
    change: Change,
}

const CASES: [Case; 14] = [
    Case { name: "new-small", before: None, change: Change::Put(SMALL) },
    Case { name: "new-large", before: None, change: Change::Put(LARGE) },
    Case { name: "small-by-small", before: Some(SMALL), change: Change::Put(SMALL) },
    Case { name: "small-by-large", before: Some(SMALL), change: Change::Put(LARGE) },
    Case { name: "large-by-small", before: Some(LARGE), change: Change::Put(SMALL) },
    Case { name: "large-by-large", before: Some(LARGE), change: Change::Put(LARGE) },
    Case { name: "delete-small", before: Some(SMALL), change: Change::Delete },
    Case { name: "delete-large", before: Some(LARGE), change: Change::Delete },
    Case { name: "patch-small", before: Some(SMALL), change: Change::Patch },
    Case { name: "patch-large", before: Some(LARGE), change: Change::Patch },
    Case { name: "append-small", before: Some(SMALL), change: Change::Append },
    Case { name: "copy-to", before: Some(SMALL), change: Change::Copy },
    Case { name: "rename-small", before: Some(SMALL), change: Change::Rename },
    Case { name: "rename-large", before: Some(LARGE), change: Change::Rename },
];

/// Names that are written over and over, so that indexes are written out, merged, and segments reclaimed.
const CHURNED: u64 = 40;
const CHURN_SIZE: usize = 30_000;

/// Sends a request and sees to it that it is answered in time. A connection that is cut counts as refused.
fn timed(client: &mut Client, method: &str, path: &str, body: &[u8]) -> Option<Reply> {
    let begun = Instant::now();
    let json = [("Content-Type", "application/json")];
    let headers = if matches!(method, "PATCH" | "POST") { &json[..] } else { &[] };
    let reply = client.request(method, path, headers, body);
    assert!(begun.elapsed() < ANSWER_MAX, "{method} {path} took {:?}", begun.elapsed());
    reply.ok().filter(|reply| reply.complete)
}

fn is_done(reply: Option<Reply>) -> bool {
    reply.is_some_and(|reply| reply.status == 200)
}

impl Case {
    fn path(&self) -> String {
        B.object(self.name)
    }

    fn renamed(&self) -> String {
        B.object(&format!("{}-renamed", self.name))
    }

    fn held_before(&self) -> Held {
        self.before.map_or(Held(None), |size| Held::of(1, size))
    }

    fn prepare(&self, client: &mut Client) {
        let path = self.path();
        match self.before {
            Some(size) => assert_eq!(client.put(&path, &content(1, size)).status, 200, "{path}"),
            None => assert!(matches!(client.delete(&path).status, 200 | 404), "{path}"),
        }
        assert!(matches!(client.delete(&self.renamed()).status, 200 | 404), "{path}");
    }

    /// Makes the change; true when it was acknowledged.
    fn make(&self, client: &mut Client) -> bool {
        let path = self.path();
        match self.change {
            Change::Put(size) => is_done(timed(client, "PUT", &path, &content(2, size))),
            Change::Delete => is_done(timed(client, "DELETE", &path, b"")),
            Change::Patch => {
                let body = br#"{"action":"","value":{"key":"value"}}"#;
                is_done(timed(client, "PATCH", &path, body))
            }
            Change::Copy => {
                let to = format!("{}?object_to=ais/@%23/{}/{}", B.object("source"), B.0, self.name);
                is_done(timed(client, "PUT", &to, b""))
            }
            Change::Rename => {
                let body = format!(r#"{{"action":"rename-obj","name":"{}-renamed"}}"#, self.name);
                is_done(timed(client, "POST", &path, body.as_bytes()))
            }
            Change::Append => append(client, &path),
        }
    }

    /// The contents, after the change, of the name and of the one that it may be renamed to.
    fn held_after(&self) -> (Held, Held) {
        let before = self.held_before();
        let after = match self.change {
            Change::Put(size) => Held::of(2, size),
            Change::Delete => Held(None),
            Change::Patch => before.patched(),
            Change::Copy => Held::of(3, SMALL),
            Change::Rename => return (Held(None), before),
            Change::Append => {
                let both = [content(1, SMALL), content(2, LARGE)].concat();
                Held(Some((both, String::new())))
            }
        };
        (after, Held(None))
    }
}

fn append(client: &mut Client, path: &str) -> bool {
    let to = format!("{path}?append_type=append&append_handle=");
    let Some(reply) = timed(client, "PUT", &to, &content(2, LARGE)).filter(|r| r.status == 200) else {
        return false;
    };
    let handle = reply.header("ais-append-handle").to_owned();
    is_done(timed(client, "PUT", &format!("{path}?append_type=flush&append_handle={handle}"), b""))
}

/// The present content of a name; any other answer is an error.
fn look(client: &mut Client, path: &str) -> Result<Held, String> {
    let Some(reply) = timed(client, "GET", path, b"") else { return Err(format!("{path}: cut")) };
    match reply.status {
        404 => Ok(Held(None)),
        200 => Ok(Held(Some((reply.body.clone(), reply.header("ais-custom-md").to_owned())))),
        status => Err(format!("{path}: {status} {}", reply.text())),
    }
}

fn size(held: &Held) -> String {
    held.0.as_ref().map_or("nothing".to_owned(), |(bytes, custom)| format!("{} bytes {custom}", bytes.len()))
}

/// A step that fails while the file says so.
struct Errors(PathBuf);

impl Errors {
    fn arm(&self, step: &str, errno: i32) {
        // In one step: a half-written line would be another error.
        let aside = self.0.with_extension("new");
        std::fs::write(&aside, format!("{step} {errno}\n")).unwrap();
        std::fs::rename(aside, &self.0).unwrap();
    }

    fn disarm(&self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes some names over and over until enough has gone through the log to have an index written out and merged.
/// Returns the number of the last acknowledged write of each name, and of the last one sent.
fn churn(node: &Node, first: u64) -> Vec<(u64, u64)> {
    let mut known = vec![(first, first); CHURNED as usize];
    std::thread::scope(|scope| {
        for names in known.chunks_mut(CHURNED as usize / 4).zip(0..) {
            scope.spawn(move || {
                let mut client = node.client();
                for number in first + 1..first + 6 {
                    for (known, at) in names.0.iter_mut().zip(names.1 * CHURNED / 4..) {
                        known.1 = number;
                        let path = B.object(&format!("churned-{at}"));
                        let bytes = content(number * 1000 + at, CHURN_SIZE);
                        if is_done(timed(&mut client, "PUT", &path, &bytes)) {
                            known.0 = number;
                        }
                    }
                }
            });
        }
    });
    known
}

fn check_churned(client: &mut Client, known: &[(u64, u64)], what: &str) {
    for ((acknowledged, sent), at) in known.iter().zip(0u64..) {
        let found =
            look(client, &B.object(&format!("churned-{at}"))).unwrap_or_else(|e| panic!("{what}: {e}"));
        let is_one = (*acknowledged..=*sent).any(|number| found == Held::of(number * 1000 + at, CHURN_SIZE));
        assert!(is_one, "{what}: churned-{at}: {} is none of {acknowledged} to {sent}", size(&found));
    }
}

/// After a refusal each name holds in the running node what it held before.
fn check_cases(client: &mut Client, done: &[bool], may_have_happened: bool, what: &str) {
    for (case, done) in CASES.iter().zip(done) {
        let (after, renamed_after) = case.held_after();
        for (path, before, after) in
            [(case.path(), case.held_before(), after), (case.renamed(), Held(None), renamed_after)]
        {
            let found = look(client, &path).unwrap_or_else(|e| panic!("{what}: {e}"));
            // A rename is a copy and a deletion: one that stops between the two leaves both names.
            let is_copy = path == case.renamed();
            let may_be_there = may_have_happened || is_copy;
            let right =
                if *done { found == after } else { found == before || may_be_there && found == after };
            assert!(right, "{what}: {path} (acknowledged: {done}) holds {}", size(&found));
        }
    }
}

fn check_named(client: &mut Client, site: &Site, leaves: Leaves, what: &str) {
    let path = site.mountpath.display().to_string();
    let health = client.get("/v1/health");
    let metrics = client.get("/metrics").text();
    let suspect = metrics.lines().find(|line| line.starts_with("straightline_mountpath_suspect{")).unwrap();
    assert!(suspect.contains(&path), "{suspect}");
    let is_suspect = leaves == Suspect;
    assert_eq!(suspect.ends_with(" 1"), is_suspect, "{what}: {suspect}");
    assert_eq!(health.status, if is_suspect { 503 } else { 200 }, "{what}: {}", health.text());
    assert_eq!(health.text().contains(&path), is_suspect, "{what}: {}", health.text());
    let refused = client.put(&B.object("another"), &content(9, SMALL));
    assert_eq!(refused.status, if is_suspect { 500 } else { 200 }, "{what}: {}", refused.text());
    assert_eq!(refused.text().contains(&path), is_suspect, "{what}: {}", refused.text());
}

/// One step fails while all changes are made.
fn fail_one(site: &Site, errors: &Errors, step: (&str, i32, Leaves), round: u64) {
    let (name, errno, leaves) = step;
    let what = format!("{name} {errno}");
    let armed = errors.0.display().to_string();
    let node = site.try_start_with(&[("AISNODE_ERRORS", &armed)]).unwrap();
    let mut client = node.client();
    CASES.iter().for_each(|case| case.prepare(&mut client));
    let first = round * 100;
    for at in 0..CHURNED {
        B.put(&mut client, &format!("churned-{at}"), &content(first * 1000 + at, CHURN_SIZE));
    }
    errors.arm(name, errno);
    let mut done = vec![false; CASES.len()];
    let mut known = Vec::new();
    std::thread::scope(|scope| {
        for (done, case) in done.iter_mut().zip(&CASES) {
            let node = &node;
            scope.spawn(move || *done = case.make(&mut node.client()));
        }
        known = churn(&node, first);
    });
    // Work in the background comes at a time of its own.
    let deadline = Instant::now() + ANSWER_MAX;
    while leaves != Reads && metric(&mut client, "straightline_mountpath_errors_total") == 0 {
        assert!(Instant::now() < deadline, "{what} was never met");
        let more = churn(&node, known.iter().map(|known| known.1).max().unwrap());
        let acknowledged = |old: &(u64, u64), new: &(u64, u64)| if new.0 > old.1 { new.0 } else { old.0 };
        known = known.iter().zip(more).map(|(old, new)| (acknowledged(old, &new), new.1)).collect();
    }
    if leaves != Suspect {
        errors.disarm();
    }
    let uncertain = name.starts_with("round-");
    check_cases(&mut client, &done, uncertain, &what);
    check_churned(&mut client, &known, &what);
    check_named(&mut client, site, leaves, &what);
    let stopped = node.end();
    assert!(stopped.0 < Duration::from_secs(20), "{what}: stopped in {:?}", stopped.0);
    assert_eq!(stopped.1, leaves != Suspect, "{what}: ended with success");
    errors.disarm();
    let node = site.start();
    let mut client = node.client();
    assert!(node.banner().contains("unusable 0"), "{what}: {}", node.banner());
    check_cases(&mut client, &done, true, &format!("{what}, started again"));
    check_churned(&mut client, &known, &format!("{what}, started again"));
    assert_eq!(client.put(&B.object("another"), &content(9, SMALL)).status, 200, "{what}");
    node.stop();
}

fn site(name: &str) -> (Site, Errors) {
    let mut site = Site::new(name);
    site.settings = "segment_bytes = 1048576\nlanes = 2\n".to_owned();
    let errors = Errors(site.root().join("errors"));
    fill(&site);
    (site, errors)
}

fn fill(site: &Site) {
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    B.put(&mut client, "source", &content(3, SMALL));
    node.stop();
}

/// Every so many steps from one on, so that they are shared out to threads of tests; on a file system of its own, because how a
/// round becomes durable depends on that. `options` are of `mkfs.ext4`.
fn fail_each(name: &str, from: usize, options: &[&str]) {
    const SHARES: usize = 3;
    let mut site = Site::new(name);
    site.settings = "segment_bytes = 1048576\nlanes = 2\n".to_owned();
    let errors = Errors(site.root().join("errors"));
    let fs = LoopFs::with_options("ext4", site.root(), 384, options);
    site.mountpath = fs.mount_point.join("mp");
    fill(&site);
    for (at, step) in STEPS.iter().enumerate().skip(from).step_by(SHARES) {
        fail_one(&site, &errors, *step, at as u64 + 1);
    }
}

#[test]
fn a_failing_step_settles_everything_without_a_journal() {
    fail_each("settle-1", 0, &["-O", "^has_journal"]);
}

/// `round-touch` is one of these steps: only where there is an ordered journal is a marker touched.
#[test]
fn a_failing_step_settles_everything_with_a_journal_1() {
    fail_each("settle-2", 1, &[]);
}

#[test]
fn a_failing_step_settles_everything_with_a_journal_2() {
    fail_each("settle-3", 2, &[]);
}

#[test]
fn a_bucket_that_cannot_be_moved_away_is_an_error_and_ends() {
    let (site, errors) = site("settle-bucket");
    let node = site.try_start_with(&[("AISNODE_ERRORS", &errors.0.display().to_string())]).unwrap();
    let mut client = node.client();
    B.put(&mut client, "large", &content(1, LARGE));
    errors.arm("bucket-trash", EIO);
    let body = br#"{"action":"destroy-bck"}"#;
    let destroyed = timed(&mut client, "DELETE", &B.path(), body).unwrap();
    assert_eq!(destroyed.status, 500, "{}", destroyed.text());
    assert!(destroyed.text().contains(&site.mountpath.display().to_string()), "{}", destroyed.text());
    let other = Bucket("other");
    other.create(&mut client);
    // The mountpath is suspect by now: nothing of this one is given up.
    let refused = timed(&mut client, "DELETE", &other.path(), body).unwrap();
    assert_eq!(refused.status, 500, "{}", refused.text());
    assert_eq!(other.list(&mut client).len(), 0);
    assert!(!node.end().1);
    errors.disarm();
    // The next start finishes the deletion.
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    assert_eq!(client.get(&B.object("large")).status, 404);
    other.destroy(&mut client);
    node.stop();
}

#[test]
fn a_core_that_ends_ends_the_node_and_leaves_nobody_waiting() {
    let (site, errors) = site("settle-core");
    let mut node = site.try_start_with(&[("AISNODE_ERRORS", &errors.0.display().to_string())]).unwrap();
    let port = node.port;
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            scope.spawn(move || {
                let mut client = Client::new(port);
                // Names of all cores, so that each asks others for something, until there is nobody left to ask.
                for at in 0.. {
                    let path = B.object(&format!("core-{thread}-{}", at % 20));
                    let to = format!("{path}?object_to=ais/@%23/{}/copy-{thread}-{}", B.0, at % 7);
                    let done = timed(&mut client, "PUT", &path, &content(at, SMALL)).is_some()
                        && timed(&mut client, "PUT", &to, b"").is_some();
                    if !done {
                        return;
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(300));
        errors.arm("mailbox", EIO);
    });
    let begun = Instant::now();
    while node.is_alive() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the rest of the node goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!node.end().1, "a core has failed");
    errors.disarm();
    let node = site.start();
    assert_eq!(node.client().get(&B.object("source")).status, 200);
    node.stop();
}
