//! Changes that race each other: conditions and merges are exact, and no acknowledged write disappears because a name or a
//! bucket was copied or renamed beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Client, Node, Site, content, numbered};

const B: Bucket = Bucket("races");
const SMALL: usize = 4000;
const LARGE: usize = 200_000;
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

fn node(site: &Site) -> Node {
    let node = site.start();
    B.create(&mut node.client());
    node
}

/// Has each of `count` clients do its part, all at once, and returns what they say.
fn at_once<T: Send>(node: &Node, count: usize, part: impl Fn(&mut Client, usize) -> T + Sync) -> Vec<T> {
    let gate = Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|at| {
                let (gate, part) = (&gate, &part);
                scope.spawn(move || {
                    let mut client = node.client();
                    // Connected before the start.
                    client.get("/v1/health");
                    gate.wait();
                    part(&mut client, at)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn one_of_many_creates() {
    const CLIENTS: usize = 32;
    const ROUNDS: u64 = 60;
    let site = Site::new("races-create");
    let node = node(&site);
    let gate = Barrier::new(CLIENTS);
    let winners: Vec<BTreeMap<u64, u64>> = at_once(&node, CLIENTS, |client, at| {
        let mut won = BTreeMap::new();
        for round in 0..2 * ROUNDS {
            let size = if round % 2 == 0 { SMALL } else { LARGE };
            let body = numbered(round, at as u64, size);
            gate.wait();
            let path = B.object(&format!("o{round}"));
            let reply = client.call("PUT", &path, &[("If-None-Match", "*")], &body);
            assert!(matches!(reply.status, 200 | 412), "{} {}", reply.status, reply.text());
            if reply.status == 200 {
                won.insert(round, at as u64);
            }
        }
        won
    });
    let mut client = node.client();
    for round in 0..2 * ROUNDS {
        let won: Vec<u64> = winners.iter().filter_map(|won| won.get(&round).copied()).collect();
        assert_eq!(won.len(), 1, "round {round}: {won:?} have created the object");
        let size = if round % 2 == 0 { SMALL } else { LARGE };
        let body = client.get(&B.object(&format!("o{round}"))).body;
        assert!(body == numbered(round, won[0], size), "round {round}: the winner's bytes are not there");
    }
    node.stop();
}

#[test]
fn one_of_many_replaces_a_version() {
    const CLIENTS: usize = 16;
    let site = Site::new("races-replace");
    let node = node(&site);
    let mut client = node.client();
    for (round, size) in [SMALL, LARGE].into_iter().cycle().take(30).enumerate() {
        let path = B.object(&format!("o{}", round % 4));
        client.put(&path, &content(round as u64, size));
        let tag = client.head(&path).header("ETag").to_owned();
        let deletes = round % 3 == 2;
        let statuses = at_once(&node, CLIENTS, |client, at| {
            let condition = [("If-Match", tag.as_str())];
            let body = numbered(99, at as u64, size);
            let method = if deletes && at % 2 == 0 { "DELETE" } else { "PUT" };
            let body = if method == "PUT" { &body[..] } else { b"" };
            client.call(method, &path, &condition, body).status
        });
        let done = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(done, 1, "round {round}: {statuses:?}");
    }
    node.stop();
}

#[test]
fn no_metadata_are_lost() {
    const CLIENTS: usize = 16;
    const EACH: usize = 10;
    let site = Site::new("races-patch");
    let node = node(&site);
    for (name, size) in [("small", SMALL), ("large", LARGE)] {
        let path = B.object(name);
        node.client().put(&path, &content(1, size));
        at_once(&node, CLIENTS, |client, at| {
            for number in 0..EACH {
                let body = format!(r#"{{"action":"","value":{{"k{at}-{number}":"v"}}}}"#);
                let reply = client.call("PATCH", &path, &JSON, body.as_bytes());
                assert_eq!(reply.status, 200, "{}", reply.text());
            }
        });
        let reply = node.client().get(&path);
        let there: BTreeSet<&str> = reply
            .headers
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case("ais-custom-md"))
            .filter_map(|(_, pair)| pair.split('=').next())
            .collect();
        assert_eq!(there.len(), CLIENTS * EACH, "{name}");
        assert!(reply.body == content(1, size));
    }
    node.stop();
}

/// A writer that numbers what it writes, and renaming beside it: the last acknowledged write is under one of the names.
#[test]
fn a_rename_takes_no_acknowledged_write_away() {
    let site = Site::new("races-rename");
    let node = node(&site);
    for size in [SMALL, LARGE] {
        let ended = AtomicBool::new(false);
        let (acknowledged, renamed) = (AtomicU64::new(0), AtomicU64::new(0));
        let (old, new) = (B.object("old"), B.object("new"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = node.client();
                for number in 1..=150 {
                    assert_eq!(client.put(&old, &numbered(7, number, size)).status, 200);
                    acknowledged.store(number, Ordering::SeqCst);
                }
                ended.store(true, Ordering::SeqCst);
            });
            scope.spawn(|| {
                let mut client = node.client();
                while !ended.load(Ordering::SeqCst) {
                    let before = acknowledged.load(Ordering::SeqCst);
                    let reply = client.call("POST", &old, &JSON, br#"{"action":"rename-obj","name":"new"}"#);
                    assert!(matches!(reply.status, 200 | 404), "{}", reply.text());
                    // The new name holds what was there before or something later.
                    if reply.status == 200 {
                        renamed.fetch_add(1, Ordering::SeqCst);
                        let body = client.get(&new).body;
                        let later = (before..=150).any(|number| body == numbered(7, number, size));
                        assert!(later, "an older version than {before} was renamed");
                    }
                }
            });
        });
        let mut client = node.client();
        let bodies = [client.get(&old), client.get(&new)].map(|reply| reply.body);
        assert!(bodies.contains(&numbered(7, 150, size)), "the last acknowledged write is gone");
        assert!(renamed.load(Ordering::SeqCst) > 0, "nothing was renamed beside the writes");
        client.delete(&old);
        client.delete(&new);
    }
    node.stop();
}

#[test]
fn a_copy_of_what_is_overwritten_is_one_of_its_versions() {
    let site = Site::new("races-copy");
    let node = node(&site);
    for size in [SMALL, LARGE] {
        let (from, to) = (B.object("from"), B.object("to"));
        node.client().put(&from, &numbered(3, 0, size));
        let (ended, copied) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = node.client();
                for number in 1..=200 {
                    assert_eq!(client.put(&from, &numbered(3, number, size)).status, 200);
                }
                ended.store(true, Ordering::SeqCst);
            });
            scope.spawn(|| {
                let mut client = node.client();
                while !ended.load(Ordering::SeqCst) {
                    let copy = format!("{from}?object_to=ais/@%23/{}/to", B.0);
                    let reply = client.put(&copy, b"");
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    copied.fetch_add(1, Ordering::SeqCst);
                    let body = client.get(&to).body;
                    assert!((0..=200).any(|number| body == numbered(3, number, size)), "a mixed copy");
                }
            });
        });
        assert!(copied.load(Ordering::SeqCst) > 0, "nothing was copied beside the writes");
    }
    node.stop();
}

fn wait_for_job(client: &mut Client, id: &str) -> serde_json::Value {
    let begun = Instant::now();
    loop {
        let body = format!(r#"{{"id":"{id}"}}"#);
        let status = client.call("GET", "/v1/cluster?what=status", &JSON, body.as_bytes()).json();
        let ended = &status["end_time"];
        if !(ended == "0" || ended == 0 || ended.is_null()) {
            return status;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn rename_bucket(client: &mut Client, from: Bucket, to: Bucket) -> String {
    let path = format!("{}?bck_to=ais%2F%40%23%2F{}%2F", from.path(), to.0);
    let reply = client.call("POST", &path, &JSON, br#"{"action":"move-bck"}"#);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

#[test]
fn a_bucket_is_renamed_with_every_acknowledged_write() {
    let site = Site::new("races-bucket");
    let node = site.start();
    for round in 0..6u64 {
        let (from, to) = (Bucket("from"), Bucket("to"));
        from.create(&mut node.client());
        let written: Vec<Vec<String>> = at_once(&node, 6, |client, at| {
            let mut written = Vec::new();
            if at == 0 {
                std::thread::sleep(Duration::from_millis(100 + 20 * round));
                let id = rename_bucket(client, from, to);
                wait_for_job(client, id.trim());
                return written;
            }
            for number in 0.. {
                let name = format!("w{at}-{number}");
                let size = if number % 5 == 4 { LARGE } else { SMALL };
                let reply = client.put(&from.object(&name), &content(number, size));
                if reply.status != 200 {
                    assert!(matches!(reply.status, 403 | 404 | 409), "{}", reply.text());
                    break;
                }
                written.push(name);
            }
            written
        });
        let mut client = node.client();
        let there: BTreeSet<String> = to.list(&mut client).into_iter().collect();
        let lost: Vec<&String> = written.iter().flatten().filter(|name| !there.contains(*name)).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?} of {}", there.len());
        to.destroy(&mut client);
    }
    node.stop();
}

#[test]
fn a_bucket_made_anew_is_not_destroyed_by_the_renaming_of_the_old_one() {
    let site = Site::new("races-anew");
    let node = site.start();
    let mut client = node.client();
    let (from, to) = (Bucket("from"), Bucket("to"));
    from.create(&mut client);
    for number in 0..400 {
        from.put(&mut client, &format!("o{number}"), &content(number, SMALL));
    }
    let id = rename_bucket(&mut client, from, to);
    from.destroy(&mut client);
    from.create(&mut client);
    from.put(&mut client, "precious", &content(1, LARGE));
    let status = wait_for_job(&mut client, id.trim());
    assert_ne!(status["err"], "", "the job cannot have done what it was to do: {status}");
    assert!(client.get(&from.object("precious")).body == content(1, LARGE), "the new bucket is gone");
    assert_eq!(from.put(&mut client, "more", b"more").status, 200);
    node.stop();
}
