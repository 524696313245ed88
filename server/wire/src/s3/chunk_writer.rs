//! Bodies in aws-chunks: the client's side.

use super::chunks::{TRAILER_SIGNATURE, chunk_text, trailer_text};
use super::claim::Seal;
use super::sign::{Signable, Signer};
use super::time::AmzTime;
use crate::hex;
use crate::http1::write_chunk_head;
use sha2::{Digest, Sha256};

/// Frames a body, chunk by chunk.
pub struct ChunkWriter {
    /// `None`: chunks are not signed.
    seal: Option<Seal>,
}

impl ChunkWriter {
    /// For the body of a request that was signed so at `at`; its payload's hash stands for signed chunks.
    #[must_use]
    pub fn signed(signer: &Signer, request: &Signable<'_>, at: &AmzTime) -> Self {
        let key = signer.key(at);
        let (scope, last) = (key.scope(), signer.signature(request, at));
        Self { seal: Some(Seal { key, at: at.clone(), scope, last }) }
    }

    /// For a body whose chunks are not signed.
    #[must_use]
    pub fn unsigned() -> Self {
        Self { seal: None }
    }

    /// Appends what goes before the bytes of a chunk, at least one; `\r\n` goes after them.
    pub fn write_head(&mut self, out: &mut Vec<u8>, chunk: &[u8]) {
        write_chunk_head(out, chunk.len() as u64);
        self.sign(out, chunk);
    }

    /// Appends the end: the last chunk, trailing headers (names in small letters), and the empty line.
    pub fn write_end(&mut self, out: &mut Vec<u8>, trailers: &[(String, String)]) {
        out.extend_from_slice(b"0\r\n");
        self.sign(out, &[]);
        for (name, value) in trailers {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        if let (Some(seal), false) = (&self.seal, trailers.is_empty()) {
            let mut line = format!("{TRAILER_SIGNATURE}:");
            hex::push(&mut line, &seal.key.sign(&trailer_text(seal, trailers)));
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Puts the signature behind the size that was just written.
    fn sign(&mut self, out: &mut Vec<u8>, chunk: &[u8]) {
        let Some(seal) = &mut self.seal else { return };
        seal.last = seal.key.sign(&chunk_text(seal, &Sha256::digest(chunk)));
        let mut extension = String::from(";chunk-signature=");
        hex::push(&mut extension, &seal.last);
        extension.push_str("\r\n");
        out.truncate(out.len().saturating_sub(2));
        out.extend_from_slice(extension.as_bytes());
    }
}
