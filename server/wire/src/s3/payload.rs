//! The payload as `x-amz-content-sha256` states it.

use super::key::from_hex;
use super::refusal::Refusal;

/// The word that stands for the payload's hash when it is not computed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of nothing.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_CHUNKS_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// The way in which a body is vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// By its SHA-256.
    Sha256([u8; 32]),
    /// Not at all.
    Unsigned,
    /// It is framed in aws-chunks ([`super::AwsChunked`]).
    Chunks {
        /// Each chunk has a signature.
        is_signed: bool,
        /// Trailing headers follow the chunks, signed if the chunks are.
        has_trailer: bool,
    },
}

impl Payload {
    /// Reads the header's value.
    ///
    /// # Errors
    /// 501 for signatures by elliptic curves, 400 for what S3 does not know.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Ok(match text {
            UNSIGNED_PAYLOAD => Self::Unsigned,
            UNSIGNED_CHUNKS => Self::Chunks { is_signed: false, has_trailer: true },
            SIGNED_CHUNKS => Self::Chunks { is_signed: true, has_trailer: false },
            SIGNED_CHUNKS_TRAILER => Self::Chunks { is_signed: true, has_trailer: true },
            _ if text.starts_with("STREAMING-AWS4-ECDSA-") => {
                return Err(Refusal::new(501, "NotImplemented", "Signatures by ECDSA are not implemented."));
            }
            _ => Self::Sha256(from_hex(text).ok_or_else(|| {
                Refusal::new(
                    400,
                    "InvalidArgument",
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                )
            })?),
        })
    }

    /// Judges the SHA-256 of a whole body; what is vouched for otherwise passes.
    ///
    /// # Errors
    /// `XAmzContentSHA256Mismatch`.
    pub fn check(&self, computed: &[u8; 32]) -> Result<(), Refusal> {
        match self {
            Self::Sha256(stated) if stated != computed => Err(Refusal::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let chunks = |is_signed, has_trailer| Payload::Chunks { is_signed, has_trailer };
        assert_eq!(Payload::parse("UNSIGNED-PAYLOAD"), Ok(Payload::Unsigned));
        assert_eq!(Payload::parse("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), Ok(chunks(false, true)));
        assert_eq!(Payload::parse("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), Ok(chunks(true, false)));
        assert_eq!(Payload::parse("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), Ok(chunks(true, true)));
        let ecdsa = Payload::parse("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD").unwrap_err();
        assert_eq!((ecdsa.status, ecdsa.code), (501, "NotImplemented"));
        for bad in ["", "x", "unsigned-payload", &EMPTY_SHA256[1..], &format!("{EMPTY_SHA256}0")] {
            assert_eq!(Payload::parse(bad).unwrap_err().code, "InvalidArgument", "{bad}");
        }
        let empty = Payload::parse(EMPTY_SHA256).unwrap();
        assert_eq!(empty.check(&from_hex(EMPTY_SHA256).unwrap()), Ok(()));
        assert_eq!(empty.check(&[0; 32]).unwrap_err().code, "XAmzContentSHA256Mismatch");
        assert_eq!(Payload::Unsigned.check(&[0; 32]), Ok(()));
    }
}
