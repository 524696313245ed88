//! A body of aws-chunks decodes to the same payload, trailers, end or refusal however it is split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http1::ChunkStep;
use wire::s3::{AwsChunked, Payload, Refusal};

type Decoded = (Vec<u8>, Option<usize>, Vec<(String, String)>);

fn decode(bytes: &[u8], piece: usize) -> Result<Decoded, Refusal> {
    let payload = Payload::Chunks { is_signed: false, has_trailer: true };
    let mut decoder = AwsChunked::new(payload, None, None)?;
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
            ChunkStep::End { consumed } => return Ok((payload, Some(at + consumed), decoder.trailers().to_vec())),
        }
    }
    Ok((payload, None, decoder.trailers().to_vec()))
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else { return };
    assert_eq!(decode(bytes, usize::from(piece).max(1)), decode(bytes, usize::MAX));
});
