//! Command lines as AIStore's documents have them: they are understood unchanged, and do what they say.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod common;

use aisloader::flags::Parsed;
use aisloader::settings::Config;
use common::{Manner, Responder};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The words of a line, as a shell splits it, single quotes included.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match (c, is_quoted) {
            ('\'', _) => is_quoted = !is_quoted,
            (' ', false) => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn resolve(line: &str) -> Value {
    let flags = Parsed::parse(&words(line)).unwrap_or_else(|e| panic!("{line}: {e}"));
    let config = Config::new(&flags, None, 7).unwrap_or_else(|e| panic!("{line}: {e}"));
    serde_json::to_value(config).unwrap()
}

const MIB: u64 = 1 << 20;

/// Lines and, by JSON pointer, what they come to.
fn documented() -> Vec<(&'static str, Value)> {
    let mut lines = documented_first();
    lines.extend(documented_second());
    lines
}

fn documented_first() -> Vec<(&'static str, Value)> {
    vec![
        ("-bucket=ais://abc -duration 0s -totalputsize=0 -cleanup=true", json!({"/is_cleanup_only": true})),
        (
            "-bucket=aws://nvaws -duration 1h -numworkers=30 -pctput=0 -cleanup=false",
            json!({"/bucket/provider": "aws", "/bounds/duration/secs": 3600, "/workers": 30}),
        ),
        (
            "-bucket=abc -duration 10s -numworkers=3 -minsize=1K -maxsize=1K -pctput=100 -provider=ais -cleanup=true",
            json!({"/bucket/provider": "ais", "/mix/pct_put": 100, "/mix/sizes/max_bytes": 1024, "/is_cleaned_up": true}),
        ),
        (
            "-bucket=gs://nvgs -duration 0s -numworkers=3 -minsize=1MB -maxsize=1MB -pctput=30 -totalputsize=10G -cleanup=false",
            json!({"/bucket/provider": "gcp", "/bounds/duration": null, "/bounds/put_bytes_max": 10 * 1024 * MIB,
                "/mix/sizes/min_bytes": MIB}),
        ),
        (
            "-bucket=ais://abc -duration 10s -numworkers=3 -loaderid=11 -loadernum=20 -maxputs=2000 -objNamePrefix=\"aisloader\" -cleanup=false",
            json!({"/naming/loader": {"id": 11, "bits": 8, "loaders": 20}, "/naming/is_random": false, "/bounds/puts_max": 2000}),
        ),
        (
            "-loaderid=10 -cleanup=true",
            json!({"/naming/loader/id": 10, "/naming/is_random": true, "/is_bucket_random": true}),
        ),
        (
            "-loaderid=10 -loadernum=20 -cleanup=true",
            json!({"/naming/loader": {"id": 10, "bits": 8, "loaders": 20}}),
        ),
        (
            "-loaderid=loaderstring -loaderidhashlen=8 -cleanup=true",
            json!({"/naming/loader": {"id": 0xdb, "bits": 8, "loaders": 0}}),
        ),
        (
            "-bucket=ais://abc -cleanup=false -readoff=1M -readlen=64K -duration=5m",
            json!({"/range": {"offset_bytes": MIB, "len_bytes": 65536, "mode": "fixed"}}),
        ),
        (
            "-bucket=ais://bck -cleanup=false -numworkers=16 -duration 10m -statsinterval=5 -json -stats-output=/tmp/loader.json",
            json!({"/output/interval/secs": 5, "/output/is_json": true, "/output/file": "/tmp/loader.json"}),
        ),
    ]
}

fn documented_second() -> Vec<(&'static str, Value)> {
    vec![
        (
            "-bucket=ais://bck -cleanup=false -pctput=75 -seed=1234 -readertype=rand -cksum-type=md5 -verifyhash=true",
            json!({"/mix/pct_put": 75, "/mix/seed": 1234, "/cksum": "md5", "/content/verify": "checksum"}),
        ),
        (
            "-bucket=ais://bck -duration=30s -pctput=50 -pctupdate=20 -minsize 1KiB -maxsize 10MiB --cleanup=true",
            json!({"/mix/pct_update": 20, "/mix/sizes/max_bytes": 10 * MIB}),
        ),
        (
            "-bucket=ais://bck -pctput=100 -skiplist -totalputsize=1TiB -cleanup=false -subdir=a/b/c -num-subdirs=512",
            json!({"/is_list_skipped": true, "/naming/subdir": "a/b/c", "/naming/subdirs": 512, "/bounds/duration": null}),
        ),
        (
            "-bucket=ais://bck -ip=10.0.0.207 -port=51080 -randomproxy -tokenfile= -timeout=30s -cleanup=false",
            json!({"/gateway": "10.0.0.207:51080", "/is_gateway_random": true, "/timeout/secs": 30}),
        ),
        (
            "-bucket=ais://bck -pctput=100 -bprops='{\"mirror\": {\"copies\": 2, \"enabled\": true}, \"ec\": {\"enabled\": false}}' -duration=1m -cleanup=true",
            json!({"/bucket_props/mirror/copies": 2}),
        ),
        (
            "-bucket=ais://bck -duration=0 -stoppable -pctput=10 -cleanup=true",
            json!({"/is_cleanup_only": false, "/bounds/duration": null}),
        ),
        (
            "-bucket=ais://bck -cleanup=false -duration=1h30m -statsdip=10.0.0.1 -statsdport=8125 -quiet",
            json!({"/bounds/duration/secs": 5400, "/output/is_quiet": true}),
        ),
        (
            "-bucket=ais://bck -cleanup=false -randomname=false -pctput=100 -maxputs=100 -uniquegets",
            json!({"/naming/is_random": false}),
        ),
        (
            "-bucket=ais://bck -cleanup=false -dry-run -latest=false -cached=false -get-batchsize=0 -etl= -timeout=0",
            json!({"/timeout": null}),
        ),
        (
            "-bucket=az://bck -pctput=100 -totalputsize=128k -minsize=16B -maxsize=16B -quiet",
            json!({"/bucket/provider": "azure", "/mix/sizes/max_bytes": 16, "/is_cleaned_up": false}),
        ),
        (
            "-bucket=oc://bck -duration=20m -numworkers=64 -seed 42",
            json!({"/bucket/provider": "oci", "/workers": 64}),
        ),
    ]
}

#[test]
fn documented_lines_resolve_to_what_they_say() {
    let lines = documented();
    assert!(lines.len() >= 20);
    for (line, wants) in lines {
        let got = resolve(line);
        for (pointer, want) in wants.as_object().unwrap() {
            assert_eq!(got.pointer(pointer), Some(want), "{line}: {pointer}");
        }
    }
}

/// Runs the whole program against the small server; true when it did what it was asked to. So short a run need not
/// be admissible as a measurement, so the exit codes for that are taken as well.
fn program(responder: &Responder, line: &str) -> bool {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aisloader"));
    command.args(words(line)).env("AIS_ENDPOINT", format!("http://{}", responder.authority));
    let out = command.output().unwrap();
    println!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    !matches!(out.status.code(), None | Some(1 | 2))
}

fn methods(responder: &Responder) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for head in responder.store.heads.lock().unwrap().iter() {
        *counts.entry(head.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn shortened_lines_do_what_they_say() {
    let responder = Responder::start(Manner::Serve);
    let line = "-bucket=b -duration 10s -numworkers=3 -minsize=1K -maxsize=1K -pctput=100 -provider=ais -maxputs=30 -cleanup=false";
    assert!(program(&responder, line));
    assert_eq!(responder.store.objects.lock().unwrap().len(), 30);
    assert!(program(
        &responder,
        "-bucket=ais://b -duration 300ms -numworkers=4 -pctput=0 -cleanup=false -readoff=16 -readlen=64 -quiet"
    ));
    assert!(program(
        &responder,
        "-bucket=ais://b -duration 0s -numworkers=3 -minsize=1KB -maxsize=1KB -pctput=30 -totalputsize=16K -cleanup=false -json"
    ));
    assert!(program(
        &responder,
        "-bucket=ais://b -pctput=100 -duration 10s -numworkers=3 -loaderid=11 -loadernum=20 -minsize=1 -maxsize=9 -maxputs=20 -cleanup=false"
    ));
    let numbered = |name: &String| name.len() == 16 && name.ends_with("0b");
    assert_eq!(responder.store.objects.lock().unwrap().keys().filter(|name| numbered(name)).count(), 20);
    let gets = methods(&responder)["GET"];
    assert!(program(&responder, "-bucket=ais://b -duration 0s -totalputsize=0 -cleanup=true"));
    assert_eq!(methods(&responder)["GET"], gets);
    assert!(!*responder.store.exists.lock().unwrap());
}

#[test]
fn a_new_bucket_gets_its_properties() {
    let responder = Responder::start(Manner::Serve);
    *responder.store.exists.lock().unwrap() = false;
    let line = "-bucket=ais://b -pctput=100 -minsize=1 -maxsize=1 -maxputs=3 -cleanup=true -bprops='{\"mirror\": {\"copies\": 2, \"enabled\": true}}'";
    assert!(program(&responder, line));
    let made = responder.store.made.lock().unwrap();
    assert_eq!(made[0]["value"], json!({"mirror": {"copies": 2, "enabled": true}}));
}

#[test]
fn the_id_of_a_loader_is_printed() {
    for (line, want) in [
        ("-getloaderid", "0x0\n"),
        ("-loaderid=10 -getloaderid", "0xa\n"),
        ("-loaderid=loaderstring -loaderidhashlen=8 -getloaderid", "0xdb\n"),
    ] {
        let out =
            std::process::Command::new(env!("CARGO_BIN_EXE_aisloader")).args(words(line)).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), want, "{line}");
    }
}
