//! Power cuts under load, and a full disk, on file systems of their own. Runs as root.
//!
//! The cut is the file system's own shutdown without a flush of its log: nothing that it had not yet written reaches
//! the device any more. It cannot show a device that loses its own cache; the flushes inside the file system's
//! journal are for that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Client, Known, LoopFs, Node, Site, Writes, content, require_root};

const B: Bucket = Bucket("power");
/// Few names, so that most writes are overwrites; small and large ones, odd lengths among them.
const WRITES: Writes = Writes {
    bucket: B,
    sources: Bucket("sources"),
    threads: 6,
    names: 24,
    sizes: &[4096, 5000, 65_536, 70_001, 262_144, 1 << 20, 16_384, 999_999],
    favours_some: false,
    disk_may_fail: true,
};
/// Cuts for each file system.
const CUTS: u32 = 2;

/// Load on all threads, and the cut in its midst.
fn load_and_cut(node: Node, fs: &LoopFs, known: &mut [Vec<Known>], load: Duration) {
    let go_on = AtomicBool::new(true);
    let (port, flag) = (node.port, &go_on);
    std::thread::scope(|scope| {
        for (thread, known) in (0..).zip(known) {
            scope.spawn(move || WRITES.write_until_failure(port, thread, known, flag));
        }
        std::thread::sleep(load);
        fs.cut_power();
        // Acknowledgements after the cut would be lies, and must hold as well: the load goes on into it.
        std::thread::sleep(Duration::from_millis(200));
        node.kill();
        go_on.store(false, Ordering::Relaxed);
    });
}

fn power_cuts(kind: &'static str) {
    let mut site = Site::new(&format!("cut-{kind}"));
    let mut fs = LoopFs::new(kind, site.root(), 640);
    site.mountpath = fs.mount_point.join("mp");
    site.data_dir = fs.mount_point.join("data");
    let mut node = site.start();
    WRITES.create_buckets(&mut node.client());
    let mut known = WRITES.nothing_known();
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
        let present = WRITES.verify(&mut client, &mut known).unwrap_or_else(|why| panic!("cut {cut}: {why}"));
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

/// Takes every block that is left.
fn take_the_rest(path: &std::path::Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, 4096] {
        while file.write_all(&vec![1; size]).and_then(|()| file.sync_data()).is_ok() {}
    }
}

#[test]
fn a_disk_full_of_small_objects_starts_and_gives_its_room_back() {
    require_root();
    const SIZE: usize = 20_000;
    let mut site = Site::new("brim");
    let fs = LoopFs::new("ext4", site.root(), 128);
    site.mountpath = fs.mount_point.join("mp");
    let node = site.start();
    B.create(&mut node.client());
    let stored = fill_up(&mut node.client(), "old", SIZE);
    assert!(stored > 2000, "{stored}");
    // Somebody else takes what is kept for emergencies, and the node dies.
    let foreign = fs.mount_point.join("foreign");
    take_the_rest(&foreign);
    node.kill();
    let node = site.start();
    let mut client = node.client();
    assert_stored(&mut client, "old", SIZE, stored);
    // The start has cut off what was allocated ahead.
    let more = fs.mount_point.join("more");
    take_the_rest(&more);
    assert_eq!(client.put(&B.object("new/0"), &content(0, SIZE)).status, 507);
    std::fs::remove_file(foreign).unwrap();
    std::fs::remove_file(more).unwrap();
    let deleted = stored - stored / 4;
    for at in 0..deleted {
        assert_eq!(client.delete(&B.object(&format!("old/{at}"))).status, 200, "old/{at}");
    }
    // The upkeep has to write on the full disk before it can remove. Segments with little out of use in them stay.
    let begun = Instant::now();
    let written = deleted / 4 * 3;
    for at in 0..written {
        while client.put(&B.object(&format!("new/{at}")), &content(at, SIZE)).status == 507 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{at} of {written} found room");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_stored(&mut client, "new", SIZE, written);
    assert_eq!(B.list(&mut client).len() as u64, stored - deleted + written);
    node.stop();
    drop(fs);
}
