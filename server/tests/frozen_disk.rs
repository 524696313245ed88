//! A file system that stands still holds up nobody who does not need it. Runs as root.
//!
//! A frozen file system makes everything wait that would change it: creating, allocating, renaming, removing, setting an
//! attribute, writing. The node has one core, so a single such call on the core's thread would be seen at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Client, LoopFs, Node, Site, content, metric, require_root};

const B: Bucket = Bucket("frozen");
/// Objects of this size are plain files.
const LARGE: usize = 700_000;
const SMALL: usize = 5_000;
/// No other request may take so long while one file system stands still. A core that waited for it would answer none, as it
/// goes on only behind the last of them; this leaves a busy machine its time.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const STANDSTILL: Duration = Duration::from_secs(3);
/// More than the kernel has threads for operations of one ring that wait, as long as it is not told otherwise.
const HALF_SENT: usize = 24;

/// A connection with a PUT whose body has come to its middle.
struct HalfSent {
    client: Client,
    name: String,
    rest: Vec<u8>,
}

fn half_send(node: &Node, name: &str, bytes: &[u8]) -> HalfSent {
    let mut client = node.client();
    let head =
        format!("PUT {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", B.object(name), bytes.len());
    client.send(head.as_bytes()).unwrap();
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    client.stream().unwrap().write_all(half).unwrap();
    HalfSent { client, name: name.to_owned(), rest: rest.to_vec() }
}

/// Names whose objects lie on this mountpath.
fn names_on<'n>(mountpath: &Path, names: &'n [String]) -> Vec<&'n str> {
    let file = |name: &str| mountpath.join("@ais").join(B.0).join("%ob").join(name.replace('/', "%/"));
    let names = names.iter().map(String::as_str).filter(|name| file(name).exists());
    let names: Vec<&str> = names.collect();
    assert!(names.len() >= 8, "{names:?} on {}", mountpath.display());
    names
}

/// Everything that does not change the frozen file system, again and again; returns how often and the longest answer.
fn ask_around(node: &Node, frozen: &[&str], sound: &[&str]) -> (u32, Duration) {
    let (mut client, mut rounds, mut longest) = (node.client(), 0, Duration::ZERO);
    let started = Instant::now();
    while started.elapsed() < STANDSTILL {
        let mut timed = |what: &str, ask: &mut dyn FnMut(&mut Client) -> u16| {
            let begun = Instant::now();
            let status = ask(&mut client);
            longest = longest.max(begun.elapsed());
            assert_eq!(status, 200, "{what}");
            assert!(begun.elapsed() < ANSWER_MAX, "{what} took {:?}", begun.elapsed());
        };
        timed("health", &mut |client| client.get("/v1/health").status);
        timed("metrics", &mut |client| client.get("/metrics").status);
        timed("capacity", &mut |client| client.get("/v1/daemon?what=disk").status);
        timed("system", &mut |client| client.get("/v1/daemon?what=sysinfo").status);
        for name in sound {
            let seed = u64::from(rounds);
            timed("PUT of a file", &mut |client| client.put(&B.object(name), &content(seed, LARGE)).status);
            timed("GET of a file", &mut |client| client.get(&B.object(name)).status);
            timed("DELETE", &mut |client| client.delete(&B.object(name)).status);
            timed("small PUT", &mut |client| client.put(&B.object(name), &content(seed, SMALL)).status);
            timed("small GET", &mut |client| client.get(&B.object(name)).status);
        }
        for name in frozen {
            timed("GET from the frozen file system", &mut |client| client.get(&B.object(name)).status);
        }
        rounds += 1;
    }
    (rounds, longest)
}

/// Freezes, has changes wait for the thaw, and asks for everything else meanwhile.
fn stand_still(
    node: &Node,
    frozen_fs: &LoopFs,
    half_sent: Vec<HalfSent>,
    (read, changed): (&[&str], &[&str]),
    sound: &[&str],
) {
    let frozen = frozen_fs.freeze();
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let answered = &answered;
        for HalfSent { mut client, name, rest } in half_sent {
            scope.spawn(move || {
                client.send(&rest).unwrap();
                let reply = client.read_reply("PUT").unwrap();
                answered.fetch_add(1, Ordering::SeqCst);
                assert_eq!(reply.status, 200, "{name}: {}", reply.text());
            });
        }
        for (at, name) in changed.iter().enumerate() {
            scope.spawn(move || {
                let mut client = node.client();
                let reply = match at % 3 {
                    0 => client.put(&B.object(name), &content(3, LARGE)),
                    1 => client.put(&B.object(name), &content(3, SMALL)),
                    _ => client.delete(&B.object(name)),
                };
                answered.fetch_add(1, Ordering::SeqCst);
                // Another one may have removed it first.
                assert!(matches!(reply.status, 200 | 404), "{name}: {} {}", reply.status, reply.text());
            });
        }
        let (rounds, longest) = ask_around(node, read, sound);
        eprintln!("{rounds} rounds, the longest answer took {longest:?}");
        assert_eq!(answered.load(Ordering::SeqCst), 0, "a change of a frozen file system was acknowledged");
        drop(frozen);
    });
}

fn others_go_on(still: &'static str, sound: &'static str) {
    require_root();
    let mut site = Site::new(&format!("frozen-{still}"));
    let frozen_fs = LoopFs::new(still, site.root(), 400);
    let sound_fs = LoopFs::new(sound, site.root(), 400);
    site.mountpath = frozen_fs.mount_point.join("mp");
    let other = sound_fs.mount_point.join("mp");
    site.other_mountpath = Some(other.clone());
    site.settings = "cores = 1\n".to_owned();
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let names: Vec<String> = (0..48).map(|number| format!("dir{}/object{number}", number % 5)).collect();
    for name in &names {
        B.put(&mut client, name, &content(1, LARGE));
    }
    let on_frozen = names_on(&site.mountpath, &names);
    let on_sound = names_on(&other, &names);
    let (read, changed) = on_frozen.split_at(2);
    let half_sent: Vec<HalfSent> =
        (0..HALF_SENT).map(|at| half_send(&node, changed[at % changed.len()], &content(2, LARGE))).collect();
    // The node has taken in what was sent.
    std::thread::sleep(Duration::from_millis(200));
    stand_still(&node, &frozen_fs, half_sent, (read, changed), &on_sound[..4]);
    for name in read {
        assert_eq!(client.get(&B.object(name)).body, content(1, LARGE), "{name}");
    }
    for name in changed {
        let reply = client.get(&B.object(name));
        let whole = [content(2, LARGE), content(3, LARGE), content(3, SMALL)].contains(&reply.body);
        assert!(reply.status == 404 || whole, "{name}: {} {} bytes", reply.status, reply.body.len());
    }
    assert_eq!(metric(&mut client, "straightline_mountpath_suspect"), 0);
    node.stop();
}

#[test]
fn ext4_standing_still_holds_up_nobody_on_xfs() {
    others_go_on("ext4", "xfs");
}

#[test]
fn xfs_standing_still_holds_up_nobody_on_ext4() {
    others_go_on("xfs", "ext4");
}
