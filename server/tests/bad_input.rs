//! Nothing that a client sends makes the node fall, hang, or keep something that it should not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use support::{Bucket, Client, Node, Site, content, files_beneath};

const B: Bucket = Bucket("bad-input");
const NONE: Vec<PathBuf> = Vec::new();

/// One case of the codec's own test data.
#[derive(Deserialize)]
struct Case {
    name: String,
    status: u16,
    /// Every character is the byte with its code.
    text: String,
    /// The text that `@@` stands for.
    fill: Option<Fill>,
}

#[derive(Deserialize)]
struct Fill {
    text: String,
    times: usize,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let text = match &self.fill {
            Some(fill) => self.text.replace("@@", &fill.text.repeat(fill.times)),
            None => self.text.clone(),
        };
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    }
}

fn cases(file: &str) -> Vec<Case> {
    let path = format!("{}/wire/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn site_with_bucket(name: &str) -> (Site, Node, Client) {
    let site = Site::new(name);
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    (site, node, client)
}

/// The node is well and holds exactly the named objects.
fn assert_clean(site: &Site, node: &mut Node, expected: &[&str]) {
    assert!(node.is_alive(), "{}", node.log_text());
    let mut client = node.client();
    assert_eq!(client.get("/v1/health").status, 200);
    assert_eq!(B.list(&mut client), expected);
    assert_eq!(site.work_files(), NONE);
    // Large ones are files under their names; what became of the others lies in segments.
    for file in files_beneath(&site.mountpath.join("@ais")) {
        assert!(expected.iter().any(|name| file.ends_with(name)), "{}", file.display());
    }
    assert!(!node.log_text().contains("panicked"), "{}", node.log_text());
}

#[test]
fn malformed_heads_are_refused_and_the_connection_ends() {
    let (site, mut node, mut client) = site_with_bucket("heads");
    let cases = cases("malformed_requests.json");
    assert!(cases.len() >= 600, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (status, answer) = client.refused(&case.bytes());
        if status != case.status {
            wrong.push(format!("{}: expected {}, got {status}: {answer}", case.name, case.status));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_clean(&site, &mut node, &[]);
    node.stop();
}

#[test]
fn malformed_chunks_are_refused_and_nothing_is_kept() {
    let (site, mut node, mut client) = site_with_bucket("chunks");
    B.put(&mut client, "old", b"old");
    let cases = cases("malformed_chunked.json");
    let mut wrong = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let name = if at % 2 == 0 { "old" } else { "new" };
        let path = B.object(name);
        let head = format!("PUT {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        let (status, answer) = client.refused(&[head.as_bytes(), &case.bytes()].concat());
        // Trailers without end are 431 to the codec; in a body that makes no difference.
        if status != 400 {
            wrong.push(format!("{}: expected 400, got {status}: {answer}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(client.get(&B.object("old")).body, b"old");
    assert_clean(&site, &mut node, &["old"]);
    node.stop();
}

#[test]
fn truncated_bodies_leave_nothing() {
    let (site, mut node, mut client) = site_with_bucket("truncated");
    B.put(&mut client, "old", b"old");
    for name in ["old", "new"] {
        let head = format!("PUT {} HTTP/1.1\r\nHost: h\r\n", B.object(name));
        for sent in [0, 1, 4096, 65_536, 700_000] {
            for framing in ["Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nf4240\r\n"]
            {
                client.send(&[head.as_bytes(), framing.as_bytes(), &content(1, sent)].concat()).unwrap();
                client.stream().unwrap().shutdown(std::net::Shutdown::Write).unwrap();
                let answer = client.read_to_close().unwrap();
                assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
            }
        }
    }
    assert_eq!(client.get(&B.object("old")).body, b"old");
    assert_clean(&site, &mut node, &["old"]);
    node.stop();
}

#[test]
fn a_wrong_checksum_changes_nothing() {
    let (site, mut node, mut client) = site_with_bucket("checksum");
    B.put(&mut client, "old", b"old");
    let headers = |kind, value| [("Ais-Checksum-Type", kind), ("Ais-Checksum-Value", value)];
    for size in [1, 100_000, 3 << 20] {
        for name in ["old", "new"] {
            for (kind, value) in [
                ("xxhash", "0123456789abcdef"),
                ("md5", "0123456789abcdef0123456789abcdef"),
                ("crc32c", "01234567"),
            ] {
                let reply = client.call("PUT", &B.object(name), &headers(kind, value), &content(7, size));
                assert_eq!(reply.status, 500, "{kind}: {}", reply.text());
                assert_eq!(reply.json()["tcode"], "ErrBadCksum");
            }
        }
    }
    for (kind, value) in [("sha0", "00"), ("md5", "00"), ("md5", "zz23456789abcdef0123456789abcdef")] {
        let reply = client.call("PUT", &B.object("new"), &headers(kind, value), b"x");
        assert_eq!(reply.status, 400, "{kind} {value}: {}", reply.text());
    }
    assert_eq!(client.get(&B.object("old")).body, b"old");
    assert_eq!(client.get(&B.object("new")).status, 404);
    assert_clean(&site, &mut node, &["old"]);
    // The right one is taken, whatever its type.
    let right = wire::cksum::checksum(wire::cksum::CksumType::Md5, b"bytes");
    assert_eq!(client.call("PUT", &B.object("new"), &headers("md5", &right), b"bytes").status, 200);
    node.stop();
}

#[test]
fn bad_names_are_refused_and_touch_no_disk() {
    let (site, mut node, mut client) = site_with_bucket("names");
    let long = "x".repeat(4097);
    let names = [
        "..",
        ".",
        "../x",
        "a/../b",
        "a/..",
        "./a",
        "%2e%2e/x",
        "%2E%2E%2F%2E%2E%2Fetc",
        "a%00b",
        "%00",
        &long,
        "a/",
        "a%2F",
        "%ff",
        "a%c3%28",
        "%ed%a0%80",
        "%zz",
        "%4",
        "~/x",
    ];
    for name in names {
        for method in ["PUT", "GET", "DELETE"] {
            let reply = client.call(method, &B.object(name), &[], if method == "PUT" { b"x" } else { b"" });
            assert_eq!(reply.status, 400, "{method} {name}: {}", reply.text());
            assert_eq!(reply.json()["status"], 400);
        }
        assert_eq!(client.head(&B.object(name)).status, 400, "HEAD {name}");
    }
    for bucket in ["a%2Fb", "a%20b", ".hidden", "a..b", "%2e%2e", "%c3%bc", "%00", &"b".repeat(65), "a%25"] {
        let body = br#"{"action":"create-bck"}"#;
        let reply = client.call("POST", &format!("/v1/buckets/{bucket}"), &[], body);
        assert_eq!(reply.status, 400, "bucket {bucket}: {}", reply.text());
        let reply = client.put(&format!("/v1/objects/{bucket}/o"), b"x");
        assert_eq!(reply.status, 400, "object in {bucket}: {}", reply.text());
    }
    assert!(!site.root().join("x").exists() && !site.mountpath.join("x").exists());
    assert_clean(&site, &mut node, &[]);
    node.stop();
}

#[test]
fn messages_that_make_no_sense_are_answered_400() {
    let (site, mut node, mut client) = site_with_bucket("messages");
    let deep = "[".repeat(100_000);
    let bodies = [
        "{",
        "[]",
        "7",
        "null x",
        "{\"action\":7}",
        "{\"action\":\"no-such-action\"}",
        "{\"action\":\"list\",\"value\":7}",
        "{\"action\":\"list\",\"value\":{\"pagesize\":-1}}",
        &deep,
        "\u{0}",
        "{\"action\":\"\\ud800\"}",
    ];
    for body in bodies {
        let shown = &body[..body.len().min(40)];
        for method in ["GET", "POST", "PATCH", "DELETE", "PUT"] {
            let reply = B.action(&mut client, method, body);
            assert_eq!(reply.status, 400, "{method} {shown}: {}", reply.text());
            assert_eq!(reply.json()["method"], method, "{shown}");
        }
    }
    let property = r#"{"action":"set-bprops","value":{"checksum":{"type":"sha0"}}}"#;
    assert_eq!(B.action(&mut client, "PATCH", property).status, 400);
    // Larger than any message may be: refused without reading it.
    let length = format!("{}", 1u64 << 40);
    for path in [B.path(), "/v1/cluster".to_owned()] {
        let head = format!("PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(client.refused(head.as_bytes()).0, 413, "{path}");
    }
    // A bucket's message may list names.
    let padding = " ".repeat(17 << 20);
    assert_eq!(B.action(&mut client, "POST", &padding).status, 413);
    client.close();
    assert_clean(&site, &mut node, &[]);
    node.stop();
}

#[test]
fn what_does_not_exist_is_answered_in_the_error_shape() {
    let (site, mut node, mut client) = site_with_bucket("missing");
    B.put(&mut client, "o", b"x");
    let object = B.object("o");
    let wanted = [
        ("GET", format!("{object}?archpath=x"), 501),
        ("PUT", format!("{object}?uploadId=x"), 501),
        ("GET", format!("{object}?provider=aws"), 501),
        ("GET", "/s3/bucket/o".to_owned(), 501),
        ("POST", "/v1/etl/x".to_owned(), 501),
        ("GET", "/v1/tokens".to_owned(), 501),
        ("GET", B.object("none"), 404),
        ("GET", "/v1/objects/no-such-bucket/o".to_owned(), 404),
        ("GET", "/v1/nothing".to_owned(), 400),
        ("GET", "/".to_owned(), 400),
        ("GET", "/v1/cluster?what=nothing".to_owned(), 400),
    ];
    for (method, path, status) in wanted {
        let reply = client.call(method, &path, &[], b"");
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        let error = reply.json();
        assert_eq!(error["status"], status, "{error}");
        assert_eq!(error["method"], method, "{error}");
        for field in ["message", "url_path", "remote_addr", "node"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {error}");
        }
    }
    let reply = client.head(&B.object("none"));
    assert_eq!(reply.status, 404);
    assert!(reply.header("Hdr-Error").contains("\"status\":404"), "{reply:?}");
    assert_clean(&site, &mut node, &["o"]);
    node.stop();
}

#[test]
fn slow_clients_are_cut_off() {
    let mut site = Site::new("slow");
    site.settings = "[timeouts]\nidle_ms = 2000\nhead_ms = 400\nbody_ms = 400\n".to_owned();
    let mut node = site.start();
    B.create(&mut node.client());
    let head = format!("PUT {} HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\n", B.object("slow"));
    let chunked =
        format!("PUT {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", B.object("slow"));
    let stalled =
        ["GET /v1/health HT", &format!("{head}some"), &chunked, "GET /v1/health HTTP/1.1\r\nHost: h\r\nX: "];
    for text in stalled {
        let (status, answer) = node.client().refused(text.as_bytes());
        assert_eq!(status, 408, "{text:?}: {answer}");
    }
    // A byte now and then does not help a head: there is a time for all of it.
    let mut client = node.client();
    client.send(b"GET /v1/health HTTP/1.1\r\nX: ").unwrap();
    let mut stream = client.stream().unwrap().try_clone().unwrap();
    let dripped = (0..600).take_while(|_| {
        std::thread::sleep(Duration::from_millis(50));
        std::io::Write::write_all(&mut stream, b"x").is_ok()
    });
    assert!(dripped.count() < 600, "still connected after 600 drops");
    // One that reads nothing of a large answer.
    B.put(&mut node.client(), "large", &content(1, 64 << 20));
    let mut deaf = node.client();
    deaf.send(format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", B.object("large")).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(4000));
    let received = deaf.read_to_close().unwrap();
    assert!(received.len() < 64 << 20, "a client that does not read was served to the end");
    assert_clean(&site, &mut node, &["large"]);
    node.stop();
}
