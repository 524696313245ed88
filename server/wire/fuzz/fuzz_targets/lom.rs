//! Object metadata: no bytes make the decoder panic, and what it accepts is exactly what the encoder writes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::lom::ObjectMeta;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // A fuzzer does not guess a CRC, so the same bytes once more as the fields of a sound frame.
    let mut framed = b"SLM2".to_vec();
    framed.extend_from_slice(&((6 + bytes.len() + 4) as u16).to_le_bytes());
    framed.extend_from_slice(bytes);
    let crc = crc32fast::hash(&framed);
    framed.extend_from_slice(&crc.to_le_bytes());
    check(&framed);
});

fn check(bytes: &[u8]) {
    // As an attribute they may be text too, and are the same metadata where they are a record.
    let attribute = ObjectMeta::from_attribute(bytes);
    if let Ok(meta) = ObjectMeta::decode(bytes) {
        assert_eq!(attribute.as_ref(), Ok(&meta));
        let mut again = Vec::new();
        meta.encode(&mut again).expect("what was decoded is within the limits");
        assert_eq!(again, bytes);
    }
}
