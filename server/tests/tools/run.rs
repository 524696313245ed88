//! Running the tools, and data for them to run on.

use crate::support::{Bucket, Client, Site, content};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const B: Bucket = Bucket("tools");
pub(crate) const OTHER: Bucket = Bucket("other");
/// Destroyed before the tools look.
pub(crate) const GONE: Bucket = Bucket("gone");
pub(crate) const ATTRIBUTE: &str = "user.straightline";
/// Bits turned over; `FLIPS` says another number.
const FLIPS: usize = 150;
/// Only a guard against a hang; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Bits that a test turns over.
pub(crate) fn flips() -> usize {
    std::env::var("FLIPS").map_or(FLIPS, |text| text.parse().unwrap())
}

/// The outcome of a tool.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", String::from_utf8_lossy(&self.out), self.err)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// Runs a tool to its end, which it must come to without a panic.
pub(crate) fn tool(site: &Site, args: &[&str]) -> Ran {
    let (out, err) = (site.root().join("tool.out"), site.root().join("tool.err"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_aisnode"))
        .arg("store")
        .args(args)
        .arg("--data-dir")
        .arg(&site.data_dir)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{args:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let ran = Ran {
        code: status.code().unwrap_or(-1),
        out: fs::read(&out).unwrap(),
        err: fs::read_to_string(&err).unwrap(),
    };
    assert!(!ran.err.contains("panicked") && matches!(ran.code, 0..=2), "{args:?}: {}", ran.text());
    ran
}

pub(crate) fn check(site: &Site) -> Ran {
    tool(site, &["check", "--json"])
}

pub(crate) fn assert_clean(site: &Site, when: &str) {
    let ran = check(site);
    assert_eq!(ran.code, 0, "{when}: {}", ran.text());
    assert_eq!((&ran.json()["damaged"], &ran.json()["leftover"]), (&0.into(), &0.into()), "{when}");
}

/// Checks and returns what is said; there must be something.
pub(crate) fn findings(site: &Site, what: &str) -> Vec<Value> {
    let ran = check(site);
    assert_eq!(ran.code, 1, "{what}: {}", ran.text());
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    assert!(!findings.is_empty(), "{what}");
    findings
}

pub(crate) fn set_custom(client: &mut Client, bucket: Bucket, name: &str, key: &str, value: &str) {
    let message = serde_json::json!({ "action": "", "value": { key: value } }).to_string();
    let reply = client.call("PATCH", &bucket.object(name), &[], message.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Objects of all kinds, with a history: small and large, overwritten, deleted, changed, over several lives of the node.
pub(crate) fn populate(site: &mut Site, with_sidecar: bool) {
    site.settings.push_str("segment_bytes = 1048576\n");
    let node = site.start();
    let mut client = node.client();
    [B, OTHER, GONE].into_iter().for_each(|bucket| bucket.create(&mut client));
    for at in 0..120 {
        B.put(&mut client, &format!("s/{at:03}"), &content(at, (at as usize * 397) % 20_000));
        GONE.put(&mut client, &format!("s/{at:03}"), &content(at, 3000));
    }
    for (at, size) in [0, 1, 511, 512, 513, 4096, 65_536, 65_537, 131_071].into_iter().enumerate() {
        B.put(&mut client, &format!("edge/{size}"), &content(at as u64, size));
        OTHER.put(&mut client, &format!("{size}"), &content(at as u64 + 50, size));
    }
    for (at, size) in [131_072, 200_000, 1 << 20, 3_000_001].into_iter().enumerate() {
        B.put(&mut client, &format!("l/{size}"), &content(at as u64, size));
        GONE.put(&mut client, &format!("l/{size}"), &content(at as u64, size));
    }
    node.stop();
    let node = site.start();
    let mut client = node.client();
    // Small over small, large over small, small over large, large over large; deleted; changed.
    for at in 0..40 {
        B.put(&mut client, &format!("s/{at:03}"), &content(at + 500, 2000));
        assert_eq!(client.delete(&B.object(&format!("s/{:03}", at + 60))).status, 200);
    }
    B.put(&mut client, "s/100", &content(1, 140_000));
    B.put(&mut client, "l/131072", &content(2, 100));
    B.put(&mut client, "l/200000", &content(3, 210_000));
    B.put(&mut client, "ü/日本", &content(4, 777));
    B.put(&mut client, "deleted", &content(4, 300_000));
    assert_eq!(client.delete(&B.object("deleted")).status, 200);
    set_custom(&mut client, B, "s/050", "color", "red");
    set_custom(&mut client, B, "l/1048576", "color", "blue");
    GONE.destroy(&mut client);
    if with_sidecar {
        B.put(&mut client, "l/sidecar", &content(7, 55 << 20));
    }
    node.stop();
}
