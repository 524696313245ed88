//! S3 against a small server in this process that checks every signature with code of its own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod server;
mod signature;
#[path = "../common/tls.rs"]
mod tls;

use aisloader::client::Detail;
use aisloader::client::s3::{Endpoint, Lookup, S3Config};
use aisloader::engine::Control;
use aisloader::engine::{Plan, run};
use aisloader::flags::Parsed;
use aisloader::recorder::{ErrorKind, RunEnd};
use aisloader::settings::Config;
use aisloader::workload::OpKind;
use server::Server;
use signature::{ACCESS_KEY, REGION, SECRET_KEY};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A run against the server, with the keys that it knows.
fn config(server: &Server, line: &str) -> Config {
    config_at(&format!("http://{}", server.authority), "", line)
}

/// The same at a URL, where those are trusted whose certificates are in a file.
fn config_at(endpoint: &str, authorities: &str, line: &str) -> Config {
    let variable = |name: &str| match name {
        "AIS_CLIENT_CA" => Some(authorities.to_owned()),
        "AWS_ACCESS_KEY_ID" => Some(ACCESS_KEY.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(SECRET_KEY.to_owned()),
        "AWS_REGION" => Some(REGION.to_owned()),
        _ => None,
    };
    let read = |_: &std::path::Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let lookup = Lookup { profile: None, variable: &variable, read: &read };
    let line = format!("-s3endpoint={endpoint} -bucket=b -numworkers=4 -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    Config::with_lookup(&flags, None, 1, &lookup).unwrap()
}

fn control(config: &Config) -> Control {
    Control::new(config, Some(Duration::from_secs(10)))
}

/// As `config`, with the bucket in the host's name. Names under a server without DNS do not resolve, so the address
/// that is dialled stays.
fn virtual_host(config: Config) -> Config {
    let s3 = config.s3.clone().unwrap();
    let (_, port) = s3.endpoint.address.rsplit_once(':').unwrap();
    let endpoint =
        Endpoint { host: format!("b.s3.test:{port}"), is_path_style: false, ..s3.endpoint.clone() };
    Config { s3: Some(S3Config { endpoint, ..s3 }), ..config }
}

/// Lists what there is and runs.
fn load(config: Config) -> RunEnd {
    let names = control(&config).list(&config, Detail::Sizes).unwrap();
    let plan = Plan { config: Arc::new(config), names, direct: None, interrupted: Arc::default() };
    run(plan, &mut |_| {}).unwrap()
}

#[test]
fn put_stores_what_it_says() {
    let server = Server::start();
    for payload in ["signed", "unsigned"] {
        let line =
            format!("-pctput=100 -minsize=0 -maxsize=300K -maxputs=60 -subdir=d -s3-payload={payload}");
        for config in [config(&server, &line), virtual_host(config(&server, &line))] {
            server.state.lock().unwrap().objects.clear();
            let end = load(config);
            let put = end.stats.of(OpKind::Put);
            assert_eq!((put.ops, end.stats.error_count()), (60, 0), "{:?}", put.error_texts);
            let state = server.state.lock().unwrap();
            assert_eq!(state.objects.values().map(|body| body.len() as u64).sum::<u64>(), put.bytes);
            assert!(state.objects.keys().all(|name| name.starts_with("d/")) && state.refused.is_empty());
        }
    }
}

#[test]
fn every_kind_of_operation_is_understood() {
    let server = Server::start();
    server.fill(300, 70_000);
    let end = load(config(
        &server,
        "-subdir=d -pctput=20 -pctlist=20 -pcthead=20 -pctdel=10 -minsize=1K -maxsize=2K -maxops=600",
    ));
    assert_eq!(
        (end.stats.ops(), end.stats.error_count()),
        (600, 0),
        "{:?}",
        server.state.lock().unwrap().refused
    );
    for kind in [OpKind::Put, OpKind::Get, OpKind::List, OpKind::Head, OpKind::Delete] {
        assert!(end.stats.of(kind).ops > 20, "{kind:?}");
    }
    assert!(end.stats.of(OpKind::Get).bytes > 70_000 && end.stats.of(OpKind::List).names > 1000);
    assert!(server.state.lock().unwrap().refused.is_empty());
}

#[test]
fn multipart_puts_are_completed() {
    let server = Server::start();
    for payload in ["signed", "unsigned"] {
        server.state.lock().unwrap().objects.clear();
        let line = "-pctput=100 -pctmultipart=50 -multipart-chunks=3 -minsize=0 -maxsize=9M -maxputs=40";
        let end = load(config(&server, &format!("{line} -s3-payload={payload}")));
        let (put, mpu) = (end.stats.of(OpKind::Put), end.stats.of(OpKind::Mpu));
        assert_eq!((put.ops + mpu.ops, end.stats.error_count()), (40, 0), "{:?}", mpu.error_texts);
        assert!(put.ops > 5 && mpu.ops > 5);
        let state = server.state.lock().unwrap();
        let stored: u64 = state.objects.values().map(|body| body.len() as u64).sum();
        assert_eq!((stored, state.objects.len()), (put.bytes + mpu.bytes, 40));
        assert!(state.uploads.is_empty() && state.refused.is_empty() && state.uploads_aborted == 0);
    }
    let parts = |line: &&String| line.contains("partNumber=");
    let state = server.state.lock().unwrap();
    assert_eq!(state.requests.iter().filter(parts).count(), state.uploads_begun * 3);
}

#[test]
fn what_is_put_whole_and_in_parts_has_the_content_that_it_must() {
    let server = Server::start();
    let line =
        "-pctput=100 -pctmultipart=50 -multipart-chunks=3 -minsize=0 -maxsize=3M -maxputs=20 -subdir=d";
    let end = load(config(&server, &format!("{line} -verify=content -s3-payload=signed")));
    assert!(end.stats.of(OpKind::Mpu).ops > 2 && end.stats.error_count() == 0);
    let read = || load(config(&server, "-verify=content -maxops=20 -subdir=d -numworkers=1"));
    let end = read();
    let get = end.stats.of(OpKind::Get);
    assert_eq!((get.ops, get.error_count()), (20, 0), "{:?}", get.error_texts);
    server.state.lock().unwrap().objects.values_mut().for_each(|object| object.push(0));
    let end = read();
    assert_eq!(end.stats.error_count(), 20);
    assert!(end.stats.of(OpKind::Get).errors.keys().all(|kind| kind.is_damage()));
}

#[test]
fn multipart_puts_that_fail_are_aborted() {
    let busy = "<Error><Code>SlowDown</Code><Message>m</Message></Error>";
    let late = "<Error><Code>InternalError</Code><Message>m</Message></Error>";
    for (what, status, body, want) in [
        ("partNumber=2", 503, busy, "status-503: SlowDown"),
        // This answer has begun as a success.
        ("POST /b/", 200, late, "status-200: beginning the upload: InternalError"),
        ("partNumber=1", 200, "", "has no ETag"),
    ] {
        let server = Server::start();
        server.state.lock().unwrap().failure = Some((what, status, "", body));
        let end = load(config(
            &server,
            "-pctput=100 -pctmultipart=100 -multipart-chunks=3 -minsize=1K -maxsize=9K -maxputs=4 -numworkers=2",
        ));
        let mpu = end.stats.of(OpKind::Mpu);
        assert_eq!((mpu.ops, mpu.error_count()), (0, 4));
        assert!(mpu.error_texts[0].contains(want), "{:?}", mpu.error_texts);
        let state = server.state.lock().unwrap();
        assert!(state.uploads.is_empty() && state.objects.is_empty());
        assert_eq!(state.uploads_aborted, state.uploads_begun);
    }
}

#[test]
fn parts_of_objects_are_read() {
    let server = Server::start();
    server.fill(5, 10_000);
    let end = load(config(&server, "-subdir=d -readoff=1000 -readlen=500 -maxops=20"));
    let get = end.stats.of(OpKind::Get);
    assert_eq!((get.ops, get.bytes, get.error_count()), (20, 10_000, 0), "{:?}", get.error_texts);
}

#[test]
fn timed_lists_walk_over_all_pages() {
    let server = Server::start();
    server.fill(25, 1);
    let end = load(config(&server, "-subdir=d -pctlist=100 -list-pagesize=10 -maxops=9 -numworkers=1"));
    let list = end.stats.of(OpKind::List);
    assert_eq!((list.ops, list.names, list.error_count()), (9, 75, 0), "{:?}", list.error_texts);
}

#[test]
fn failures_are_counted_with_their_codes() {
    let server = Server::start();
    server.fill(2, 1);
    let busy = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let moved =
        "<Error><Code>PermanentRedirect</Code><Message>m</Message><Endpoint>e.test</Endpoint></Error>";
    let malformed =
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-9</Region></Error>";
    for (status, headers, body, kind, want) in [
        (503, "", busy, ErrorKind::Status(503), "status-503: SlowDown: Please reduce your request rate."),
        (301, "x-amz-bucket-region: eu-9\r\n", moved, ErrorKind::Redirect, "-s3region=eu-9"),
        (307, "Location: http://e.test/\r\n", moved, ErrorKind::Redirect, "points to \"e.test\""),
        (400, "", malformed, ErrorKind::Status(400), "-s3region=eu-9"),
        (502, "", "<html>bad gateway</html>", ErrorKind::Status(502), "status-502: <html>bad gateway"),
    ] {
        let config = config(&server, "-maxops=5 -numworkers=1");
        let names = control(&config).list(&config, Detail::Sizes).unwrap();
        server.state.lock().unwrap().failure = Some(("GET", status, headers, body));
        let plan = Plan { config: Arc::new(config), names, direct: None, interrupted: Arc::default() };
        let end = run(plan, &mut |_| {}).unwrap();
        server.state.lock().unwrap().failure = None;
        let get = end.stats.of(OpKind::Get);
        assert_eq!(get.errors.get(&kind), Some(&5), "{:?}", get.error_texts);
        assert!(get.error_texts[0].contains(want), "{:?}", get.error_texts);
    }
}

#[test]
fn names_are_listed_and_cleaned_up() {
    let server = Server::start();
    server.fill(35, 1);
    server.state.lock().unwrap().objects.insert("é+ &<z".into(), vec![]);
    for config in [config(&server, ""), virtual_host(config(&server, ""))] {
        let names = control(&config).list(&config, Detail::Sizes).unwrap();
        assert_eq!((names.len(), names.get(3), names.get(35)), (36, Some("d/o 00003"), Some("é+ &<z")));
    }
    // Only what is in the directory goes, and the bucket stays.
    let config = config(&server, "-subdir=d");
    assert_eq!(control(&config).list(&config, Detail::Sizes).unwrap().len(), 35);
    control(&config).clean_up(&config, false).unwrap();
    let state = server.state.lock().unwrap();
    assert_eq!(state.objects.keys().collect::<Vec<_>>(), ["é+ &<z"]);
    assert!(state.exists && state.refused.is_empty(), "{:?}", state.refused);
}

#[test]
fn everything_goes_over_tls_too() {
    let (server, authority) = (Server::start(), tls::Authority::new("a"));
    let front = tls::Front::start(&server.authority, &authority, "localhost");
    let line = "-s3-use-path-style -pctput=50 -pctmultipart=20 -multipart-chunks=3 -pctlist=10 -pcthead=10 -minsize=0 \
                -maxsize=3M -maxops=200 -verify=content";
    for payload in ["signed", "unsigned"] {
        let line = format!("{line} -s3-payload={payload}");
        let config = config_at(&front.url(), &authority.file(), &line);
        let virtual_host = virtual_host(config.clone());
        for config in [config, virtual_host] {
            let end = load(config);
            assert_eq!(
                (end.stats.ops(), end.stats.error_count()),
                (200, 0),
                "{:?}",
                end.stats.of(OpKind::Get).error_texts
            );
            assert!(end.stats.of(OpKind::Get).bytes > 0 && end.stats.of(OpKind::Mpu).ops > 0);
        }
    }
    assert!(server.state.lock().unwrap().refused.is_empty());
    let config = config_at(&front.url(), &authority.file(), "-s3-use-path-style");
    control(&config).clean_up(&config, true).unwrap();
    assert!(!server.state.lock().unwrap().exists);
}

#[test]
fn buckets_are_made_and_deleted() {
    let server = Server::start();
    server.state.lock().unwrap().exists = false;
    let config = config(&server, "");
    let mut control = control(&config);
    assert!(!control.bucket_exists(&config).unwrap());
    control.create_bucket(&config).unwrap();
    assert!(control.bucket_exists(&config).unwrap());
    server.fill(1200, 1);
    control.clean_up(&config, true).unwrap();
    assert!(!control.bucket_exists(&config).unwrap());
    let state = server.state.lock().unwrap();
    let batches = state.requests.iter().filter(|line| line.starts_with("POST /b?delete=")).count();
    assert_eq!((batches, state.objects.len(), state.refused.len()), (2, 0, 0));
}

#[test]
fn refusals_say_what_to_do() {
    let server = Server::start();
    let config = config(&server, "");
    let s3 = config.s3.clone().unwrap();
    let elsewhere =
        Config { s3: Some(S3Config { region: "us-east-1".into(), ..s3.clone() }), ..config.clone() };
    let error = control(&elsewhere).list(&elsewhere, Detail::Sizes).unwrap_err().to_string();
    assert!(error.contains("AuthorizationHeaderMalformed: as a test"), "{error}");
    let wrong = aisloader::client::s3::Credentials::new(ACCESS_KEY, "wrong", None);
    let wrong = Config { s3: Some(S3Config { credentials: Arc::new(wrong), ..s3 }), ..config.clone() };
    let error = control(&wrong).list(&wrong, Detail::Sizes).unwrap_err().to_string();
    assert!(error.contains("listing the bucket: status 403: SignatureDoesNotMatch"), "{error}");
    let error = control(&wrong).bucket_exists(&wrong).unwrap_err().to_string();
    assert!(error.contains("status 403: the server does not know the key"), "{error}");
    assert_eq!(
        server.state.lock().unwrap().refused,
        ["AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "SignatureDoesNotMatch"]
    );
    let moved =
        "<Error><Code>PermanentRedirect</Code><Message>m</Message><Endpoint>b.s3.eu.test</Endpoint></Error>";
    server.state.lock().unwrap().failure = Some(("/b", 301, "x-amz-bucket-region: eu-9\r\n", moved));
    let error = control(&config).list(&config, Detail::Sizes).unwrap_err().to_string();
    assert!(error.contains("-s3region=eu-9") && error.contains("points to \"b.s3.eu.test\""), "{error}");
    let error = control(&config).bucket_exists(&config).unwrap_err().to_string();
    assert!(error.contains("status 301") && error.contains("-s3region=eu-9"), "{error}");
}
