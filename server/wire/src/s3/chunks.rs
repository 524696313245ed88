//! Bodies in aws-chunks: decoded wherever their bytes lie, and verified where they are signed.

use super::claim::Seal;
use super::key::from_hex;
use super::payload::{EMPTY_SHA256, Payload};
use super::refusal::Refusal;
use crate::hex;
use crate::http1::ChunkStep;
use sha2::{Digest, Sha256};

/// Digits of a chunk's size.
const SIZE_DIGITS_MAX: usize = 16;
/// Bytes of a line: a size with its signature, or a trailing header.
const LINE_BYTES_MAX: usize = 1024;
/// Trailing headers.
const TRAILERS_MAX: usize = 16;

const SIGNATURE_EXTENSION: &str = "chunk-signature=";
pub(super) const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The line with a chunk's size.
    Size,
    /// So many bytes of payload are still to come.
    Data(u64),
    /// The end of the line that follows payload.
    DataEnd,
    /// Trailing headers, and the empty line that ends the body.
    Trailers,
    End,
    Failed,
}

/// Decodes a body of aws-chunks: it says which bytes are payload and copies nothing. Input may be split anywhere.
///
/// A chunk's signature is judged at its end, when its payload has been given out already: nothing may become of a body
/// before [`ChunkStep::End`]. After an error it stays failed. Behind the end the framing outside of it (Content-Length, or
/// chunks of HTTP) has its own end, which must come too.
#[derive(Clone, Debug)]
pub struct AwsChunked {
    state: State,
    /// `None`: chunks have no signatures.
    seal: Option<Seal>,
    has_trailer: bool,
    /// Bytes of payload still to come, where the request has said how many there are.
    left_bytes: Option<u64>,
    line: Vec<u8>,
    hasher: Sha256,
    /// The signature that the chunk states.
    stated: [u8; 32],
    trailers: Vec<(String, String)>,
    trailer_signature: Option<[u8; 32]>,
}

impl AwsChunked {
    /// A decoder for a body that [`Payload::Chunks`] announces; `decoded_bytes` is what `x-amz-decoded-content-length` says.
    /// The seal is that of the request.
    ///
    /// # Errors
    /// For any other payload, and for signed chunks without a seal: then nobody has verified the request.
    pub fn new(payload: Payload, seal: Option<Seal>, decoded_bytes: Option<u64>) -> Result<Self, Refusal> {
        let Payload::Chunks { is_signed, has_trailer } = payload else {
            return Err(Refusal::new(400, "InvalidRequest", "The body is not in aws-chunks."));
        };
        if is_signed && seal.is_none() {
            return Err(Refusal::denied("Chunks cannot be signed in an anonymous request."));
        }
        Ok(Self {
            state: State::Size,
            seal: seal.filter(|_| is_signed),
            has_trailer,
            left_bytes: decoded_bytes,
            line: Vec::new(),
            hasher: Sha256::new(),
            stated: [0; 32],
            trailers: Vec::new(),
            trailer_signature: None,
        })
    }

    /// Takes the next step over `input`, the bytes after those consumed so far. Call again with the rest after `Data`, and
    /// with new bytes after `NeedMore`.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`, `IncompleteBody`, or what is wrong with the framing.
    pub fn decode(&mut self, input: &[u8]) -> Result<ChunkStep, Refusal> {
        let step = self.advance(input);
        if step.is_err() {
            self.state = State::Failed;
        }
        step
    }

    /// The trailing headers, names in small letters. Complete, and verified if they are signed, after [`ChunkStep::End`].
    #[must_use]
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    fn advance(&mut self, input: &[u8]) -> Result<ChunkStep, Refusal> {
        let mut at = 0usize;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            match self.state {
                State::End => return Ok(ChunkStep::End { consumed: at }),
                State::Failed => return Err(Refusal::incomplete("The body failed before.")),
                _ if rest.is_empty() => return Ok(ChunkStep::NeedMore { consumed: at }),
                State::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    self.take(rest.get(..len).unwrap_or_default(), left)?;
                    return Ok(ChunkStep::Data { skip: at, len });
                }
                State::Size | State::DataEnd | State::Trailers => {
                    at = at.saturating_add(self.take_line(rest)?)
                }
            }
        }
    }

    fn take(&mut self, payload: &[u8], left: u64) -> Result<(), Refusal> {
        let bytes = payload.len() as u64;
        if let Some(all) = &mut self.left_bytes {
            *all = all.checked_sub(bytes).ok_or_else(|| {
                Refusal::incomplete("There are more bytes than x-amz-decoded-content-length says.")
            })?;
        }
        if self.seal.is_some() {
            self.hasher.update(payload);
        }
        let left = left.saturating_sub(bytes);
        self.state = if left > 0 { State::Data(left) } else { State::DataEnd };
        Ok(())
    }

    /// Gathers a line and reads it when it is whole; tells how many bytes it took.
    fn take_line(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let end = memchr::memchr(b'\n', rest);
        let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if self.line.len().saturating_add(part.len()) > LINE_BYTES_MAX {
            return Err(broken("A line of the chunked body is too long."));
        }
        self.line.extend_from_slice(part);
        let Some(end) = end else { return Ok(rest.len()) };
        let mut line = std::mem::take(&mut self.line);
        let outcome = match line.strip_suffix(b"\r").map(std::str::from_utf8) {
            Some(Ok(text)) => self.read_line(text),
            _ => Err(broken("A line of the chunked body is not ended by CR LF, or no text.")),
        };
        line.clear();
        self.line = line;
        outcome.map(|()| end.saturating_add(1))
    }

    fn read_line(&mut self, line: &str) -> Result<(), Refusal> {
        match self.state {
            State::Size => self.read_size(line),
            State::DataEnd if line.is_empty() => {
                self.seal_chunk()?;
                self.state = State::Size;
                Ok(())
            }
            State::Trailers if line.is_empty() => self.finish(),
            State::Trailers if self.has_trailer => self.read_trailer(line),
            _ => Err(broken("A chunk is longer than its size says.")),
        }
    }

    /// `size` or `size;chunk-signature=...`.
    fn read_size(&mut self, line: &str) -> Result<(), Refusal> {
        let (size, extension) = line.split_once(';').map_or((line, None), |(size, rest)| (size, Some(rest)));
        let is_number =
            (1..=SIZE_DIGITS_MAX).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size =
            u64::from_str_radix(size, 16).ok().filter(|size| is_number && i64::try_from(*size).is_ok());
        let size = size.ok_or_else(|| broken("The size of a chunk is no hexadecimal number."))?;
        if self.seal.is_some() {
            let stated = extension.and_then(|text| from_hex(text.strip_prefix(SIGNATURE_EXTENSION)?));
            self.stated = stated.ok_or_else(|| broken("A chunk has no signature."))?;
        }
        if size > 0 {
            self.state = State::Data(size);
            return Ok(());
        }
        self.state = State::Trailers;
        if self.left_bytes.is_some_and(|left| left > 0) {
            return Err(Refusal::incomplete("There are fewer bytes than x-amz-decoded-content-length says."));
        }
        self.seal_chunk()
    }

    /// Judges the signature of the chunk that has ended.
    fn seal_chunk(&mut self) -> Result<(), Refusal> {
        let Some(seal) = &mut self.seal else { return Ok(()) };
        let hash = std::mem::take(&mut self.hasher).finalize();
        seal.accept(&chunk_text(seal, &hash), self.stated)
    }

    fn read_trailer(&mut self, line: &str) -> Result<(), Refusal> {
        let (name, value) =
            line.split_once(':').ok_or_else(|| trailing("A trailing header has no colon."))?;
        let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || !name.bytes().all(is_name) || self.trailers.len() >= TRAILERS_MAX {
            return Err(trailing("A trailing header has no name, or there are too many."));
        }
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if self.trailer_signature.is_some() {
            return Err(trailing("A trailing header follows the signature."));
        }
        if name == TRAILER_SIGNATURE {
            let signature =
                from_hex(&value).ok_or_else(|| trailing("The signature of the trailer is none."))?;
            self.trailer_signature = Some(signature);
        } else {
            self.trailers.push((name, value));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Refusal> {
        if let (Some(seal), true) = (&mut self.seal, self.has_trailer) {
            let signature =
                self.trailer_signature.ok_or_else(|| trailing("The trailer has no signature."))?;
            seal.accept(&trailer_text(seal, &self.trailers), signature)?;
        }
        self.state = State::End;
        Ok(())
    }
}

impl Seal {
    fn accept(&mut self, to_sign: &str, signature: [u8; 32]) -> Result<(), Refusal> {
        if !self.key.is_signature(to_sign, &signature) {
            return Err(Refusal::mismatch());
        }
        self.last = signature;
        Ok(())
    }
}

/// The beginning of what is signed behind a request.
fn begin_text(seal: &Seal, kind: &str) -> String {
    let mut text = format!("AWS4-HMAC-SHA256-{kind}\n{}\n{}\n", seal.at.as_str(), seal.scope);
    hex::push(&mut text, &seal.last);
    text.push('\n');
    text
}

/// The text that the signature of a chunk is made of.
pub(super) fn chunk_text(seal: &Seal, hash: &[u8]) -> String {
    let mut text = begin_text(seal, "PAYLOAD");
    text.push_str(EMPTY_SHA256);
    text.push('\n');
    hex::push(&mut text, hash);
    text
}

/// The text that the signature of trailing headers is made of.
pub(super) fn trailer_text(seal: &Seal, trailers: &[(String, String)]) -> String {
    let mut hasher = Sha256::new();
    for (name, value) in trailers {
        for part in [name, ":", value, "\n"] {
            hasher.update(part);
        }
    }
    let mut text = begin_text(seal, "TRAILER");
    hex::push(&mut text, &hasher.finalize());
    text
}

fn broken(what: &'static str) -> Refusal {
    Refusal::new(400, "InvalidRequest", what)
}

fn trailing(what: &'static str) -> Refusal {
    Refusal::new(400, "MalformedTrailerError", what)
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
