//! A payload passes no copy in user space on its way out, and on its way in none but that of framing.
//!
//! The kernel watches the node's every call of `memcpy` and `memmove` (one function in glibc) of 1 KiB or more by a
//! uprobe, while objects are read and written. A chunked body, whose framing has to be taken out, is the control: its
//! copy must be seen. Not seen are copies that the compiler has inlined; those are of a fixed and small length.
//!
//! Runs as root; on kernels without uprobe events it says so and shows nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Bucket, Client, Node, Site, content, require_root};

const B: Bucket = Bucket("copies");
const TRACING: &str = "/sys/kernel/tracing";
const MIB: usize = 1 << 20;

/// A line of `/proc/PID/maps`.
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    file: String,
}

fn mappings(node: &Node) -> Vec<Mapping> {
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let text = fs::read_to_string(format!("/proc/{}/maps", node.pid())).unwrap();
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let backed = lines.filter(|words| words.len() == 6 && words[5].starts_with('/'));
    backed
        .map(|words| {
            let (start, end) = words[0].split_once('-').unwrap();
            Mapping { start: hex(start), end: hex(end), offset: hex(words[2]), file: words[5].to_owned() }
        })
        .collect()
}

/// Where the functions that the node calls lie: (file, offset). The loader has chosen the form for this processor and
/// noted it in the node's table of addresses.
fn copy_functions(node: &Node) -> BTreeSet<(String, u64)> {
    let binary = env!("CARGO_BIN_EXE_aisnode");
    let listed = Command::new("readelf").args(["-rW", binary]).output().expect("readelf (package binutils)");
    let mappings = mappings(node);
    let real = fs::canonicalize(binary).unwrap().display().to_string();
    let base =
        mappings.iter().find(|m| m.file == real && m.offset == 0).expect("the node's own mapping").start;
    let memory = fs::File::open(format!("/proc/{}/mem", node.pid())).unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let slots = listed.lines().filter(|line| line.contains(" memcpy@") || line.contains(" memmove@"));
    slots
        .map(|line| {
            let slot = u64::from_str_radix(line.split_whitespace().next().unwrap(), 16).unwrap();
            let mut address = [0; 8];
            memory.read_exact_at(&mut address, base + slot).unwrap();
            let address = u64::from_le_bytes(address);
            let home = mappings.iter().find(|m| (m.start..m.end).contains(&address)).unwrap();
            (home.file.clone(), address - home.start + home.offset)
        })
        .collect()
}

/// Watches the copies of one node; undone when dropped.
struct Watch {
    instance: PathBuf,
    group: String,
    probes: usize,
    node: u32,
    mounted: bool,
}

impl Watch {
    /// `None` when this kernel cannot do it.
    fn new(node: &Node) -> Option<Self> {
        require_root();
        let events = Path::new(TRACING).join("uprobe_events");
        let mounted = !Path::new(TRACING).join("trace").exists()
            && Command::new("mount").args(["-t", "tracefs", "nodev", TRACING]).status().unwrap().success();
        let group = format!("straightline{}", std::process::id());
        let instance = Path::new(TRACING).join("instances").join(&group);
        let mut this = Self { instance, group, probes: 0, node: node.pid(), mounted };
        if !events.exists() {
            return None;
        }
        fs::create_dir(&this.instance).unwrap();
        for (file, offset) in copy_functions(node) {
            let probe = format!("p:{}/copy{} {file}:{offset:#x} len=%dx:u64\n", this.group, this.probes);
            fs::File::options().append(true).open(&events).unwrap().write_all(probe.as_bytes()).unwrap();
            let event = this.instance.join("events").join(&this.group).join(format!("copy{}", this.probes));
            this.probes += 1;
            fs::write(event.join("filter"), "len >= 1024").unwrap();
            fs::write(event.join("enable"), "1").unwrap();
        }
        assert!(this.probes > 0, "the node calls no function to copy");
        Some(this)
    }

    /// Bytes that the node copies while `act` runs.
    fn copied(&self, act: impl FnOnce()) -> usize {
        fs::write(self.instance.join("trace"), "").unwrap();
        act();
        let trace = fs::read_to_string(self.instance.join("trace")).unwrap();
        let lines = trace.lines().filter_map(|line| {
            // `  name-123  [001] ....: copy0: (0x7f...) len=4096`; other processes use the same library.
            let thread = line.split("  [").next()?.trim().rsplit('-').next()?.trim();
            let ours = Path::new(&format!("/proc/{}/task/{thread}", self.node)).exists();
            line.rsplit_once("len=").filter(|_| ours)?.1.parse::<usize>().ok()
        });
        lines.sum()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for at in 0..self.probes {
            let event = self.instance.join("events").join(&self.group).join(format!("copy{at}"));
            let _ = fs::write(event.join("enable"), "0");
            let events = fs::File::options().append(true).open(Path::new(TRACING).join("uprobe_events"));
            let _ =
                events.and_then(|mut file| file.write_all(format!("-:{}/copy{at}\n", self.group).as_bytes()));
        }
        let _ = fs::remove_dir(&self.instance);
        if self.mounted {
            let _ = Command::new("umount").arg(TRACING).status();
        }
    }
}

fn put_chunked(client: &mut Client, name: &str, bytes: &[u8]) {
    let head = format!("PUT {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", B.object(name));
    let size = format!("{:x}\r\n", bytes.len());
    client.send(&[head.as_bytes(), size.as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat()).unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
}

#[test]
fn payloads_are_not_copied() {
    let site = Site::new("copies");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let watch = Watch::new(&node).expect("this test needs root, binutils and a kernel with uprobe events");
    // A request by itself costs this much, whatever its payload: futures and heads.
    let overhead = 128 << 10;
    for size in [4 * MIB, 16 * MIB] {
        let bytes = content(size as u64, size);
        let control = watch.copied(|| put_chunked(&mut client, "chunked", &bytes));
        assert!(control >= size, "the control of {size} bytes: only {control} seen");
        let put = watch.copied(|| drop(B.put(&mut client, "o", &bytes)));
        // Bytes that are received together with the head are moved once.
        assert!(put < overhead, "PUT of {size} bytes: {put} copied");
        let get = watch.copied(|| assert!(client.get(&B.object("o")).body == bytes));
        assert!(get < overhead, "GET of {size} bytes: {get} copied");
        eprintln!("{size} bytes: chunked PUT copies {control}, PUT {put}, GET {get}");
    }
    // Small objects: from the disk, then from memory.
    let bytes = content(1, 64 << 10);
    B.put(&mut client, "small", &bytes);
    for _ in 0..2 {
        let get =
            watch.copied(|| (0..32).for_each(|_| assert!(client.get(&B.object("small")).body == bytes)));
        eprintln!("32 GETs of 64 KiB: {get} bytes copied");
        assert!(get < 32 * bytes.len(), "32 GETs of {} bytes: {get} copied", bytes.len());
    }
    drop(watch);
    node.stop();
}
