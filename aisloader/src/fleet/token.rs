//! The shared token, and the proofs that agents and their coordinators make with it.

use crate::settings::Token;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wire::hex;

/// Bytes of a nonce, and of everything that HMAC-SHA256 makes.
pub(super) const TAG_BYTES: usize = 32;

type Keyed = Hmac<Sha256>;

/// Who proves something, or says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one who gives orders.
    Coordinator,
    /// The one who makes load.
    Agent,
}

/// A random number of one connection, in hexadecimal digits.
pub(super) fn nonce() -> std::io::Result<String> {
    let mut bytes = [0u8; TAG_BYTES];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled = filled.saturating_add(rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?);
    }
    Ok(hex::unpack(&bytes))
}

impl Token {
    /// The proof of `side`, on the connection with these nonces.
    pub(super) fn proof(&self, side: Side, nonces: &Nonces) -> String {
        hex::unpack(&self.derive("proof", side, nonces))
    }

    /// True if `side` has proven that it has the token.
    pub(super) fn is_proof(&self, proof: &str, side: Side, nonces: &Nonces) -> bool {
        is_same(self.proof(side, nonces).as_bytes(), proof.as_bytes())
    }

    /// The seal of everything that `side` says on this connection.
    pub(super) fn seal(&self, side: Side, nonces: &Nonces) -> Seal {
        Seal { key: self.derive("frames", side, nonces), number: 0 }
    }

    /// Nonces have one length, so that no two lists of parts read the same.
    fn derive(&self, purpose: &str, side: Side, nonces: &Nonces) -> [u8; TAG_BYTES] {
        let side = match side {
            Side::Coordinator => "coordinator",
            Side::Agent => "agent",
        };
        let text = format!("aisloader {purpose} {side} {} {}", nonces.coordinator, nonces.agent);
        mac(self.bytes(), &[text.as_bytes()])
    }
}

/// The random numbers of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Nonces {
    /// The coordinator's.
    pub(super) coordinator: String,
    /// The agent's.
    pub(super) agent: String,
}

impl Nonces {
    /// True if a text can be one.
    pub(super) fn is_nonce(text: &str) -> bool {
        text.len() == 2 * TAG_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// Tags of the frames of one direction, in their order.
pub(super) struct Seal {
    key: [u8; TAG_BYTES],
    number: u64,
}

impl Seal {
    /// The tag of the next frame.
    pub(super) fn tag(&mut self, frame: &[u8]) -> [u8; TAG_BYTES] {
        let number = self.number;
        self.number = number.wrapping_add(1);
        mac(&self.key, &[&number.to_be_bytes(), frame])
    }

    /// The next frame without its tag; `None` when the tag is not the one that it must have.
    pub(super) fn open<'f>(&mut self, sealed: &'f [u8]) -> Option<&'f [u8]> {
        let (tag, frame) = sealed.split_first_chunk::<TAG_BYTES>()?;
        is_same(&self.tag(frame), tag).then_some(frame)
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    // HMAC takes keys of any length.
    let Ok(mut keyed) = Keyed::new_from_slice(key) else { return [0; TAG_BYTES] };
    parts.iter().for_each(|part| keyed.update(part));
    keyed.finalize().into_bytes().into()
}

/// True if two texts are the same; the time that this takes does not tell where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0u8, |all, (x, y)| all | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> Token {
        Token::new("0123456789abcdef").unwrap()
    }

    fn nonces() -> Nonces {
        Nonces { coordinator: nonce().unwrap(), agent: nonce().unwrap() }
    }

    #[test]
    fn only_the_token_the_side_and_the_connection_make_the_proof() {
        let (token, nonces_here) = (token(), nonces());
        let proof = token.proof(Side::Agent, &nonces_here);
        assert!(token.is_proof(&proof, Side::Agent, &nonces_here));
        assert!(!token.is_proof(&proof, Side::Coordinator, &nonces_here), "no reflection");
        assert!(!token.is_proof(&proof, Side::Agent, &nonces()), "no replay");
        assert!(!Token::new("0123456789abcdeF").unwrap().is_proof(&proof, Side::Agent, &nonces_here));
        assert!(!token.is_proof("", Side::Agent, &nonces_here));
        assert!(!token.is_proof(&proof[..63], Side::Agent, &nonces_here));
        assert!(Nonces::is_nonce(&nonces_here.agent) && !Nonces::is_nonce("x") && !Nonces::is_nonce(""));
    }

    #[test]
    fn frames_cannot_be_repeated_left_out_or_turned_around() {
        let (token, nonces) = (token(), nonces());
        let seal = || token.seal(Side::Agent, &nonces);
        let sealed =
            |seal: &mut Seal, text: &str| [seal.tag(text.as_bytes()).as_slice(), text.as_bytes()].concat();
        let (mut from, mut to) = (seal(), seal());
        let (one, two) = (sealed(&mut from, "one"), sealed(&mut from, "two"));
        assert_eq!(to.open(&one), Some(b"one".as_slice()));
        assert_eq!(to.open(&one), None);
        assert_eq!(seal().open(&two), None);
        assert_eq!(token.seal(Side::Coordinator, &nonces).open(&one), None);
    }

    proptest! {
        #[test]
        fn any_change_is_seen(frame in prop::collection::vec(any::<u8>(), 0..100), at in 0usize..132, bit in 0u8..8) {
            let (token, nonces) = (token(), Nonces::default());
            let mut sealed = token.seal(Side::Agent, &nonces).tag(&frame).to_vec();
            sealed.extend_from_slice(&frame);
            prop_assert_eq!(token.seal(Side::Agent, &nonces).open(&sealed), Some(frame.as_slice()));
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(token.seal(Side::Agent, &nonces).open(&sealed), None);
            prop_assert_eq!(token.seal(Side::Agent, &nonces).open(&sealed[..at.min(31)]), None);
        }
    }
}
