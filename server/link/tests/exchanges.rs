//! Whole exchanges with servers on real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use link::{ErrorKind, Leave, LinkError, PoolLimits};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use support::{Client, Pieces, Server, receive_head, respond};

#[test]
fn bodies_of_every_framing_come_whole() {
    let body: Vec<u8> = (0..300_000u32).map(|at| (at * 7 % 251) as u8).collect();
    let sent = body.clone();
    let server = Server::start(move |mut stream| {
        while let Some(head) = receive_head(&mut stream) {
            let (length, end) = (format!("Content-Length: {}", sent.len()), head.contains("/close"));
            match () {
                () if head.starts_with("HEAD") => respond(&mut stream, "200 OK", &length, b""),
                () if head.contains("/none") => respond(&mut stream, "204 No Content", "A: b", b""),
                () if head.contains("/length") => respond(&mut stream, "200 OK", &length, &sent),
                () if head.contains("/chunks") => {
                    respond(&mut stream, "200 OK", "Transfer-Encoding: chunked", b"");
                    for chunk in sent.chunks(70_001) {
                        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).unwrap();
                        stream.write_all(chunk).unwrap();
                        stream.write_all(b"\r\n").unwrap();
                    }
                    stream.write_all(b"0\r\n\r\n").unwrap();
                }
                () => respond(&mut stream, "200 OK", "A: b", &sent),
            }
            if end {
                return;
            }
        }
    });
    let client = Client::new(PoolLimits::default());
    for is_discarded in [false, true] {
        for (method, path, want) in [
            ("GET", "/length", body.len()),
            ("HEAD", "/length", 0),
            ("GET", "/none", 0),
            ("GET", "/chunks", body.len()),
            ("GET", "/length", body.len()),
            ("GET", "/close", body.len()),
        ] {
            let got = client.run(client.exchange(&server.address, method, path, is_discarded)).unwrap();
            assert_eq!(got.bytes, want as u64, "{method} {path}");
            assert!(is_discarded || want == 0 || got.body == body);
            assert_eq!(got.is_reusable, path != "/close", "{path}");
        }
    }
    assert_eq!(server.connections(), 2, "one until it was closed, each time");
}

#[test]
fn a_body_follows_its_head_piece_by_piece() {
    let server = Server::start(|mut stream| {
        while let Some(head) = receive_head(&mut stream) {
            if head.contains("/refuse") {
                respond(&mut stream, "403 Forbidden", "Content-Length: 2", b"no");
                return;
            }
            if head.contains("100-continue") && !head.contains("/silent") {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            }
            let mut body = vec![0; support::length_of(&head)];
            stream.read_exact(&mut body).unwrap();
            respond(&mut stream, "200 OK", &format!("Content-Length: {}", body.len()), &body);
        }
    });
    let client = Client::new(PoolLimits::default());
    let body: Vec<u8> = (0..1_000_000u32).map(|at| (at % 253) as u8).collect();
    for (path, is_asked, want) in [
        ("/plain", false, Ok((200, Leave::Given))),
        ("/asked", true, Ok((200, Leave::Given))),
        ("/silent", true, Ok((200, Leave::Silence))),
        ("/refuse", true, Ok((403, Leave::Refused))),
    ] {
        let mut source = Pieces::new(&body, 333_333);
        let got = client.run(client.push(&server.address, path, &mut source, body.len(), is_asked));
        let got = got.map(|got| {
            assert!(got.status != 200 || got.body == body, "{path}");
            (got.status, got.leave)
        });
        assert_eq!(got.map_err(|e| e.kind), want, "{path}");
    }
    // A source that fails takes its connection with it; nobody waits for an answer that cannot come.
    let mut source = Pieces::new(&body, 333_333);
    source.fails_at = Some(2);
    let failed = client.run(client.push(&server.address, "/plain", &mut source, body.len(), false));
    assert_eq!(failed.map(|_| ()).unwrap_err().kind, ErrorKind::Source);
}

#[test]
fn a_connection_that_the_peer_closed_meanwhile_is_replaced() {
    let server = Server::start(|mut stream| {
        // One answer each, and no word that it is the last.
        if receive_head(&mut stream).is_some() {
            respond(&mut stream, "200 OK", "Content-Length: 1", b"x");
        }
    });
    let client = Client::new(PoolLimits::default());
    for round in 1..=3 {
        let got = client.run(client.exchange(&server.address, "GET", "/", false)).unwrap();
        assert_eq!((got.status, server.connections()), (200, round));
        std::thread::sleep(Duration::from_millis(20));
    }
    let nobody = Server::refusing();
    let failed = client.run(client.exchange(&nobody, "GET", "/", false)).map(|_| ()).unwrap_err();
    assert_eq!(failed.kind, ErrorKind::Connect, "{failed}");
}

#[test]
fn answers_that_are_none_are_errors() {
    let table: [(&[u8], ErrorKind); 6] = [
        (b"", ErrorKind::Closed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", ErrorKind::Closed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc", ErrorKind::Protocol),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorKind::Protocol),
        (b"HTTP/1.1 2", ErrorKind::Closed),
        (b"hello there\r\n\r\n", ErrorKind::Protocol),
    ];
    for (answer, want) in table {
        let server = Server::start(move |mut stream| {
            receive_head(&mut stream);
            stream.write_all(answer).unwrap();
        });
        let client = Client::new(PoolLimits::default());
        let failed = client.run(client.exchange(&server.address, "GET", "/", false)).map(|_| ()).unwrap_err();
        assert_eq!(failed.kind, want, "{}: {failed}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn connections_are_bounded_and_waited_for() {
    let server = Server::start(|mut stream| {
        while receive_head(&mut stream).is_some() {
            std::thread::sleep(Duration::from_millis(100));
            respond(&mut stream, "200 OK", "Content-Length: 1", b"x");
        }
    });
    let limits = PoolLimits { conns_max: Some(2), waiting_max: 3, ..PoolLimits::default() };
    let client = Client::new(limits);
    let mut outcomes = client.run(async {
        let all = (0..6).map(|_| client.exchange(&server.address, "GET", "/", false));
        futures_util::future::join_all(all).await
    });
    outcomes.sort_by_key(Result::is_err);
    let kinds: Vec<_> =
        outcomes.iter().map(|one| one.as_ref().map(|got| got.status).map_err(|e| e.kind)).collect();
    assert_eq!(kinds, [Ok(200), Ok(200), Ok(200), Ok(200), Ok(200), Err(ErrorKind::Busy)]);
    assert_eq!(server.connections(), 2);
    // Given up in the middle, a connection is closed and the next may have its place.
    for _ in 0..4 {
        let given_up = client.run(async {
            let one = std::pin::pin!(client.exchange(&server.address, "GET", "/", false));
            let sleep = std::pin::pin!(client.driver.sleep(Duration::from_millis(20)));
            matches!(futures_util::future::select(one, sleep).await, futures_util::future::Either::Right(_))
        });
        assert!(given_up);
    }
    assert_eq!(client.run(client.exchange(&server.address, "GET", "/", false)).unwrap().status, 200);
}

#[test]
fn idle_connections_end() {
    let server = Server::start(|mut stream| {
        while receive_head(&mut stream).is_some() {
            respond(&mut stream, "200 OK", "Content-Length: 1", b"x");
        }
    });
    let idle_for = Some(Duration::from_millis(100));
    let client = Client::new(PoolLimits { idle_for, idle_max: Some(1), ..PoolLimits::default() });
    let ask = || client.run(client.exchange(&server.address, "GET", "/", false)).unwrap().status;
    let peer = client.peers.find(&server.address).unwrap();
    assert_eq!((ask(), ask(), server.connections(), client.peers.idle(peer)), (200, 200, 1, 1));
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!((ask(), server.connections()), (200, 2), "one that has idled too long is not used");
    assert_eq!(client.peers.sweep(Instant::now()), 0);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!((client.peers.sweep(Instant::now()), client.peers.idle(peer)), (1, 0));
    // Two at once; one is kept.
    let (one, other) = client.run(async {
        let ask = || client.exchange(&server.address, "GET", "/", false);
        futures_util::future::join(ask(), ask()).await
    });
    assert_eq!((one.unwrap().status, other.unwrap().status, client.peers.idle(peer)), (200, 200, 1));
}

/// The kind of the failure, and after what time it came.
fn failure(outcome: Result<support::Got, LinkError>, begin: Instant) -> (ErrorKind, Duration) {
    (outcome.map(|_| ()).unwrap_err().kind, begin.elapsed())
}

#[test]
fn a_silent_peer_is_cut_and_a_slow_one_is_not() {
    let server = Server::start(|mut stream| {
        let Some(head) = receive_head(&mut stream) else { return };
        if head.contains("/slow") {
            respond(&mut stream, "200 OK", "Content-Length: 10", b"");
            for _ in 0..10 {
                std::thread::sleep(Duration::from_millis(200));
                stream.write_all(b"x").unwrap();
            }
        } else if head.contains("/half") {
            respond(&mut stream, "200 OK", "Content-Length: 10", b"x");
        }
        // Until the client has gone.
        while stream.read(&mut [0; 4096]).is_ok_and(|got| got > 0) {}
    });
    let idle = Duration::from_millis(600);
    let client = Client { idle: Some(idle), ..Client::new(PoolLimits::default()) };
    let slow = client.run_watched(client.exchange(&server.address, "GET", "/slow", false)).unwrap();
    assert_eq!(slow.body, b"xxxxxxxxxx");
    for path in ["/half", "/nothing"] {
        let begin = Instant::now();
        let outcome = client.run_watched(client.exchange(&server.address, "GET", path, false));
        let (kind, after) = failure(outcome, begin);
        assert_eq!(kind, ErrorKind::Timeout, "{path}");
        assert!(after >= idle && after < idle * 4, "{path}: {after:?}");
    }
    // Time that our own side takes is not the peer's silence.
    let mut source = Pieces::new(&[7; 100], 50);
    source.pause = Some((client.driver.clone(), idle * 2));
    let outcome = client.run_watched(client.push(&server.address, "/nothing", &mut source, 200, false));
    assert!(source.given >= 2, "it was asked for all of its pieces");
    assert_eq!(outcome.map(|_| ()).unwrap_err().kind, ErrorKind::Timeout, "and then the peer said nothing");
}

#[test]
fn an_end_of_time_is_one_whatever_moves() {
    let server = Server::start(|mut stream| {
        receive_head(&mut stream);
        respond(&mut stream, "200 OK", "Content-Length: 1000000", b"");
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let client = Client { total: Some(Duration::from_millis(400)), ..Client::new(PoolLimits::default()) };
    let begin = Instant::now();
    let (kind, after) =
        failure(client.run_watched(client.exchange(&server.address, "GET", "/", false)), begin);
    assert_eq!(kind, ErrorKind::Timeout);
    assert!(after >= Duration::from_millis(400) && after < Duration::from_secs(2), "{after:?}");
}
