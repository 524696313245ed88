//! Every checked-in malformed message is refused, with the status the file names, however it is split.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may fail loudly")]

mod http1_support;

use http1_support::{cases, decode_chunked};
use wire::http1::{HeadLimits, parse_request};

#[test]
fn malformed_requests() {
    let limits = HeadLimits::default();
    let cases = cases("malformed_requests.json");
    assert!(cases.len() >= 300, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let bytes = case.bytes();
        let outcome = parse_request(&bytes, &limits).map(|head| head.is_some());
        if outcome.map_err(|error| error.status) != Err(case.status) {
            wrong.push(format!("{}: expected {}, got {outcome:?}", case.name, case.status));
        }
        // Some prefix is unfinished, and from the first refusal on the answer never changes.
        let step = (bytes.len() / 200).max(1);
        for len in (0..bytes.len()).step_by(step) {
            match parse_request(&bytes[..len], &limits) {
                Ok(None) => {}
                Ok(Some(_)) => wrong.push(format!("{}: accepted after {len} bytes", case.name)),
                early if early.as_ref().err() == outcome.as_ref().err() => {}
                early => wrong.push(format!("{}: after {len} bytes {:?}", case.name, early.err())),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn malformed_chunked_bodies() {
    let cases = cases("malformed_chunked.json");
    assert!(cases.len() >= 200, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let outcome = decode_chunked(&case.bytes());
        if outcome.as_ref().err().map(|error| error.status) != Some(case.status) {
            wrong.push(format!("{}: expected {}, got {outcome:?}", case.name, case.status));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
