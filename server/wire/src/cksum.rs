//! Checksums: of whole objects as clients know them, and of blocks as the disk needs them.

use crate::hex;

use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};
use xxhash_rust::xxh64::Xxh64;

/// The CRC-32C of a block in one go. The library picks the widest carry-less multiplication that the processor
/// has (AVX-512 VPCLMULQDQ, else PCLMULQDQ; PMULL on ARM).
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    // A 32-bit algorithm; the upper half is zero.
    crc_fast::crc32_iscsi(bytes)
}

/// The CRC-32C of two parts that follow one another, from that of each.
#[must_use]
pub fn crc32c_joined(first: u32, second: u32, second_bytes: usize) -> u32 {
    let joined = crc_fast::checksum_combine(
        CrcAlgorithm::Crc32Iscsi,
        first.into(),
        second.into(),
        second_bytes as u64,
    );
    joined as u32
}

/// The types of an object's checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CksumType {
    /// No checksum.
    None,
    /// XXH64.
    Xxhash,
    /// XXH64 too; AIStore's default. The values equal those of [`CksumType::Xxhash`].
    #[default]
    Xxhash2,
    /// MD5.
    Md5,
    /// CRC-32C.
    Crc32c,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl CksumType {
    /// All types, in the order of their [`CksumType::code`].
    pub const ALL: [CksumType; 7] = [
        CksumType::None,
        CksumType::Xxhash,
        CksumType::Xxhash2,
        CksumType::Md5,
        CksumType::Crc32c,
        CksumType::Sha256,
        CksumType::Sha512,
    ];

    /// The type of this name; an empty one is `none`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(CksumType::None);
        }
        CksumType::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in headers and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CksumType::None => "none",
            CksumType::Xxhash => "xxhash",
            CksumType::Xxhash2 => "xxhash2",
            CksumType::Md5 => "md5",
            CksumType::Crc32c => "crc32c",
            CksumType::Sha256 => "sha256",
            CksumType::Sha512 => "sha512",
        }
    }

    /// The number in stored metadata; never changes.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            CksumType::None => 0,
            CksumType::Xxhash => 1,
            CksumType::Xxhash2 => 2,
            CksumType::Md5 => 3,
            CksumType::Crc32c => 4,
            CksumType::Sha256 => 5,
            CksumType::Sha512 => 6,
        }
    }

    /// The type of this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        CksumType::ALL.get(usize::from(code)).copied()
    }

    /// True if values of both types are computed alike, so that one computation serves both.
    #[must_use]
    pub fn same_function(self, other: CksumType) -> bool {
        let plain = |kind| if kind == CksumType::Xxhash { CksumType::Xxhash2 } else { kind };
        plain(self) == plain(other)
    }

    /// Hexadecimal digits of a value.
    #[must_use]
    pub fn hex_len(self) -> usize {
        match self {
            CksumType::None => 0,
            CksumType::Crc32c => 8,
            CksumType::Xxhash | CksumType::Xxhash2 => 16,
            CksumType::Md5 => 32,
            CksumType::Sha256 => 64,
            CksumType::Sha512 => 128,
        }
    }
}

/// A checksum being computed over a stream.
#[derive(Clone)]
pub struct Hasher(State);

/// Boxed where large, so that a connection without a checksum does not carry the largest one's state.
#[derive(Clone)]
enum State {
    None,
    Xxh64(Box<Xxh64>),
    Md5(Box<Md5>),
    Crc32c(Box<CrcDigest>),
    Sha256(Box<Sha256>),
    Sha512(Box<Sha512>),
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Hasher")
    }
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    #[must_use]
    pub fn new(kind: CksumType) -> Self {
        Hasher(match kind {
            CksumType::None => State::None,
            CksumType::Xxhash | CksumType::Xxhash2 => State::Xxh64(Box::new(Xxh64::new(0))),
            CksumType::Md5 => State::Md5(Box::default()),
            CksumType::Crc32c => State::Crc32c(Box::new(CrcDigest::new(CrcAlgorithm::Crc32Iscsi))),
            CksumType::Sha256 => State::Sha256(Box::default()),
            CksumType::Sha512 => State::Sha512(Box::default()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::None => {}
            State::Xxh64(state) => state.update(bytes),
            State::Md5(state) => state.update(bytes),
            State::Crc32c(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The value in lower-case hexadecimal; empty for type `none`.
    #[must_use]
    pub fn finish(self) -> String {
        match self.0 {
            State::None => String::new(),
            State::Xxh64(state) => format!("{:016x}", state.digest()),
            State::Crc32c(state) => format!("{:08x}", state.finalize()),
            State::Md5(state) => hex::unpack(&state.finalize()),
            State::Sha256(state) => hex::unpack(&state.finalize()),
            State::Sha512(state) => hex::unpack(&state.finalize()),
        }
    }
}

/// The checksum of bytes at hand.
#[must_use]
pub fn checksum(kind: CksumType, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(kind);
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        for (kind, of_nothing, of_text) in [
            (CksumType::None, "", ""),
            (CksumType::Xxhash, "ef46db3751d8e999", "8cb841db40e6ae83"),
            (CksumType::Xxhash2, "ef46db3751d8e999", "8cb841db40e6ae83"),
            (CksumType::Md5, "d41d8cd98f00b204e9800998ecf8427e", "25f9e794323b453885f5181f1b624d0b"),
            (CksumType::Crc32c, "00000000", "e3069283"),
            (
                CksumType::Sha256,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
        ] {
            assert_eq!(checksum(kind, b""), of_nothing, "{kind:?}");
            assert_eq!(checksum(kind, b"123456789"), of_text, "{kind:?}");
        }
        assert!(checksum(CksumType::Sha512, b"abc").starts_with("ddaf35a193617aba"));
        assert_eq!(checksum(CksumType::Xxhash, b"abc"), "44bc2cf5ad770999");
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_joined(crc32c(b"1234"), crc32c(b"56789"), 5), 0xe306_9283);
    }

    #[test]
    fn the_block_checksum_uses_carryless_multiplication() {
        let target = crc_fast::get_calculator_target(CrcAlgorithm::Crc32Iscsi);
        eprintln!("crc32c: {target}");
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("pclmulqdq") {
            assert!(target.contains("x86"), "{target}");
        }
    }

    #[test]
    fn names_and_codes() {
        for (at, kind) in CksumType::ALL.into_iter().enumerate() {
            assert_eq!(CksumType::parse(kind.as_str()), Some(kind));
            assert_eq!(CksumType::from_code(kind.code()), Some(kind));
            assert_eq!(usize::from(kind.code()), at);
            assert_eq!(checksum(kind, b"x").len(), kind.hex_len());
        }
        assert_eq!((CksumType::parse("crc99"), CksumType::from_code(7)), (None, None));
        assert_eq!(CksumType::parse(""), Some(CksumType::None));
        assert!(
            CksumType::Xxhash.same_function(CksumType::Xxhash2)
                && !CksumType::Md5.same_function(CksumType::None)
        );
    }

    proptest! {
        #[test]
        fn pieces_or_whole(bytes in prop::collection::vec(any::<u8>(), 0..2000), cut in 0usize..2000) {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            for kind in CksumType::ALL {
                let mut hasher = Hasher::new(kind);
                hasher.update(a);
                hasher.update(b);
                prop_assert_eq!(hasher.finish(), checksum(kind, &bytes));
            }
            prop_assert_eq!(format!("{:08x}", crc32c(&bytes)), checksum(CksumType::Crc32c, &bytes));
        }
    }
}
