//! The handshake: both sides prove that they have the token, before anything else is said.

use super::link::{LinkError, Receiver, Sender};
use super::protocol::{FIGURES_BYTES_MAX, HANDSHAKE_MAX, ORDER_BYTES_MAX, PROTOCOL, ToAgent, ToCoordinator};
use super::token::{Nonces, Side, nonce};
use crate::settings::Token;
use std::fmt;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A wrong token costs whoever gave it this time.
const WRONG_TOKEN_REST: Duration = Duration::from_secs(1);

/// Why there is no conversation.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The other side does not have our token.
    WrongToken,
    /// It says no.
    Refused(String),
    /// It speaks another version.
    Protocol(u32),
    /// It says what has no place here.
    Unexpected,
    /// It cannot be heard or understood.
    Link(LinkError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongToken => out.write_str("the other side does not have the token of -token-file"),
            Self::Refused(why) => write!(out, "refused: {why}"),
            Self::Protocol(theirs) => {
                write!(out, "the other side speaks version {theirs} of the protocol, this one {PROTOCOL}")
            }
            Self::Unexpected => out.write_str("a message is out of order"),
            Self::Link(error) => error.fmt(out),
        }
    }
}

impl From<LinkError> for Refusal {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Link(error.into())
    }
}

/// The coordinator's part.
pub(super) fn introduce(to: &mut Sender, from: &mut Receiver, token: &Token) -> Result<(), Refusal> {
    let deadline = Instant::now() + HANDSHAKE_MAX;
    let own = nonce()?;
    let hello = ToAgent::Hello { protocol: PROTOCOL, nonce: own.clone() };
    to.send(&hello, left(deadline))?;
    let agent = match from.receive(left(deadline))? {
        ToCoordinator::Challenge { protocol, .. } if protocol != PROTOCOL => {
            return Err(Refusal::Protocol(protocol));
        }
        ToCoordinator::Challenge { nonce, .. } if Nonces::is_nonce(&nonce) => nonce,
        ToCoordinator::Refused { why } => return Err(Refusal::Refused(why)),
        _ => return Err(Refusal::Unexpected),
    };
    let nonces = Nonces { coordinator: own, agent };
    to.send(&ToAgent::Proof { proof: token.proof(Side::Coordinator, &nonces) }, left(deadline))?;
    match from.receive(left(deadline))? {
        ToCoordinator::Welcome { proof } if token.is_proof(&proof, Side::Agent, &nonces) => {}
        ToCoordinator::Welcome { .. } => return Err(Refusal::WrongToken),
        ToCoordinator::Refused { why } => return Err(Refusal::Refused(why)),
        _ => return Err(Refusal::Unexpected),
    }
    to.seal(token.seal(Side::Coordinator, &nonces));
    from.seal(token.seal(Side::Agent, &nonces), FIGURES_BYTES_MAX);
    Ok(())
}

/// The agent's part. Whoever cannot prove anything learns why, after a while.
pub(super) fn admit(to: &mut Sender, from: &mut Receiver, token: &Token) -> Result<(), Refusal> {
    let outcome = examine(to, from, token);
    if let Err(refusal) = &outcome {
        let why = match refusal {
            Refusal::WrongToken => {
                sleep(WRONG_TOKEN_REST);
                "the token is wrong".to_owned()
            }
            other => other.to_string(),
        };
        // Whoever it was may be gone by now.
        let _ = to.send(&ToCoordinator::Refused { why }, HANDSHAKE_MAX);
    }
    outcome
}

fn examine(to: &mut Sender, from: &mut Receiver, token: &Token) -> Result<(), Refusal> {
    let deadline = Instant::now() + HANDSHAKE_MAX;
    let coordinator = match from.receive(left(deadline))? {
        ToAgent::Hello { protocol, .. } if protocol != PROTOCOL => return Err(Refusal::Protocol(protocol)),
        ToAgent::Hello { nonce, .. } if Nonces::is_nonce(&nonce) => nonce,
        _ => return Err(Refusal::Unexpected),
    };
    let nonces = Nonces { coordinator, agent: nonce()? };
    to.send(&ToCoordinator::Challenge { protocol: PROTOCOL, nonce: nonces.agent.clone() }, left(deadline))?;
    match from.receive(left(deadline))? {
        ToAgent::Proof { proof } if token.is_proof(&proof, Side::Coordinator, &nonces) => {}
        ToAgent::Proof { .. } => return Err(Refusal::WrongToken),
        _ => return Err(Refusal::Unexpected),
    }
    to.send(&ToCoordinator::Welcome { proof: token.proof(Side::Agent, &nonces) }, left(deadline))?;
    to.seal(token.seal(Side::Agent, &nonces));
    from.seal(token.seal(Side::Coordinator, &nonces), ORDER_BYTES_MAX);
    Ok(())
}

/// A wait of nothing is over at once.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::super::link::link;
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn token(text: &str) -> Token {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Token::read(file.path().to_str().unwrap()).unwrap()
    }

    fn pair() -> ((Sender, Receiver), (Sender, Receiver)) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (link(one).unwrap(), link(listener.accept().unwrap().0).unwrap())
    }

    /// Lets two sides introduce themselves, and returns both outcomes.
    fn meet(ours: &str, theirs: &str) -> (Result<(), Refusal>, Result<(), Refusal>) {
        let ((mut to, mut from), (mut back, mut forth)) = pair();
        let (ours, theirs) = (token(ours), token(theirs));
        std::thread::scope(|scope| {
            let agent = scope.spawn(move || admit(&mut back, &mut forth, &theirs));
            let coordinator = introduce(&mut to, &mut from, &ours);
            drop((to, from));
            (coordinator, agent.join().unwrap())
        })
    }

    #[test]
    fn with_the_same_token_they_talk_and_with_another_both_know_why_not() {
        let (coordinator, agent) = meet("the-same-token-of-both", "the-same-token-of-both\n");
        assert!(coordinator.is_ok() && agent.is_ok(), "{coordinator:?} {agent:?}");
        let begin = Instant::now();
        let (coordinator, agent) = meet("one-token-of-sixteen", "another-of-sixteen");
        assert!(
            matches!(&coordinator, Err(Refusal::Refused(why)) if why.contains("token is wrong")),
            "{coordinator:?}"
        );
        assert!(matches!(agent, Err(Refusal::WrongToken)), "{agent:?}");
        assert!(begin.elapsed() >= WRONG_TOKEN_REST, "guessing takes time");
    }

    #[test]
    fn an_agent_without_the_token_is_not_given_orders() {
        let ((mut to, mut from), (mut back, mut forth)) = pair();
        let impostor = std::thread::spawn(move || {
            let _hello: ToAgent = forth.receive(HANDSHAKE_MAX).unwrap();
            let challenge = ToCoordinator::Challenge { protocol: PROTOCOL, nonce: nonce().unwrap() };
            back.send(&challenge, HANDSHAKE_MAX).unwrap();
            let ToAgent::Proof { proof } = forth.receive(HANDSHAKE_MAX).unwrap() else { panic!() };
            // It has no proof of its own, so it sends back the one that it has just heard.
            back.send(&ToCoordinator::Welcome { proof }, HANDSHAKE_MAX).unwrap();
        });
        let met = introduce(&mut to, &mut from, &token("a-token-of-sixteen"));
        assert!(matches!(met, Err(Refusal::WrongToken)), "{met:?}");
        impostor.join().unwrap();
    }

    #[test]
    fn nonsense_is_answered_with_a_reason() {
        let table: [(&[u8], &str); 4] = [
            (b"GET / HTTP/1.1\r\n\r\n", "longer than is allowed"),
            (b"\0\0\0\x04junk", "not understood"),
            (b"\0\0\0\x07\"alive\"", "out of order"),
            (b"\0\0\0\x24{\"hello\":{\"protocol\":99,\"nonce\":\"\"}}", "version 99"),
        ];
        for (bytes, want) in table {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut back, mut forth) = link(listener.accept().unwrap().0).unwrap();
            let agent =
                std::thread::spawn(move || admit(&mut back, &mut forth, &token("a-token-of-sixteen")));
            std::io::Write::write_all(&mut stream, bytes).unwrap();
            let (_, mut from) = link(stream).unwrap();
            let answer: ToCoordinator = from.receive(HANDSHAKE_MAX).unwrap();
            assert!(matches!(&answer, ToCoordinator::Refused { why } if why.contains(want)), "{answer:?}");
            assert!(agent.join().unwrap().is_err());
        }
    }
}
