//! Records of a segment: no bytes make the parser panic, and what it accepts is exactly what the encoder writes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::cksum::crc32c;
use wire::segment::{
    BLOCK_BYTES, MAX_GLOBAL, Parsed, Record, delete_records, file_record, object_head, padding, parse,
};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // A fuzzer guesses neither sums nor CRCs, so the same bytes once more as facts behind a sound header, and as
    // what a sound comment carries.
    check(&framed(b'g', bytes));
    check(&framed(b'x', bytes));
    for word in ["file", "deletions"] {
        let mut digits = String::new();
        for byte in bytes.iter().chain(&crc32c(bytes).to_le_bytes()) {
            digits += &format!("{byte:02x}");
        }
        let fact = format!(" comment=straightline 2 {word} {digits}\n");
        let len =
            (1..=6).map(|count| count + fact.len()).find(|len| len.to_string().len() + fact.len() == *len);
        check(&framed(b'g', format!("{}{fact}", len.expect("some count is right")).as_bytes()));
    }
});

/// A header, the facts, and zeros to the block's end.
fn framed(kind: u8, facts: &[u8]) -> Vec<u8> {
    let mut record = vec![0; BLOCK_BYTES];
    let name: &[u8] = if kind == b'g' { b"pax_global_header" } else { b"PaxHeader" };
    record[..name.len()].copy_from_slice(name);
    record[100..124].copy_from_slice(b"0000644\x000000000\x000000000\0");
    record[124..148].copy_from_slice(format!("{:011o}\x0000000000000\0", facts.len()).as_bytes());
    record[148..157].copy_from_slice(&[b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', kind]);
    record[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
    record[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    record.extend_from_slice(facts);
    record.resize(record.len().next_multiple_of(BLOCK_BYTES), 0);
    record
}

fn check(bytes: &[u8]) {
    let Ok(Parsed { record, len }) = parse(bytes) else { return };
    assert!(len > 0 && len % BLOCK_BYTES == 0);
    let mut again = Vec::new();
    match record {
        Record::Object { meta, head_len } => {
            // The bucket's name is the first part of the first fact.
            let path = bytes[BLOCK_BYTES..].split(|byte| *byte == b'=').nth(1).expect("a path");
            let bucket = path.split(|byte| *byte == b'/').next().expect("a bucket");
            let bucket = std::str::from_utf8(bucket).expect("a bucket's name is ASCII");
            object_head(&mut again, bucket, &meta).expect("what was read is within the limits");
            assert_eq!(again.len(), head_len);
        }
        Record::File(meta) => {
            file_record(&mut again, &meta).expect("what was read is within the limits");
        }
        Record::Deletions(deletions) => {
            delete_records(&mut again, &deletions).expect("what was read is within the limits");
        }
        Record::Padding => {
            assert!(len <= MAX_GLOBAL);
            padding(&mut again, len);
        }
        Record::End => again.resize(BLOCK_BYTES, 0),
    }
    assert!(bytes.starts_with(&again));
}
