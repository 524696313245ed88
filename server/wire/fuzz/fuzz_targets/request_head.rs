//! A request head gives the same answer however it is split, and what is accepted is sound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http1::{
    Conditions, HeadLimits, Method, Validators, parse_range, parse_request, parse_response,
    query_pairs,
};

fuzz_target!(|data: &[u8]| {
    // The first byte says where to split; small limits are reached more often.
    let Some((&split, bytes)) = data.split_first() else { return };
    let tight = HeadLimits { head_bytes_max: 120, headers_max: 4, uri_bytes_max: 20 };
    for limits in [HeadLimits::default(), tight] {
        let whole = parse_request(bytes, &limits);
        let prefix = &bytes[..usize::from(split).min(bytes.len())];
        match (parse_request(prefix, &limits), &whole) {
            (Ok(None), _) => {}
            (Ok(Some(early)), Ok(Some(late))) => assert_eq!(early.head_bytes, late.head_bytes),
            (Err(early), Err(late)) => assert_eq!(early, *late),
            (early, late) => panic!("{early:?} became {late:?}"),
        }
        if let Ok(Some(head)) = whole {
            assert!(head.head_bytes <= bytes.len());
            assert!(head.path().starts_with('/') || head.path() == "*");
            let _ = query_pairs(head.query()).count();
            let _ = parse_range(head.headers.get_str("range"), 1000);
            let validators = Validators { etag: Some("x"), modified_unix_s: 784_111_777 };
            let _ = Conditions::parse(&head.headers).judge(head.method, &validators, true);
        }
        let _ = parse_response(bytes, &limits, Method::Get);
    }
});
