//! Messages, lists, templates, pages and jobs of hostile clients stay inside the budget.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{Bucket, Client, Site, metric};

const B: Bucket = Bucket("budget");
const MIB: u64 = 1 << 20;
/// The budget of the sites of all tests, and what may be beside it.
const RESIDENT_MAX: u64 = (768 + 64) * MIB;
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until nothing is held for messages any more.
fn wait_until_free(client: &mut Client) {
    let begun = Instant::now();
    while metric(client, "straightline_message_bytes") > 0 {
        assert!(begun.elapsed() < PATIENCE, "memory of messages was not given back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn wait_for_job(client: &mut Client, id: &str) -> serde_json::Value {
    let begun = Instant::now();
    let body = format!("{{\"ID\":\"{id}\"}}");
    loop {
        let reply = client.call("GET", "/v1/cluster?what=status", &[], body.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
        let status = reply.json();
        if status["end_time"].as_i64().unwrap() > 0 {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "job {id} does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A peer that sends a body in chunks for as long as anybody reads it.
struct Endless {
    stream: TcpStream,
    is_over: bool,
}

impl Endless {
    fn begin(port: u16, method: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!("{method} {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", B.path());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"e\r\n{\"action\":\"x\",\r\n").unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, is_over: false }
    }

    /// Sends one more chunk, as far as it goes; once the socket is full no chunk would be whole.
    fn go_on(&mut self, chunk: &[u8]) {
        while !self.is_over {
            match self.stream.write(chunk) {
                Ok(count) if count == chunk.len() => return,
                Ok(_) => self.is_over = true,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.is_over = true,
            }
        }
    }

    fn answer(mut self) -> String {
        self.stream.set_nonblocking(false).unwrap();
        self.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut answer = vec![0; 4096];
        let count = self.stream.read(&mut answer).unwrap_or_default();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }
}

#[test]
fn bodies_without_end_take_no_more_than_there_is() {
    let site = Site::new("endless");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let methods = ["POST", "DELETE", "PATCH", "GET", "PUT"];
    let mut peers: Vec<Endless> =
        (0..250).map(|at| Endless::begin(node.port, methods[at % methods.len()])).collect();
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 65536], b"\r\n"].concat();
    let mut most = 0;
    for _ in 0..300 {
        for peer in &mut peers {
            peer.go_on(&chunk);
        }
        most = most.max(node.resident_bytes());
    }
    // Who asks for something small is served meanwhile.
    assert_eq!(client.get("/v1/health").status, 200);
    assert_eq!(B.action(&mut client, "GET", r#"{"action":"list"}"#).status, 200);
    let (held, limit) = (
        metric(&mut client, "straightline_message_bytes"),
        metric(&mut client, "straightline_message_limit_bytes"),
    );
    assert!(held <= limit, "{held} of {limit} bytes are held");
    eprintln!("{} MiB resident at most, {} of {} MiB held", most / MIB, held / MIB, limit / MIB);
    assert!(most < RESIDENT_MAX, "{} MiB resident", most / MIB);
    let answers: Vec<String> =
        peers.into_iter().map(Endless::answer).filter(|text| !text.is_empty()).collect();
    assert!(!answers.is_empty());
    for answer in answers {
        let is_503 = answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After:");
        assert!(is_503 || answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
    wait_until_free(&mut client);
    node.stop();
}

#[test]
fn a_parsed_form_counts_as_well() {
    let site = Site::new("parsed");
    let node = site.start();
    B.create(&mut node.client());
    let names = vec!["\"a\""; 3 << 20].join(",");
    let tiny =
        format!("{{\"action\":\"delete-listrange\",\"value\":{{\"coer\":true,\"objnames\":[{names}]}}}}");
    let deep = format!("{{\"action\":\"list\",\"value\":{}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |method: &'static str, body: &str| {
            let (port, body) = (node.port, body.to_owned());
            scope.spawn(move || {
                let mut client = Client::new(port);
                // A connection may be cut while the body is still on its way.
                client.request(method, &B.path(), &[], body.as_bytes()).map_or(0, |reply| reply.status)
            })
        };
        let asked: Vec<_> = (0..16).flat_map(|_| [ask("DELETE", &tiny), ask("GET", &deep)]).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let resident = node.resident_bytes();
    eprintln!("{} MiB resident; {statuses:?}", resident / MIB);
    assert!(resident < RESIDENT_MAX, "{} MiB resident", resident / MIB);
    assert!(statuses.iter().all(|status| [0, 400, 413, 503].contains(status)), "{statuses:?}");
    // A list of a usual size is taken all the same.
    let mut client = node.client();
    wait_until_free(&mut client);
    let names: Vec<String> = (0..20_000).map(|at| format!("\"object-{at:06}\"")).collect();
    let body = format!(
        "{{\"action\":\"delete-listrange\",\"value\":{{\"coer\":true,\"objnames\":[{}]}}}}",
        names.join(",")
    );
    let reply = B.action(&mut client, "DELETE", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(wait_for_job(&mut client, &reply.text())["err"], "");
    wait_until_free(&mut client);
    node.stop();
}

#[test]
fn a_template_of_a_billion_names_is_no_list() {
    let site = Site::new("template");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    for at in 0..50 {
        B.put(&mut client, &format!("obj-{}", at * 7919), b"x");
    }
    for other in ["obj-007", "obj-1000000000", "obj-x", "other"] {
        B.put(&mut client, other, b"x");
    }
    let before = node.resident_bytes();
    let billion = r#"{"action":"delete-listrange","value":{"template":"obj-{0..999999999}","coer":true}}"#;
    let reply = B.action(&mut client, "DELETE", billion);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(wait_for_job(&mut client, &reply.text())["err"], "");
    assert_eq!(B.list(&mut client), ["obj-007", "obj-1000000000", "obj-x", "other"]);
    // One template has the most ranges, all of them without an end; the other is longer than any name.
    let endless = format!(
        r#"{{"action":"delete-listrange","value":{{"template":"{}","coer":true}}}}"#,
        "{0..999999999999999999}".repeat(16)
    );
    let reply = B.action(&mut client, "DELETE", &endless);
    assert_eq!(wait_for_job(&mut client, &reply.text())["err"], "");
    let long = format!(
        r#"{{"action":"delete-listrange","value":{{"template":"{}{{0..9}}"}}}}"#,
        "x".repeat(1 << 20)
    );
    let refused = B.action(&mut client, "DELETE", &long);
    assert!(refused.status == 400 && refused.body.len() < 16 << 10, "{}", refused.status);
    // The first object that is missing ends it, if there is no leave to go on.
    let strict = r#"{"action":"delete-listrange","value":{"template":"obj-{0..999999999}"}}"#;
    let reply = B.action(&mut client, "DELETE", strict);
    assert!(wait_for_job(&mut client, &reply.text())["err"].as_str().unwrap().contains("obj-0"));
    let grown = node.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB, "{} MiB more", grown / MIB);
    node.stop();
}

#[test]
fn texts_that_pages_would_repeat_are_bounded() {
    let site = Site::new("texts");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    B.put(&mut client, "o", b"x");
    let long = "x".repeat(100_000);
    for field in ["time_format", "prefix", "start_after", "continuation_token", "uuid"] {
        let body = format!(r#"{{"action":"list","value":{{"props":"name,atime","{field}":"{long}"}}}}"#);
        let reply = B.action(&mut client, "GET", &body);
        assert_eq!(reply.status, 400, "{field}");
    }
    let reply = B.action(&mut client, "GET", &format!(r#"{{"action":"{long}"}}"#));
    assert!(reply.status == 400 && reply.body.len() < 16 << 10, "an answer of {} bytes", reply.body.len());
    node.stop();
}

/// All names, by pages of whatever length the node makes them.
fn walk(client: &mut Client) -> (Vec<String>, usize) {
    let (mut names, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let body = format!(
            r#"{{"action":"list","value":{{"props":"name,size,checksum,atime,version,location","continuation_token":"{token}"}}}}"#
        );
        let reply = B.action(client, "GET", &body);
        if reply.status == 503 {
            assert_eq!(reply.header("Retry-After"), "1");
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        pages += 1;
        names.extend(
            page["entries"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap().to_owned()),
        );
        token = page["continuation_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return (names, pages);
        }
    }
}

#[test]
fn pages_become_shorter_where_memory_is_scarce() {
    let site = Site::new("pages");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let mut want: Vec<String> = (0..3000).map(|at| format!("{at:05}-{}", "n".repeat(900))).collect();
    std::thread::scope(|scope| {
        for part in want.chunks(750) {
            let port = node.port;
            scope.spawn(move || part.iter().for_each(|name| drop(B.put(&mut Client::new(port), name, b"x"))));
        }
    });
    want.sort();
    // One page, as long as asked for, though the names are long.
    assert_eq!(walk(&mut client), (want.clone(), 1));
    // Many who ask and do not read.
    let mut silent: Vec<Client> = (0..200).map(|_| node.client()).collect();
    for client in &mut silent {
        let body = r#"{"action":"list","value":{"props":"name,size,checksum,atime,version,location"}}"#;
        let head =
            format!("GET {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", B.path(), body.len());
        client.send(head.as_bytes()).unwrap();
    }
    std::thread::sleep(Duration::from_secs(1));
    let resident = node.resident_bytes();
    let held = metric(&mut client, "straightline_message_bytes");
    eprintln!("{} MiB resident, {} MiB held", resident / MIB, held / MIB);
    assert!(resident < RESIDENT_MAX, "{} MiB resident", resident / MIB);
    assert!(held <= metric(&mut client, "straightline_message_limit_bytes"));
    assert_eq!(client.get("/v1/health").status, 200);
    drop(silent);
    assert_eq!(walk(&mut client).0, want);
    wait_until_free(&mut client);
    node.stop();
}

#[test]
fn jobs_wait_for_their_turn_and_too_many_are_refused() {
    let site = Site::new("jobs");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let names: Vec<String> = (0..600).map(|at| format!("job-{at:03}")).collect();
    names.iter().for_each(|name| drop(B.put(&mut client, name, b"x")));
    // All at once, each with its part: none fails, and nothing is left.
    let jobs: Vec<String> = names
        .chunks(10)
        .map(|part| {
            let list: Vec<String> = part.iter().map(|name| format!("\"{name}\"")).collect();
            let body =
                format!(r#"{{"action":"delete-listrange","value":{{"objnames":[{}]}}}}"#, list.join(","));
            let reply = B.action(&mut client, "DELETE", &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.text()
        })
        .collect();
    for job in jobs {
        assert_eq!(wait_for_job(&mut client, &job)["err"], "");
    }
    assert_eq!(B.list(&mut client), [""; 0]);
    // Jobs without an end: some work, some wait, and then there are enough.
    let endless = r#"{"action":"delete-listrange","value":{"template":"n-{0..1000000}","coer":true}}"#;
    let mut refused = 0;
    for _ in 0..400 {
        let reply = B.action(&mut client, "DELETE", endless);
        refused += u32::from(reply.status == 503 && reply.header("Retry-After") == "1");
        assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
    }
    assert!(refused > 0, "400 jobs were taken");
    assert_eq!(client.get("/v1/health").status, 200);
    let running = client.get("/v1/cluster?what=running_all").json();
    assert!(running.as_array().unwrap().len() <= 257, "{running}");
    node.stop();
}

#[test]
fn a_low_limit_of_files_lowers_connections_and_is_said() {
    let mut site = Site::new("files");
    site.launcher = ["sh", "-c", "ulimit -n 1024 && exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    site.connections_max = 2000;
    let node = site.start();
    let banner = node.banner();
    assert!(banner.contains("WARNING") && banner.contains("a limit of 1024 open files"), "{banner}");
    let mut client = node.client();
    let connections = metric(&mut client, "straightline_connections_limit");
    assert!(connections > 16 && connections < 1000, "{connections}");
    let mut clients: Vec<Client> = (0..connections.min(100)).map(|_| node.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/v1/health").status, 200);
    }
    node.stop();
    site.launcher[2] = "ulimit -n 300 && exec \"$@\"".to_owned();
    let refused = site.try_start().err().unwrap_or_else(|| panic!("300 files are too few"));
    assert!(refused.contains("a limit of 300 open files is too small"), "{refused}");
}
