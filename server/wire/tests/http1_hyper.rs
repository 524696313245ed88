//! The codec against hyper: what we accept hyper accepts and reads the same, so what hyper refuses we
//! refuse. We may refuse more.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may fail loudly")]

mod http1_support;

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::{BodyExt, Empty};
use http1_support::{Message, cases, nearly_a_request, read_message};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

/// Room for every input and every answer, so that one side never waits for the other.
const PIPE_BYTES: usize = 1 << 20;

/// hyper's reading of the first request in `bytes`: `None` when it is refused or unfinished.
fn read_with_hyper(runtime: &Runtime, bytes: &[u8]) -> Option<Message> {
    let first: Rc<RefCell<Option<Message>>> = Rc::default();
    // Only the first request is compared, even when it was refused within its body.
    let served = Rc::new(RefCell::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        let (first, served) = (Rc::clone(&first), Rc::clone(&served));
        async move {
            let is_first = !served.replace(true);
            let message = collect(request).await;
            if is_first {
                *first.borrow_mut() = message;
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let connection = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service);
        // The end of the connection is not compared.
        let _ = connection.await;
        drop(client);
    });
    first.take()
}

async fn collect(request: Request<Incoming>) -> Option<Message> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes().to_vec();
    let mut headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    headers.sort_by(|left, right| left.0.cmp(&right.0));
    Some(Message {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        minor_version: u8::from(parts.version == Version::HTTP_11),
        headers,
        body,
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Requests that both must accept: without these the property would hold for a codec that refuses all.
const ACCEPTED: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /v1/objects/b/a%20b?provider=ais&x HTTP/1.1\r\nHost: h:51080\r\nAccept: */*\r\n\r\n",
    "GET http://h:80/x?y HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET http://[::1]?y HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "PUT /\u{fc}{}|?\u{fc}{}| HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 005 \r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tChunked \r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n",
    "brew!#$%&'*+-.^_`|~ / HTTP/1.1\r\nhost:h\r\nx-a: 1\r\nX-B:\r\nX-A: \t2\t \r\nX-High: \u{fc}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /second HTTP/1.1\r\n",
];

#[test]
fn both_accept() {
    let runtime = runtime();
    for text in ACCEPTED {
        let ours = read_message(text.as_bytes());
        assert!(ours.is_some(), "{text}");
        assert_eq!(ours, read_with_hyper(&runtime, text.as_bytes()), "{text}");
    }
}

#[test]
fn every_byte_in_every_place() {
    let runtime = runtime();
    for byte in 0..=u8::MAX {
        for place in [
            "G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /a@b HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /a?b@c HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET http://h@i/ HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.@\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1@\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h@i\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX@Y: z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: y@z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: y\r@\r\n",
            "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1@\r\n\r\n0123456789",
            "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: @1\r\n\r\n0123456789",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked@\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1@\r\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;@\r\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA@: b\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: @\r\n\r\n",
        ] {
            let bytes: Vec<u8> = place.bytes().map(|at| if at == b'@' { byte } else { at }).collect();
            if let Some(ours) = read_message(&bytes) {
                assert_eq!(Some(ours), read_with_hyper(&runtime, &bytes), "byte {byte:#x} in {place}");
            }
        }
    }
}

/// Nothing here is accepted by us; that hyper does not crash on any is all that is left to see.
#[test]
fn malformed_cases() {
    let runtime = runtime();
    let cases = cases("malformed_requests.json");
    let mut refused_by_both = 0;
    for case in &cases {
        assert_eq!(read_message(&case.bytes()), None, "{}", case.name);
        refused_by_both += usize::from(read_with_hyper(&runtime, &case.bytes()).is_none());
    }
    // If hyper accepted them all, the harness would not be testing hyper's refusals.
    assert!(refused_by_both > cases.len() / 3, "{refused_by_both} of {}", cases.len());
}

#[test]
fn generated() {
    let runtime = runtime();
    let accepted = RefCell::new(0_usize);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(6000));
    runner
        .run(&nearly_a_request(), |bytes| {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(ours) = read_message(&bytes) {
                *accepted.borrow_mut() += 1;
                prop_assert_eq!(Some(ours), read_with_hyper(&runtime, &bytes), "{:?}", shown);
            }
            Ok(())
        })
        .unwrap();
    assert!(*accepted.borrow() > 100, "too few valid requests: {}", accepted.borrow());
}
