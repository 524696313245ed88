//! Power cuts under load, and a full disk, on file systems of their own. Runs as root.
//!
//! The cut is the file system's own shutdown without a flush of its log: nothing that it had not yet written reaches
//! the device any more. What it cannot show is a device that loses its own cache; that is what the flushes inside
//! the file system's journal are for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Bucket, Client, LoopFs, Node, Site, content, numbered, require_root};

const B: Bucket = Bucket("power");
const THREADS: u64 = 6;
/// Names of each thread: few, so that most writes are overwrites.
const NAMES: u64 = 24;
/// Cuts for each file system.
const CUTS: u32 = 2;

/// What is known of one name. Its writes are numbered from 1; every seventh is a deletion.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The last that was acknowledged.
    acknowledged: u64,
    /// The last that was sent.
    sent: u64,
}

fn is_deletion(number: u64) -> bool {
    number % 7 == 6
}

fn name_of(id: u64) -> String {
    format!("load/{}/{}", id % 5, id)
}

/// The content of the n-th write of a name: 4 KiB to 1 MiB, odd lengths among them.
fn written(id: u64, number: u64) -> Vec<u8> {
    let sizes = [4096, 5000, 65_536, 70_001, 262_144, 1 << 20, 16_384, 999_999];
    numbered(id, number, sizes[((id + number) % 8) as usize])
}

/// Writes until the node or its disk fails; returns what was acknowledged until then.
fn write_until_cut(port: u16, thread: u64, mut known: Vec<Known>, go_on: &AtomicBool) -> Vec<Known> {
    let mut client = Client::new(port);
    let mut turn = thread;
    while go_on.load(Ordering::Relaxed) {
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (turn >> 33) % NAMES;
        let (id, mut this) = (thread * NAMES + at, known[at as usize]);
        this.sent += 1;
        known[at as usize] = this;
        let path = B.object(&name_of(id));
        let outcome = if is_deletion(this.sent) {
            client.request("DELETE", &path, &[], b"")
        } else {
            client.request("PUT", &path, &[], &written(id, this.sent))
        };
        match outcome {
            // A deletion of what an earlier cut has taken is as good.
            Ok(reply) if reply.status == 200 || (reply.status == 404 && is_deletion(this.sent)) => {
                known[at as usize].acknowledged = this.sent;
            }
            Ok(reply) if reply.status < 500 => panic!("{}: {}", reply.status, reply.text()),
            _ => return known,
        }
    }
    known
}

/// Load on all threads, and the cut in its midst.
fn load_and_cut(node: Node, fs: &LoopFs, known: &mut [Vec<Known>], load: Duration) {
    let go_on = AtomicBool::new(true);
    let (port, flag) = (node.port, &go_on);
    std::thread::scope(|scope| {
        let writers: Vec<_> = known
            .iter()
            .cloned()
            .zip(0..)
            .map(|(known, thread)| scope.spawn(move || write_until_cut(port, thread, known, flag)))
            .collect();
        std::thread::sleep(load);
        fs.cut_power();
        // Acknowledgements after the cut would be lies, and must hold as well: the load goes on into it.
        std::thread::sleep(Duration::from_millis(200));
        node.kill();
        go_on.store(false, Ordering::Relaxed);
        for (known, writer) in known.iter_mut().zip(writers) {
            *known = writer.join().unwrap();
        }
    });
}

/// Every name holds its last acknowledged write, or one that was sent after it, whole.
fn verify(client: &mut Client, known: &mut [Vec<Known>]) -> Result<u64, String> {
    let mut present = 0;
    let all = known.iter_mut().flatten().zip(0..);
    for (known, id) in all {
        let reply = client.get(&B.object(&name_of(id)));
        let possible = known.acknowledged..=known.sent;
        let may_be_absent = known.acknowledged == 0 || possible.clone().any(is_deletion);
        let found = match reply.status {
            404 if may_be_absent => 0,
            200 if reply.complete && reply.body.len() >= 8 => {
                u64::from_le_bytes(reply.body[..8].try_into().unwrap())
            }
            status => return Err(format!("{}: {status} {}, {known:?}", name_of(id), reply.text())),
        };
        if found > 0 {
            if !possible.contains(&found) || is_deletion(found) || reply.body != written(id, found) {
                return Err(format!("{}: write {found}, known {known:?}", name_of(id)));
            }
            present += 1;
        }
        // What was in the air has landed now or never will; a name in doubt goes on from a write of its own.
        if found != known.sent && !(found == 0 && is_deletion(known.sent)) {
            known.sent += if is_deletion(known.sent + 1) { 2 } else { 1 };
            B.put(client, &name_of(id), &written(id, known.sent));
        }
        known.acknowledged = known.sent;
    }
    Ok(present)
}

fn power_cuts(kind: &'static str) {
    let mut site = Site::new(&format!("cut-{kind}"));
    let mut fs = LoopFs::new(kind, site.root(), 640);
    site.mountpath = fs.mount_point.join("mp");
    site.data_dir = fs.mount_point.join("data");
    let mut node = site.start();
    B.create(&mut node.client());
    let mut known = vec![vec![Known::default(); NAMES as usize]; THREADS as usize];
    let cuts = std::env::var("POWER_CUTS").map_or(CUTS, |text| text.parse().unwrap());
    let mut writes_before = 0;
    for cut in 0..cuts {
        load_and_cut(node, &fs, &mut known, Duration::from_millis(700 + 137 * u64::from(cut % 7)));
        fs.unmount();
        fs.mount();
        node = site.start();
        let mut client = node.client();
        assert!(node.banner().contains("unusable 0"), "cut {cut}: {}", node.banner());
        assert_eq!(site.work_files().len(), 0, "cut {cut}");
        let writes: u64 = known.iter().flatten().map(|known| known.acknowledged).sum();
        let present = verify(&mut client, &mut known).unwrap_or_else(|why| panic!("cut {cut}: {why}"));
        eprintln!(
            "{kind}, cut {cut}: {} writes acknowledged, {present} objects right",
            writes - writes_before
        );
        assert!(writes > writes_before, "cut {cut}: no load");
        writes_before = known.iter().flatten().map(|known| known.acknowledged).sum();
    }
    node.stop();
    fs.unmount();
    fs.check();
}

#[test]
fn ext4_keeps_what_was_acknowledged() {
    power_cuts("ext4");
}

#[test]
fn xfs_keeps_what_was_acknowledged() {
    power_cuts("xfs");
}

/// PUTs objects of one size until the disk is full; returns how many were stored.
fn fill_up(client: &mut Client, prefix: &str, size: usize) -> u64 {
    for at in 0.. {
        let reply = client.put(&B.object(&format!("{prefix}/{at}")), &content(at, size));
        match reply.status {
            200 => {}
            507 => {
                assert_eq!(reply.json()["tcode"], "ErrCapacityExceeded", "{}", reply.text());
                return at;
            }
            other => panic!("{prefix}/{at}: {other} {}", reply.text()),
        }
    }
    unreachable!("the disk never fills up")
}

fn assert_stored(client: &mut Client, prefix: &str, size: usize, count: u64) {
    for at in 0..count {
        let reply = client.get(&B.object(&format!("{prefix}/{at}")));
        assert_eq!(reply.status, 200, "{prefix}/{at}: {}", reply.text());
        assert!(reply.body == content(at, size), "{prefix}/{at}");
    }
    assert_eq!(client.get(&B.object(&format!("{prefix}/{count}"))).status, 404, "half written");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    require_root();
    let mut site = Site::new("full");
    let fs = LoopFs::new("ext4", site.root(), 64);
    site.mountpath = fs.mount_point.join("mp");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    // First with large objects, then into what they have left.
    let large = fill_up(&mut client, "large", 3_000_001);
    let small = fill_up(&mut client, "small", 50_000);
    assert!(large > 10, "{large}");
    let stored = (large + small) as usize;
    assert_eq!(B.list(&mut client).len(), stored);
    assert_eq!(site.work_files().len(), 0);

    // An overwrite needs room for both: refused, and the old one stays.
    assert_eq!(client.put(&B.object("large/0"), &content(77, 3_000_001)).status, 507);
    // Chunked: the length is not known before.
    let chunked =
        format!("PUT {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", B.object("chunked"));
    client.send(chunked.as_bytes()).unwrap();
    let chunk = [b"2dc6c0\r\n".as_slice(), &content(5, 3_000_000), b"\r\n0\r\n\r\n"].concat();
    let _ = client.send(&chunk);
    assert_eq!(client.read_reply("PUT").unwrap().status, 507);
    client.close();

    assert_stored(&mut client, "large", 3_000_001, large);
    assert_stored(&mut client, "small", 50_000, small);
    assert_eq!(B.list(&mut client).len(), stored);
    assert_eq!(site.work_files().len(), 0);

    // Deleting works while there is no room, and makes some.
    for at in 0..3 {
        assert_eq!(client.delete(&B.object(&format!("large/{at}"))).status, 200);
    }
    for at in 0..2 {
        let reply = client.put(&B.object(&format!("large/{at}")), &content(at, 3_000_001));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    node.stop();
    let node = site.start();
    let mut client = node.client();
    assert!(node.banner().contains("unusable 0"), "{}", node.banner());
    assert_stored(&mut client, "small", 50_000, small);
    assert_eq!(B.list(&mut client).len(), stored - 1);
    node.stop();
    drop(fs);
}
