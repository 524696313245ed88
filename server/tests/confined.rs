//! A node in a control group of 512 MiB, and on a file system that runs out of inodes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Bucket, Cgroup, Client, LoopFs, Node, Site, content};

const B: Bucket = Bucket("confined");
const MIB: u64 = 1 << 20;
const OBJECTS: u64 = 200;
const READERS: u64 = 8;

fn put_all(node: &Node) {
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let port = node.port;
            scope.spawn(move || {
                let mut client = Client::new(port);
                for at in (reader..OBJECTS).step_by(READERS as usize) {
                    B.put(&mut client, &format!("o{at}"), &content(at, MIB as usize));
                }
            });
        }
    });
}

fn read_all(node: &Node) {
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let port = node.port;
            scope.spawn(move || {
                let mut client = Client::new(port);
                for at in 0..OBJECTS {
                    let at = (at + reader * OBJECTS / READERS) % OBJECTS;
                    let reply = client.get(&B.object(&format!("o{at}")));
                    assert!(reply.status == 200 && reply.body == content(at, MIB as usize), "o{at}");
                }
            });
        }
    });
}

#[test]
fn a_node_fits_the_control_group_that_it_is_in() {
    let group = Cgroup::new(512 * MIB);
    let mut site = Site::new("group");
    site.is_by_default = true;
    site.launcher = group.launcher();
    let node = site.start();
    let banner = node.banner();
    assert!(banner.contains("128 MiB = base"), "{banner}");
    assert!(banner.contains("a quarter of the 512 MiB that /sys/fs/cgroup/"), "{banner}");
    let mut client = node.client();
    let told = client.get("/v1/daemon?what=sysinfo").json();
    let number = |name: &str| {
        told[name].as_str().map_or_else(|| told[name].as_u64(), |text| text.parse().ok()).unwrap()
    };
    let total = number("mem_used") + number("mem_avail");
    assert!(total <= 512 * MIB && number("mem_avail") > 0, "{told}");
    B.create(&mut client);
    put_all(&node);
    read_all(&node);
    read_all(&node);
    let mut small: Vec<Client> = (0..200).map(|_| node.client()).collect();
    for (at, client) in small.iter_mut().enumerate() {
        B.put(client, &format!("small-{at}"), &content(at as u64, 20_000));
    }
    let resident = node.resident_bytes();
    eprintln!("{} MiB resident, {} MiB in the group at most", resident / MIB, group.most_bytes() / MIB);
    assert!(resident < (128 + 64) * MIB, "{} MiB resident", resident / MIB);
    assert_eq!(group.killed(), 0);
    drop(small);
    node.stop();
}

#[test]
fn a_larger_budget_than_there_is_is_warned_about() {
    let group = Cgroup::new(512 * MIB);
    let mut site = Site::new("larger");
    site.launcher = group.launcher();
    // 768 MiB, as all tests have it.
    let node = site.start();
    let banner = node.banner();
    assert!(banner.contains("WARNING     memory = 768MiB") && banner.contains("512 MiB that"), "{banner}");
    assert!(node.log_text().contains("memory = 768MiB"), "{}", node.log_text());
    node.stop();
}

/// PUTs one name after another until there is no room; returns how many were taken.
fn fill(client: &mut Client, prefix: &str, bytes: &[u8]) -> usize {
    for at in 0..5000 {
        let reply = client.put(&B.object(&format!("{prefix}{at}")), bytes);
        if reply.status == 507 {
            return at;
        }
        assert_eq!(reply.status, 200, "{prefix}{at}: {}", reply.text());
    }
    panic!("5000 files fit");
}

#[test]
fn deletions_work_when_there_is_no_inode_left() {
    let mut site = Site::new("inodes");
    let mut fs = LoopFs::with_options("ext4", site.root(), 1024, &["-N", "2000"]);
    site.mountpath = fs.mount_point.join("mp");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let large = content(1, 200_000);
    B.put(&mut client, "small-before", b"small");
    let taken = fill(&mut client, "large-", &large);
    assert!(taken > 1000, "{taken} files were taken");
    // Directories are inodes too, and an overwrite needs a new file before the old one goes.
    let reply = client.put(&B.object("a/b/c/d/e"), &large);
    assert_eq!(reply.status, 507, "{}", reply.text());
    // Small objects go into segments that are there already.
    assert_eq!(client.put(&B.object("small"), b"small").status, 200);
    assert_eq!(client.delete(&B.object("large-0")).status, 200);
    assert_eq!(client.get(&B.object("large-0")).status, 404);
    node.kill();
    let node = site.start();
    let mut client = node.client();
    fill(&mut client, "more-", &large);
    for at in 1..=100 {
        let reply = client.delete(&B.object(&format!("large-{at}")));
        assert_eq!(reply.status, 200, "large-{at}: {}", reply.text());
    }
    assert_eq!(client.delete(&B.object("small-before")).status, 200);
    node.stop();
    let node = site.start();
    let mut client = node.client();
    assert_eq!(client.get(&B.object("large-100")).status, 404);
    assert_eq!(client.get(&B.object("large-101")).body, large);
    assert_eq!(client.get(&B.object("small")).body, b"small");
    assert_eq!(client.put(&B.object("again"), &large).status, 200, "deletions made room");
    node.stop();
    fs.unmount();
}
