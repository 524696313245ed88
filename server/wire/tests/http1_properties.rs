//! Properties of the codec over generated messages.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may fail loudly")]

mod http1_support;

use http1_support::{cases, nearly_a_request, nearly_a_response};
use proptest::prelude::*;
use wire::http1::{
    Conditions, Framing, HeadError, HeadLimits, HeadWriter, Method, Precondition, Validators, parse_range,
    parse_request, parse_response,
};

/// Limits that generated messages do reach.
const TIGHT: HeadLimits = HeadLimits { head_bytes_max: 90, headers_max: 3, uri_bytes_max: 12 };

/// Checks that the answer for `bytes` does not depend on how they were split: `parse` gives the length of
/// the head.
fn check_splits(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<Option<usize>, HeadError>,
) -> Result<(), TestCaseError> {
    let whole = parse(bytes);
    for len in 0..bytes.len() {
        let early = parse(&bytes[..len]);
        match whole {
            Ok(Some(head)) if len >= head => prop_assert_eq!(early, whole, "{} bytes", len),
            Ok(_) => prop_assert_eq!(early, Ok(None), "{} bytes", len),
            Err(_) => {
                prop_assert!(early == whole || early == Ok(None), "{} bytes: {:?}, {:?}", len, early, whole)
            }
        }
    }
    Ok(())
}

fn request_head(bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
    parse_request(bytes, limits).map(|head| head.map(|head| head.head_bytes))
}

fn response_head(bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
    parse_response(bytes, limits, Method::Get).map(|head| head.map(|head| head.head_bytes))
}

#[test]
fn splitting_the_malformed_cases() {
    for case in cases("malformed_requests.json") {
        let bytes = case.bytes();
        if bytes.len() < 1000 {
            check_splits(&bytes, |bytes| request_head(bytes, &HeadLimits::default())).unwrap();
            check_splits(&bytes, |bytes| request_head(bytes, &TIGHT)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn splitting_a_request(bytes in nearly_a_request()) {
        check_splits(&bytes, |bytes| request_head(bytes, &HeadLimits::default()))?;
        check_splits(&bytes, |bytes| request_head(bytes, &TIGHT))?;
    }

    #[test]
    fn splitting_a_response(bytes in nearly_a_response()) {
        check_splits(&bytes, |bytes| response_head(bytes, &HeadLimits::default()))?;
        check_splits(&bytes, |bytes| response_head(bytes, &TIGHT))?;
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_splits(&bytes, |bytes| request_head(bytes, &HeadLimits::default()))?;
        check_splits(&bytes, |bytes| response_head(bytes, &HeadLimits::default()))?;
    }

    /// The texts that an accepted head borrows lie within itself, and its accessors never panic.
    #[test]
    fn accepted_heads_are_sound(bytes in nearly_a_request()) {
        if let Ok(Some(head)) = parse_request(&bytes, &HeadLimits::default()) {
            prop_assert!(head.head_bytes <= bytes.len());
            prop_assert!(head.path().starts_with('/') || head.path() == "*");
            prop_assert!(head.framing != Framing::UntilClose);
            prop_assert!(head.headers.iter().all(|(name, value)| !name.is_empty() && !value.contains(&b'\n')));
            let validators = Validators { etag: Some("x"), modified_unix_s: 0 };
            let judged = Conditions::parse(&head.headers).judge(head.method, &validators, true);
            prop_assert_eq!(judged, Precondition::Proceed);
        }
    }

    #[test]
    fn writing_then_parsing_a_request(
        method in "[A-Z]{1,8}",
        target in "/[!$-;=?-Z_a-z~]{0,30}",
        names in proptest::collection::vec("x-[a-zA-Z0-9!_-]{1,10}", 0..8),
        value in "[^\r\n\0\u{1}-\u{1f}\u{7f} ]{0,20}",
        length in proptest::option::of(0..=i64::MAX.unsigned_abs()),
    ) {
        let mut out = Vec::new();
        let mut writer = HeadWriter::request(&mut out, &method, &target, "h:80");
        for name in &names {
            writer.header(name, &value);
        }
        if let Some(length) = length {
            writer.content_length(length);
        }
        writer.finish();
        let head = parse_request(&out, &HeadLimits::default()).unwrap().unwrap();
        prop_assert_eq!((head.method_text, head.target), (method.as_str(), target.as_str()));
        prop_assert_eq!(head.framing, length.map_or(Framing::Empty, Framing::Length));
        prop_assert_eq!(head.head_bytes, out.len());
        for name in &names {
            prop_assert_eq!(head.headers.get_str(name), Some(value.as_str()));
        }
    }

    /// Whatever text goes in, exactly one head with exactly the fields that were written comes out.
    #[test]
    fn nothing_written_can_forge_a_field(
        status in 200_u16..=999,
        name in "[a-z:\r\n\0 ]{0,6}",
        value in "[ -~\r\n\0\u{fc}]{0,30}",
        shown in "[ -~\r\n\0]{0,30}",
    ) {
        let mut out = Vec::new();
        let mut writer = HeadWriter::response(&mut out, status);
        writer.header("x-value", &value).header_display("x-shown", &shown).content_length(7);
        // Only the name of a field that changes the framing could matter, and none can be made of these bytes.
        writer.header(&format!("x-{name}"), "v");
        writer.finish();
        let head = parse_response(&out, &HeadLimits::default(), Method::Get).unwrap().unwrap();
        prop_assert_eq!((head.status, head.headers.len(), head.head_bytes), (status, 4, out.len()));
        let bodyless = matches!(status, 204 | 304);
        prop_assert_eq!(head.framing, if bodyless { Framing::Empty } else { Framing::Length(7) });
    }

    #[test]
    fn hostile_request_lines(method in ".{0,9}", target in "/.{0,20}") {
        let mut out = Vec::new();
        HeadWriter::request(&mut out, &method, &target, "h").finish();
        match parse_request(&out, &HeadLimits::default()) {
            Ok(Some(head)) => prop_assert_eq!((head.headers.len(), head.head_bytes), (1, out.len())),
            Ok(None) => prop_assert!(false, "unfinished"),
            // A target with, say, `#` is the caller's mistake and refused as one.
            Err(error) => prop_assert_eq!(error.status, 400),
        }
    }

    #[test]
    fn a_part_lies_within_the_object(
        header in prop_oneof!["bytes=[0-9]{0,4}-[0-9]{0,4}", "bytes=[0-9, -]{0,12}", ".{0,20}"],
        size in 0_u64..2000,
    ) {
        if let wire::http1::RangeOutcome::Part { start, len } = parse_range(Some(&header), size) {
            prop_assert!(len >= 1 && start + len <= size);
        }
    }
}
