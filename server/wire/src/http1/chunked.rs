//! The chunked transfer coding (RFC 9112 section 7.1), decoded in place.

use super::error::HeadError;
use super::facts::is_token_byte;

/// Digits of a chunk size, leading zeros included.
const SIZE_DIGITS_MAX: u32 = 16;
/// Bytes of the extensions of one chunk.
const EXTENSION_BYTES_MAX: u32 = 256;
/// Bytes of all extensions of a body: else a peer could send hundreds of bytes for each byte of payload.
const EXTENSION_BYTES_TOTAL_MAX: u32 = 8 * 1024;
/// Trailer fields and their bytes. They are checked and dropped; the native API has none.
const TRAILERS_MAX: u32 = 32;
const TRAILER_BYTES_MAX: u32 = 4 * 1024;

/// The chunk that ends a body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the line that goes before `len` bytes of payload; `\r\n` goes after them. `len` must not be 0,
/// for a chunk of no bytes ends the body ([`LAST_CHUNK`]).
pub fn write_chunk_head(out: &mut Vec<u8>, len: u64) {
    let digits = 16_u32.saturating_sub(len.leading_zeros() / 4).max(1);
    for place in (0..digits).rev() {
        let nibble = len.checked_shr(place.saturating_mul(4)).unwrap_or(0) & 0xf;
        out.push(b"0123456789abcdef".get(usize::try_from(nibble).unwrap_or(0)).copied().unwrap_or(b'0'));
    }
    out.extend_from_slice(b"\r\n");
}

/// The meaning of the next bytes of a chunked body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkStep {
    /// After skipping `skip` bytes of input, `len` (at least 1) bytes are payload. Consumed: `skip + len`.
    Data {
        /// Bytes of framing before the payload.
        skip: usize,
        /// Bytes of payload.
        len: usize,
    },
    /// The input is used up, without payload in it.
    NeedMore {
        /// Always the length of the input.
        consumed: usize,
    },
    /// The body has ended; the next message starts after `consumed` bytes of input.
    End {
        /// Bytes of framing before the end.
        consumed: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    SizeStart,
    Size,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    End,
    Failed,
}

/// Decodes a chunked body wherever its bytes lie: it says which of them are payload and copies nothing.
/// Input may be split anywhere. After an error it stays failed; after the end it stays at the end.
#[derive(Clone, Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    /// The size being read, then the payload of the chunk still to come.
    remaining: u64,
    size_digits: u32,
    extension_bytes: u32,
    extension_bytes_total: u32,
    trailers: u32,
    trailer_bytes: u32,
}

impl ChunkedDecoder {
    /// Takes the next step over `input`, the bytes after those consumed so far. Call again with the rest
    /// after `Data`, and with new bytes after `NeedMore`.
    ///
    /// # Errors
    /// [`HeadError`] with status 400 for anything that is not strictly the chunked coding, 431 for trailers
    /// beyond the bounds.
    pub fn decode(&mut self, input: &[u8]) -> Result<ChunkStep, HeadError> {
        for (at, byte) in input.iter().copied().enumerate() {
            match self.state {
                State::Data => return Ok(self.take_payload(at, input.len())),
                State::End => return Ok(ChunkStep::End { consumed: at }),
                _ => {}
            }
            self.state = match self.next_state(byte) {
                Ok(state) => state,
                Err(error) => {
                    self.state = State::Failed;
                    return Err(error);
                }
            };
        }
        match self.state {
            State::End => Ok(ChunkStep::End { consumed: input.len() }),
            State::Failed => Err(FAILED_BEFORE),
            _ => Ok(ChunkStep::NeedMore { consumed: input.len() }),
        }
    }

    /// True once the whole body, trailers included, has been decoded.
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    fn take_payload(&mut self, skip: usize, input_len: usize) -> ChunkStep {
        let available = input_len.saturating_sub(skip);
        // A chunk larger than the address space is simply more than is available.
        let len = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(available);
        self.remaining = self.remaining.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
        if self.remaining == 0 {
            self.state = State::DataReturn;
        }
        ChunkStep::Data { skip, len }
    }

    /// The state after one byte of framing.
    fn next_state(&mut self, byte: u8) -> Result<State, HeadError> {
        match (self.state, byte) {
            (State::SizeStart | State::Size, digit) if digit.is_ascii_hexdigit() => self.add_digit(digit),
            (State::Size | State::Extension, b'\r') => Ok(State::SizeLineFeed),
            (State::Size, b';') => self.add_extension_byte(),
            (State::SizeStart | State::Size, _) => Err(HeadError::bad("bad chunk size")),
            (State::Extension, byte) if is_text_byte(byte) => self.add_extension_byte(),
            (State::Extension, _) => Err(HeadError::bad("bad chunk extension")),
            (State::SizeLineFeed, b'\n') => {
                self.size_digits = 0;
                self.extension_bytes = 0;
                Ok(if self.remaining == 0 { State::TrailerStart } else { State::Data })
            }
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::SizeStart),
            (State::TrailerStart, b'\r') => Ok(State::LastLineFeed),
            (State::LastLineFeed, b'\n') => Ok(State::End),
            (State::TrailerStart, byte) if is_token_byte(byte) => {
                self.trailers = self.trailers.saturating_add(1);
                self.add_trailer_byte(State::TrailerName)
            }
            (State::TrailerName, byte) if is_token_byte(byte) => self.add_trailer_byte(State::TrailerName),
            (State::TrailerName, b':') => self.add_trailer_byte(State::TrailerValue),
            (State::TrailerStart | State::TrailerName, _) => Err(HeadError::bad("bad trailer name")),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerValue, byte) if is_text_byte(byte) => self.add_trailer_byte(State::TrailerValue),
            (State::TrailerValue, _) => Err(HeadError::bad("bad trailer value")),
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
            (State::SizeLineFeed | State::DataReturn | State::DataLineFeed, _)
            | (State::TrailerLineFeed | State::LastLineFeed, _) => Err(HeadError::bad("bad chunk line end")),
            // `decode` handles these before it comes here.
            (State::Data | State::End, _) | (State::Failed, _) => Err(FAILED_BEFORE),
        }
    }

    fn add_digit(&mut self, digit: u8) -> Result<State, HeadError> {
        let value = match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            _ => digit.to_ascii_lowercase().wrapping_sub(b'a').wrapping_add(10),
        };
        self.size_digits = self.size_digits.saturating_add(1);
        let size = self.remaining.checked_mul(16).and_then(|size| size.checked_add(u64::from(value)));
        match size {
            // Signed like every other length of the API; see `parse_length`.
            Some(size) if self.size_digits <= SIZE_DIGITS_MAX && size <= i64::MAX.unsigned_abs() => {
                self.remaining = size;
                Ok(State::Size)
            }
            _ => Err(HeadError::bad("chunk size too large")),
        }
    }

    fn add_extension_byte(&mut self) -> Result<State, HeadError> {
        self.extension_bytes = self.extension_bytes.saturating_add(1);
        self.extension_bytes_total = self.extension_bytes_total.saturating_add(1);
        if self.extension_bytes > EXTENSION_BYTES_MAX
            || self.extension_bytes_total > EXTENSION_BYTES_TOTAL_MAX
        {
            return Err(HeadError::bad("chunk extension too long"));
        }
        Ok(State::Extension)
    }

    fn add_trailer_byte(&mut self, next: State) -> Result<State, HeadError> {
        self.trailer_bytes = self.trailer_bytes.saturating_add(1);
        if self.trailers > TRAILERS_MAX || self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(HeadError { status: 431, what: "trailers too large" });
        }
        Ok(next)
    }
}

const FAILED_BEFORE: HeadError = HeadError::bad("chunked body failed before");

/// True for a byte that may stand in an extension or a trailer value.
fn is_text_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` given in pieces of `piece` bytes: payload, and the bytes consumed if it ended.
    fn decode_in_pieces(input: &[u8], piece: usize) -> Result<(Vec<u8>, Option<usize>), HeadError> {
        let mut decoder = ChunkedDecoder::default();
        let (mut payload, mut at) = (Vec::new(), 0);
        while at < input.len() {
            let window = &input[at..(at + piece).min(input.len())];
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
                ChunkStep::End { consumed } => {
                    assert!(decoder.is_done());
                    assert_eq!(decoder.decode(b"more"), Ok(ChunkStep::End { consumed: 0 }));
                    return Ok((payload, Some(at + consumed)));
                }
            }
        }
        assert!(!decoder.is_done());
        Ok((payload, None))
    }

    #[test]
    fn good_bodies() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"0\r\n\r\n", b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"5;a=b\r\nhello\r\n1;\r\n!\r\n0;x=\"y z\"\r\n\r\n", b"hello!"),
            (b"000000000000000A\r\n0123456789\r\n0000\r\n\r\n", b"0123456789"),
            (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
            (b"1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n", b"a"),
            (b"0\r\nMd5: \xff\t \r\n\r\n", b""),
        ];
        for (input, expected) in cases {
            let mut pipelined = input.to_vec();
            pipelined.extend_from_slice(b"GET / HTTP/1.1\r\n");
            for piece in 1..=pipelined.len() {
                let (payload, end) = decode_in_pieces(&pipelined, piece).unwrap();
                assert_eq!((payload.as_slice(), end), (expected, Some(input.len())), "piece {piece}");
            }
        }
    }

    #[test]
    fn bounds() {
        let extension = |len: usize| format!("1;{}\r\na\r\n", "x".repeat(len - 1));
        assert!(decode_in_pieces(extension(256).as_bytes(), 7).is_ok());
        assert_eq!(decode_in_pieces(extension(257).as_bytes(), 7).unwrap_err().status, 400);
        assert!(decode_in_pieces(extension(256).repeat(32).as_bytes(), 999).is_ok());
        assert_eq!(decode_in_pieces(extension(256).repeat(33).as_bytes(), 999).unwrap_err().status, 400);
        let trailers = |count: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(decode_in_pieces(trailers(32).as_bytes(), 9).unwrap().1.is_some());
        assert_eq!(decode_in_pieces(trailers(33).as_bytes(), 9).unwrap_err().status, 431);
        let long = format!("0\r\na: {}", "b".repeat(4096));
        assert_eq!(decode_in_pieces(long.as_bytes(), 9).unwrap_err().status, 431);
        assert!(decode_in_pieces(b"7fffffffffffffff\r\n", 1).is_ok());
        assert_eq!(decode_in_pieces(b"8000000000000000\r\n", 1).unwrap_err().status, 400);
        assert_eq!(decode_in_pieces(b"00000000000000001\r\n", 1).unwrap_err().status, 400);
    }

    #[test]
    fn stays_failed() {
        let mut decoder = ChunkedDecoder::default();
        assert_eq!(decoder.decode(b"x").unwrap_err().status, 400);
        assert_eq!(decoder.decode(b"0\r\n\r\n").unwrap_err().status, 400);
        assert_eq!(decoder.decode(b"").unwrap_err().status, 400);
    }

    #[test]
    fn chunk_heads() {
        for (len, expected) in
            [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (u64::MAX, "ffffffffffffffff\r\n")]
        {
            let mut out = Vec::new();
            write_chunk_head(&mut out, len);
            assert_eq!(out, expected.as_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn encode_then_decode(
            chunks in proptest::collection::vec(proptest::collection::vec(0_u8.., 1..40), 0..8),
            piece in 1_usize..80,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                write_chunk_head(&mut body, chunk.len() as u64);
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(LAST_CHUNK);
            let (payload, end) = decode_in_pieces(&body, piece).unwrap();
            proptest::prop_assert_eq!(payload, chunks.concat());
            proptest::prop_assert_eq!(end, Some(body.len()));
        }

        #[test]
        fn splitting_changes_nothing(input in "[0-2a;:x \r\n]{0,60}", piece in 1_usize..20) {
            let whole = decode_in_pieces(input.as_bytes(), usize::MAX / 2);
            proptest::prop_assert_eq!(decode_in_pieces(input.as_bytes(), piece), whole);
        }
    }
}
