//! A chunked body decodes to the same payload, end or refusal however it is split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http1::{ChunkStep, ChunkedDecoder, HeadError};

/// Payload and, once ended, the bytes consumed.
fn decode(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Option<usize>), HeadError> {
    let mut decoder = ChunkedDecoder::default();
    let (mut payload, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let window = &bytes[at..at.saturating_add(piece).min(bytes.len())];
        match decoder.decode(window)? {
            ChunkStep::Data { skip, len } => {
                assert!(len > 0);
                payload.extend_from_slice(&window[skip..skip + len]);
                at += skip + len;
            }
            ChunkStep::NeedMore { consumed } => {
                assert_eq!(consumed, window.len());
                at += consumed;
            }
            ChunkStep::End { consumed } => return Ok((payload, Some(at + consumed))),
        }
    }
    Ok((payload, None))
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else { return };
    assert_eq!(decode(bytes, usize::from(piece).max(1)), decode(bytes, usize::MAX));
});
