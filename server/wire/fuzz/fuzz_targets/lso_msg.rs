//! The body of a list request: the envelope, the message in it, and a name template; then a page back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::api::actmsg::ActMsg;
use wire::api::lso::LsoMsg;
use wire::api::lso_page::{LsoEntry, LsoPage};
use wire::api::template::Template;
use wire::api::timefmt::format_nanos;

fuzz_target!(|body: &[u8]| {
    let Ok(act) = ActMsg::parse(body) else { return };
    let Ok(msg) = LsoMsg::from_value(&act.value) else { return };
    assert!((1..=10_000).contains(&msg.page_size()));
    let _ = (msg.wanted(), msg.prefix(), msg.after());
    if let Ok(template) = Template::parse(&msg.prefix) {
        assert!(template.names(100).count() <= 100);
    }
    let entry = LsoEntry {
        name: msg.prefix.clone(),
        atime: format_nanos(msg.pagesize as i64, &msg.time_format),
        size: msg.flags,
        ..LsoEntry::default()
    };
    let page = LsoPage { uuid: msg.uuid, continuation_token: msg.continuation_token, entries: vec![entry], flags: 0 };
    let mut out = Vec::new();
    page.write_json(&mut out);
    serde_json::from_slice::<serde_json::Value>(&out).expect("a page is JSON");
    out.clear();
    page.write_msgpack(&mut out);
});
