//! Buckets by the thousand: they are made, filled, listed and destroyed, the node starts again after every kind of end, and
//! the tools work and tell the truth. `BUCKETS=100000` makes a campaign of it, `BUCKETS_OUT` says where its figures go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{Client, Node, Site, files_beneath, write_report};

const CLIENTS: usize = 16;
const QUICK: usize = 2000;

fn bucket(number: usize) -> String {
    format!("bucket-{number:07}")
}

fn create(client: &mut Client, number: usize) {
    let path = format!("/v1/buckets/{}", bucket(number));
    let reply = client.call("POST", &path, &[], br#"{"action":"create-bck"}"#);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn destroy(client: &mut Client, number: usize) {
    let path = format!("/v1/buckets/{}", bucket(number));
    let reply = client.call("DELETE", &path, &[], br#"{"action":"destroy-bck"}"#);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn object(number: usize, name: &str) -> String {
    format!("/v1/objects/{}/{name}", bucket(number))
}

fn body(number: usize) -> Vec<u8> {
    format!("of bucket {number}").into_bytes()
}

fn put(client: &mut Client, number: usize, name: &str) {
    let reply = client.put(&object(number, name), &body(number));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Does something for every number, many at a time; returns how long all took, and the slowest.
fn for_all(
    node: &Node,
    numbers: std::ops::Range<usize>,
    work: impl Fn(&mut Client, usize) + Sync,
) -> [f64; 2] {
    let (begun, next) = (Instant::now(), AtomicUsize::new(numbers.start));
    let slowest = std::thread::scope(|scope| {
        let one = || {
            let mut client = node.client();
            let mut slowest = Duration::ZERO;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return slowest;
                }
                let begun = Instant::now();
                work(&mut client, number);
                slowest = slowest.max(begun.elapsed());
            }
        };
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    });
    [begun.elapsed().as_secs_f64(), slowest.as_secs_f64()]
}

fn names(client: &mut Client) -> usize {
    let reply = client.call("GET", "/v1/buckets", &[], br#"{"action":"list"}"#);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json().as_array().unwrap().len()
}

fn assert_clean(site: &Site, objects: usize) {
    let (code, said) = site.tool(&["check"]);
    assert!(code == 0 && said.contains(&format!("checked {objects} objects")), "{code}: {said}");
}

/// After a kill there may be files of what was under way; the next start removes them.
fn assert_undamaged(site: &Site, objects: usize) {
    let (_, said) = site.tool(&["check"]);
    let sound = said.contains(": clean") || said.contains(": 0 damaged");
    assert!(sound && said.contains(&format!("checked {objects} objects")), "{said}");
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

fn checkpoints(site: &Site) -> Vec<PathBuf> {
    let files = files_beneath(&site.mountpath.join(".straightline/lanes"));
    files.into_iter().filter(|path| path.to_string_lossy().contains("/checkpoint-")).collect()
}

/// The largest checkpoint with a byte changed, and how it was.
fn damage_a_checkpoint(site: &Site) -> (PathBuf, Vec<u8>) {
    let largest = checkpoints(site).into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let good = fs::read(&largest).unwrap();
    let mut bad = good.clone();
    bad[20] ^= 1;
    fs::write(&largest, bad).unwrap();
    (largest, good)
}

/// All of it with so many buckets; returns figures.
fn live_with(site: &Site, buckets: usize) -> Value {
    let mut figures = serde_json::Map::new();
    let mut note = |name: &str, value: f64| {
        eprintln!("{name}: {value:.3}");
        figures.insert(name.to_owned(), json!((value * 1000.0).round() / 1000.0));
    };
    let node = site.start();
    let [all, slowest] = for_all(&node, 0..buckets, create);
    note("create_s", all);
    note("create_slowest_s", slowest);
    for name in ["first", "second"] {
        let [all, slowest] = for_all(&node, 0..buckets, |client, number| put(client, number, name));
        note(&format!("put_{name}_s"), all);
        note(&format!("put_{name}_slowest_s"), slowest);
    }
    note("list_buckets_s", seconds(|| assert_eq!(names(&mut node.client()), buckets)));
    note("metrics_s", seconds(|| drop(node.client().get("/metrics"))));
    note("resident_mib", node.resident_bytes() as f64 / 1048576.0);
    note("stop_s", seconds(|| node.stop()));
    note(
        "checkpoint_bytes_all",
        checkpoints(site).iter().map(|path| path.metadata().unwrap().len()).sum::<u64>() as f64,
    );

    let begun = Instant::now();
    let node = site.start();
    note("start_s", begun.elapsed().as_secs_f64());
    for_all(&node, 0..buckets, |client, number| {
        assert_eq!(client.get(&object(number, "second")).body, body(number));
    });
    let [_, slowest] = for_all(&node, 0..buckets / 2, |client, number| put(client, number, "third"));
    note("put_after_start_slowest_s", slowest);
    node.kill();
    let begun = Instant::now();
    site.start().stop();
    note("start_and_stop_after_kill_s", begun.elapsed().as_secs_f64());

    let objects = 2 * buckets + buckets / 2;
    note("check_s", seconds(|| assert_clean(site, objects)));
    let (file, good) = damage_a_checkpoint(site);
    let (code, said) = site.tool(&["check"]);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(code != 0 && said.contains(name), "{code}: {said}");
    fs::write(&file, good).unwrap();
    note(
        "rebuild_index_s",
        seconds(|| {
            let (code, said) = site.tool(&["rebuild-index"]);
            assert!(code == 0 && said.contains(&format!("{objects} objects")), "{code}: {said}");
        }),
    );
    assert_clean(site, objects);

    let node = site.start();
    let [all, slowest] = for_all(&node, 0..buckets / 10, destroy);
    note("destroy_s", all);
    note("destroy_slowest_s", slowest);
    assert_eq!(names(&mut node.client()), buckets - buckets / 10);
    node.kill();
    assert_undamaged(site, objects - 3 * (buckets / 10));
    let node = site.start();
    assert_eq!(names(&mut node.client()), buckets - buckets / 10);
    assert_eq!(node.client().get(&object(0, "first")).status, 404);
    node.stop();
    assert_clean(site, objects - 3 * (buckets / 10));
    Value::Object(figures)
}

#[test]
fn thousands_of_buckets_in_one_lane_with_the_smallest_segments() {
    let mut site = Site::new("many-buckets");
    site.settings = "lanes = 1\nsegment_bytes = 1048576".to_owned();
    live_with(&site, QUICK);
}

/// Runs with settings as they come. Only when it is asked for.
#[test]
fn campaign() {
    let Some(buckets) = std::env::var("BUCKETS").ok().map(|text| text.parse().unwrap()) else { return };
    let site = Site::new("campaign-buckets");
    let figures = live_with(&site, buckets);
    for (name, most) in [("start_s", 10.0), ("put_first_slowest_s", 1.0), ("put_second_slowest_s", 1.0)] {
        assert!(figures[name].as_f64().unwrap() <= most, "{name}: {} s, at most {most}", figures[name]);
    }
    let Ok(out) = std::env::var("BUCKETS_OUT") else { return };
    let report = json!({
        "buckets": buckets,
        "objects": "2 in each, then one more in every other one; all of about 20 bytes",
        "clients": CLIENTS,
        "figures": figures,
    });
    let node = site.start();
    let command = format!("BUCKETS={buckets} make campaign-buckets");
    write_report(Path::new(&out), &command, &node.banner(), report);
    node.stop();
}

fn journal(site: &Site) -> PathBuf {
    let files = files_beneath(&site.data_dir);
    files.into_iter().find(|path| path.to_string_lossy().contains("cluster.journal.")).unwrap()
}

/// Appends to a file, as a crash in the middle of a write does.
fn append(file: &Path, bytes: &[u8]) {
    let all = [&fs::read(file).unwrap()[..], bytes].concat();
    fs::write(file, all).unwrap();
}

#[test]
fn the_journal_of_the_state_is_cut_or_refused() {
    let site = Site::new("journal");
    let node = site.start();
    for number in 0..20 {
        create(&mut node.client(), number);
    }
    put(&mut node.client(), 0, "there");
    destroy(&mut node.client(), 1);
    node.kill();
    append(&journal(&site), b"0123abcd [{\"CreateBuck");
    let node = site.start();
    assert!(node.log_text().contains("cut off"), "{}", node.log_text());
    assert_eq!(names(&mut node.client()), 19);
    create(&mut node.client(), 20);
    node.stop();
    let node = site.start();
    assert_eq!(names(&mut node.client()), 20, "what came behind the cut");
    node.stop();

    let file = journal(&site);
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[40] ^= 4;
    fs::write(&file, &bad).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let refused = site.try_start().err().expect("a damaged journal was accepted");
    assert!(refused.contains(name) && refused.contains("damaged"), "{refused}");
    let (code, told) = site.tool(&["check"]);
    assert!(code != 0 && told.contains(name), "{told}");
    fs::remove_file(&file).unwrap();
    let refused = site.try_start().err().expect("a lost journal was accepted");
    assert!(refused.contains(name), "{refused}");
    fs::write(&file, good).unwrap();

    let state = site.data_dir.join("cluster.json");
    let aside = site.root().join("aside");
    fs::rename(&state, &aside).unwrap();
    let refused = site.try_start().err().expect("a lost state was taken for a new cluster");
    assert!(refused.contains("cluster.json"), "{refused}");
    fs::rename(&aside, &state).unwrap();
    let node = site.start();
    assert_eq!(names(&mut node.client()), 20);
    node.stop();
}
