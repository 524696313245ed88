//! Records of a segment: no bytes make the parser panic, and what it accepts is exactly what the encoder writes.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;
use wire::cksum::crc32c;
use wire::segment::{
    BLOCK_BYTES, MAX_INTERNAL, Parsed, Record, delete_records, file_record, object_head, padding, parse,
};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // A fuzzer guesses neither sums nor CRCs, so the same bytes once more as facts behind a sound header, and as
    // what a sound comment carries.
    check(&framed(b'0', bytes));
    check(&framed(b'5', bytes));
    for word in ["file", "deletions"] {
        let text = BASE64.encode([bytes, &crc32c(bytes).to_le_bytes()].concat());
        let fact = format!(" comment=straightline 4 {word} {text}\n");
        let len =
            (1..=6).map(|count| count + fact.len()).find(|len| len.to_string().len() + fact.len() == *len);
        check(&framed(b'5', format!("{}{fact}", len.expect("some count is right")).as_bytes()));
    }
});

/// A header, the facts, zeros to the block's end, and a header of another kind.
fn framed(kind: u8, facts: &[u8]) -> Vec<u8> {
    let mut record = header(b'x', b"PaxHeader", facts.len());
    record.extend_from_slice(facts);
    record.resize(record.len().next_multiple_of(BLOCK_BYTES), 0);
    record.extend(header(kind, if kind == b'5' { b"%log/" } else { b"b/n" }, 0));
    record
}

fn header(kind: u8, name: &[u8], size: usize) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    block[..name.len()].copy_from_slice(name);
    block[100..124].copy_from_slice(b"0000644\x000000000\x000000000\0");
    if kind == b'5' {
        block[100..107].copy_from_slice(b"0000755");
    }
    block[124..148].copy_from_slice(format!("{size:011o}\x0000000000000\0").as_bytes());
    block[148..157].copy_from_slice(&[b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', kind]);
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn check(bytes: &[u8]) {
    let Ok(Parsed { record, len }) = parse(bytes) else { return };
    assert!(len > 0 && len % BLOCK_BYTES == 0);
    let mut again = Vec::new();
    match record {
        Record::Object { meta, head_len } => {
            object_head(&mut again, &meta).expect("what was read is within the limits");
            assert_eq!(again.len(), head_len);
        }
        Record::File(meta) => {
            file_record(&mut again, &meta).expect("what was read is within the limits");
        }
        Record::Deletions(deletions) => {
            delete_records(&mut again, &deletions).expect("what was read is within the limits");
        }
        Record::Padding => {
            assert!(len <= MAX_INTERNAL);
            padding(&mut again, len);
        }
        Record::End => again.resize(BLOCK_BYTES, 0),
    }
    assert!(bytes.starts_with(&again));
}
