//! Jobs that are stopped, that lose their bucket, and that a restart finds: they end within a step, are told as aborted, and
//! leave nothing half-done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};
use support::{Bucket, Client, Reply, Site, content};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];
const FROM: Bucket = Bucket("from");
const TO: Bucket = Bucket("to");
/// A bucket of so many takes longer to copy than a test to stop it.
const COUNT: u64 = 1500;

fn fill(client: &mut Client, bucket: Bucket) -> BTreeSet<String> {
    bucket.create(client);
    // Nothing here is about durability.
    let props = r#"{"action":"set-bprops","value":{"durability":"none"}}"#;
    assert_eq!(bucket.action(client, "PATCH", props).status, 200);
    let names: Vec<String> = (0..COUNT).map(|number| format!("o{number:05}")).collect();
    for (seed, name) in (0..).zip(&names) {
        bucket.put(client, name, &content(seed, 3000));
    }
    names.into_iter().collect()
}

fn to_bucket(client: &mut Client, action: &str, from: Bucket, to: Bucket) -> String {
    let path = format!("{}?bck_to=ais%2F%40%23%2F{}%2F", from.path(), to.0);
    let reply = client.call("POST", &path, &JSON, json!({ "action": action }).to_string().as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().trim().to_owned()
}

fn ask(client: &mut Client, what: &str, query: &Value) -> Reply {
    client.call("GET", &format!("/v1/cluster?what={what}"), &JSON, query.to_string().as_bytes())
}

fn status(client: &mut Client, id: &str) -> Value {
    let reply = ask(client, "status", &json!({ "id": id }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn snap(client: &mut Client, id: &str) -> Value {
    let reply = ask(client, "qryxstats", &json!({ "id": id })).json();
    let mut targets = reply.as_object().unwrap().values();
    targets.next().unwrap()[0].clone()
}

fn copied(client: &mut Client, id: &str) -> u64 {
    snap(client, id)["stats"]["loc-objs"].as_str().unwrap().parse().unwrap()
}

/// Waits until a condition holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} never comes");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn wait(client: &mut Client, id: &str) -> Value {
    until("the end of the job", || status(client, id)["end_time"] != 0);
    status(client, id)
}

fn stop(client: &mut Client, args: &Value) -> Reply {
    let body = json!({ "action": "stop", "value": args }).to_string();
    client.call("PUT", "/v1/cluster", &JSON, body.as_bytes())
}

fn assert_aborted(client: &mut Client, id: &str, why: &str) {
    let (status, snap) = (wait(client, id), snap(client, id));
    assert!(status["aborted"] == true && status["err"].as_str().unwrap().contains(why), "{status}");
    let told = (&snap["aborted"], &snap["abort-err"], &snap["err"], &snap["is_idle"]);
    assert_eq!(told, (&json!(true), &status["err"], &json!(""), &json!(true)), "{snap}");
    assert_ne!(snap["end-time"], "0001-01-01T00:00:00Z");
}

/// The bucket has all it had, and can be changed.
fn assert_whole(client: &mut Client, bucket: Bucket, names: &BTreeSet<String>) {
    assert_eq!(&bucket.list(client).into_iter().collect::<BTreeSet<_>>(), names);
    bucket.put(client, "one-more", b"1");
    assert_eq!(client.delete(&bucket.object("one-more")).status, 200);
}

#[test]
fn a_renaming_that_is_stopped_leaves_the_old_bucket_open() {
    let site = Site::new("jobs-stop");
    let node = site.start();
    let mut client = node.client();
    let names = fill(&mut client, FROM);
    let id = to_bucket(&mut client, "move-bck", FROM, TO);
    until("the first copy", || copied(&mut client, &id) > 0);
    // While it is renamed nobody changes anything.
    assert_eq!(client.put(&FROM.object("late"), b"late").status, 403);
    let again = client.call(
        "POST",
        &format!("{}?bck_to=ais%2F%40%23%2Fthird%2F", FROM.path()),
        &JSON,
        br#"{"action":"move-bck"}"#,
    );
    assert_eq!(again.status, 409, "{}", again.text());
    assert_eq!(stop(&mut client, &json!({ "ID": id, "Kind": "rename-bucket" })).status, 200);
    assert_aborted(&mut client, &id, "user abort");
    assert_whole(&mut client, FROM, &names);
    let some = TO.list(&mut client);
    assert!(!some.is_empty() && some.len() < names.len(), "{} copied", some.len());
    assert!(some.iter().all(|name| names.contains(name)));
    // It can be renamed when the name is free.
    TO.destroy(&mut client);
    let id = to_bucket(&mut client, "move-bck", FROM, TO);
    assert_eq!(wait(&mut client, &id)["err"], "");
    assert_whole(&mut client, TO, &names);
    assert_eq!(client.head(&FROM.path()).status, 404);
    node.stop();
}

#[test]
fn after_a_crash_in_a_renaming_the_old_bucket_is_open() {
    let site = Site::new("jobs-crash");
    let node = site.start();
    let mut client = node.client();
    let names = fill(&mut client, FROM);
    let summary = ask(&mut client, "status_all", &json!({})).json();
    assert_eq!(summary, json!([]));
    let id = to_bucket(&mut client, "move-bck", FROM, TO);
    until("the first copy", || copied(&mut client, &id) > 0);
    node.kill();

    let node = site.start();
    let mut client = node.client();
    assert_aborted(&mut client, &id, "restarted");
    assert_eq!(snap(&mut client, &id)["kind"], "move-bck");
    assert_eq!(snap(&mut client, &id)["dst-bck"]["name"], "to");
    assert_eq!(ask(&mut client, "running_all", &json!({})).json(), json!([]));
    // It is open, and has nothing but its own; objects that were not durable may be gone.
    let left: BTreeSet<String> = FROM.list(&mut client).into_iter().collect();
    assert!(left.is_subset(&names));
    assert_whole(&mut client, FROM, &left);
    // A job that ended before a restart is told as it was.
    let done = to_bucket(&mut client, "copy-bck", FROM, TO);
    let before = wait(&mut client, &done);
    assert_eq!((&before["err"], &before["aborted"]), (&json!(""), &json!(false)));
    let snap_before = snap(&mut client, &done);
    node.kill();
    let node = site.start();
    let mut client = node.client();
    assert_eq!((status(&mut client, &done), snap(&mut client, &done)), (before, snap_before));
    node.stop();
}

#[test]
fn the_end_of_a_bucket_aborts_its_jobs() {
    let site = Site::new("jobs-destroy");
    let node = site.start();
    let mut client = node.client();
    let names = fill(&mut client, FROM);
    for (gone, why) in [(TO, "ais://to"), (FROM, "ais://from")] {
        let id = to_bucket(&mut client, "copy-bck", FROM, TO);
        until("the first copy", || copied(&mut client, &id) > 0);
        gone.destroy(&mut client);
        assert_aborted(&mut client, &id, why);
        assert!(copied(&mut client, &id) < COUNT);
        gone.create(&mut client);
        assert_eq!(gone.list(&mut client), Vec::<String>::new());
    }
    assert!(TO.list(&mut client).iter().all(|name| names.contains(name)));
    node.stop();
}

#[test]
fn jobs_are_stopped_by_kind_and_bucket_and_while_they_wait_for_their_turn() {
    let site = Site::new("jobs-filters");
    let node = site.start();
    let mut client = node.client();
    fill(&mut client, FROM);
    let copies = ["c0", "c1", "c2", "c3", "c4", "c5"].map(Bucket);
    // All of one connection, so all on one core: two of them wait.
    let ids = copies.map(|to| to_bucket(&mut client, "copy-bck", FROM, to));
    let of = |name: &str| json!({ "name": name, "provider": "ais", "namespace": null });
    assert_eq!(stop(&mut client, &json!({ "Bck": of("c5") })).status, 200);
    assert_aborted(&mut client, &ids[5], "user abort");
    assert_eq!(copied(&mut client, &ids[5]), 0);
    let running = ask(&mut client, "running_all", &json!({ "bck": of("c0") })).json();
    assert_eq!(running, json!([format!("copy-bck[{}]", ids[0])]));
    assert_eq!(stop(&mut client, &json!({ "kind": "delete-listrange" })).status, 200);
    assert_eq!(status(&mut client, &ids[0])["end_time"], 0);
    // Either name of a kind will do.
    assert_eq!(stop(&mut client, &json!({ "Kind": "copy-bucket", "ID": null, "Buckets": null })).status, 200);
    for id in &ids {
        assert_aborted(&mut client, id, "user abort");
    }
    // A job that has ended is not stopped.
    let delete = r#"{"action":"delete-listrange","value":{"template":"o000{00..09}"}}"#;
    let id = FROM.action(&mut client, "DELETE", delete).text().trim().to_owned();
    assert_eq!(wait(&mut client, &id)["err"], "");
    assert_eq!(stop(&mut client, &json!({ "ID": id })).status, 200);
    assert_eq!(wait(&mut client, &id)["aborted"], false);
    for (args, answer) in [
        (json!({}), 400),
        (json!([]), 400),
        (json!({ "Kind": "no-such-kind" }), 400),
        (json!({ "ID": "never-was-1" }), 404),
        (json!({ "ID": ids[0], "Kind": "move-bck" }), 404),
        (json!({ "Kind": "copy-bck", "DaemonID": "tNobody12" }), 404),
    ] {
        let reply = stop(&mut client, &args);
        assert_eq!(reply.status, answer, "{args}: {}", reply.text());
    }
    node.stop();
}

#[test]
fn a_damaged_record_of_jobs_keeps_no_node_from_starting() {
    let site = Site::new("jobs-damaged");
    let node = site.start();
    FROM.create(&mut node.client());
    let id = to_bucket(&mut node.client(), "copy-bck", FROM, TO);
    wait(&mut node.client(), &id);
    node.stop();
    let file = site.data_dir.join("jobs.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(&id), "{text}");
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    let node = site.start();
    let mut client = node.client();
    assert_eq!(ask(&mut client, "status", &json!({ "id": id })).status, 404);
    assert_eq!(fs::read_to_string(site.data_dir.join("jobs.json.damaged")).unwrap(), &text[..text.len() / 2]);
    let id = to_bucket(&mut client, "copy-bck", FROM, TO);
    assert_eq!(wait(&mut client, &id)["err"], "");
    node.stop();
}
