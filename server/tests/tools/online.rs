//! `store check` beside a node that is written to.

use crate::damage::Victim;
use crate::run::*;
use crate::support::{Client, Site, content, metric};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Checks, one after the other.
const TURNS: usize = 20;

/// Changes names of its own, all the time.
fn change(port: u16, thread: u64, stop: &AtomicBool) -> u64 {
    let mut client = Client::new(port);
    let mut dice = Dice(0x77 + thread);
    let mut changes = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("busy/{thread}/{}", dice.roll(40));
        match dice.roll(20) {
            0..=9 => drop(B.put(&mut client, &name, &content(changes, dice.roll(30_000)))),
            10 | 11 => drop(B.put(&mut client, &name, &content(changes, 131_072 + dice.roll(400_000)))),
            12 => {
                if client.head(&B.object(&name)).status == 200 {
                    set_custom(&mut client, B, &name, "turn", &changes.to_string());
                }
            }
            _ => drop(client.delete(&B.object(&name))),
        }
        changes += 1;
    }
    changes
}

/// Waits until segments are no longer moved about; returns how many have been reclaimed.
fn settled(client: &mut Client) -> u64 {
    let mut before = u64::MAX;
    loop {
        let now = metric(client, "straightline_segments_reclaimed_total");
        if now == before {
            return now;
        }
        before = now;
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Ends the writers, whatever becomes of the test.
struct StopOnDrop<'s>(&'s AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_check_beside_changes_has_no_false_findings() {
    let mut site = Site::new("tools-online");
    populate(&mut site, false);
    let node = site.start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let port = node.port;
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                scope.spawn({
                    let stop = &stop;
                    move || change(port, thread, stop)
                })
            })
            .collect();
        let stopping = StopOnDrop(&stop);
        for turn in 0..TURNS {
            let ran = check(&site);
            assert_eq!(ran.code, 0, "{turn}: {}", ran.text());
            assert!(ran.err.contains("asking the node"), "{}", ran.err);
            assert!(ran.json()["checked"]["objects"].as_u64().unwrap() > 80, "{}", ran.text());
        }
        drop(stopping);
        let changes: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        assert!(changes > 100, "{changes}");
    });
    assert!(settled(&mut node.client()) > 0, "nothing was reclaimed");

    // Damage beneath a running node.
    let (segment, at) = site.segment_of(B.0, "s/055");
    Victim::File(segment, at as u64 + 3).flip(0);
    Victim::File(site.object_file(B.0, "l/1048576"), 1 << 19).flip(1);
    let found = findings(&site, "online");
    for object in ["ais://tools/s/055", "ais://tools/l/1048576"] {
        let is_it = |finding: &Value| finding["object"] == object && finding["class"] == "damaged";
        assert!(found.iter().any(is_it), "{object}: {found:?}");
    }
    let jobs = node.client().call("GET", "/v1/cluster?what=status", &[], br#"{"kind":"store-check"}"#).json();
    assert!(jobs["err"].as_str().unwrap().contains("damaged") && jobs["end_time"] != 0, "{jobs}");
    node.stop();
    let offline = findings(&site, "offline");
    assert!(offline.iter().filter(|finding| finding["class"] == "damaged").count() >= 2, "{offline:?}");
}
