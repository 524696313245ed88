//! The talk of a coordinator and an agent: plain TCP, frames of JSON, one run for each connection.
//!
//! ```text
//! frame    = length (4 bytes, big-endian, of what follows), tag (32 bytes, not in the handshake), JSON (one message)
//!
//! coordinator                         agent
//!   hello {protocol, nonce}    ->                          nonces: 32 random bytes, in hexadecimal digits
//!                              <-     challenge {protocol, nonce}
//!   proof                      ->                          HMAC-SHA256(token, "coordinator" and both nonces)
//!                              <-     welcome {proof}      the same with "agent"; or refused {why}
//!   from here on every frame has a tag: HMAC-SHA256(key of the direction, number of the frame and JSON)
//!   probe {number}             ->                          several times: round trip and difference of the clocks
//!                              <-     echo {number, clock_ns, unix_ns}
//!   job {endpoint, words, ..}  ->                          the command line of this agent
//!                              <-     ready {names, ..}    connected to nothing yet, but all is prepared
//!   probe, go {at_ns}          ->                          by the agent's own clock
//!                              <-     began {at_ns}
//!                              <-     interval {..}        each second
//!   stop                       ->                          ends the run in order
//!                              <-     end {..}             what came after the last whole second
//! ```
//!
//! At any time after the welcome the coordinator sends `alive` once a second, and the agent answers with the same; whoever
//! hears nothing for [`SILENCE_MAX`] takes the other for lost, and an agent then ends its run. `failed` instead of `ready`
//! or `end` says why there is none.
//!
//! The token never travels. The coordinator proves first that it has it, so that nobody gets anything out of an agent to
//! guess from; then the agent does. Tags are numbered, and their keys are of this connection and direction, so no frame can
//! be changed, left out, repeated or turned around by anybody without the token. **Nothing is encrypted.**
//!
//! Bounds: [`HANDSHAKE_BYTES_MAX`] before the welcome, then [`ORDER_BYTES_MAX`] to an agent and [`FIGURES_BYTES_MAX`] from
//! one; a frame has to arrive within [`SILENCE_MAX`], all of a handshake within [`HANDSHAKE_MAX`].

use crate::recorder::Interval;
use crate::recorder::cpu::CpuUse;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Raised with every change of a message. Both sides must have the same.
pub(super) const PROTOCOL: u32 = 1;
/// Frames of the handshake.
pub(super) const HANDSHAKE_BYTES_MAX: usize = 4 << 10;
/// Frames to an agent.
pub(super) const ORDER_BYTES_MAX: usize = 256 << 10;
/// Frames from an agent: all kinds of operations with full histograms, and a thousand places.
pub(super) const FIGURES_BYTES_MAX: usize = 16 << 20;
/// All of a handshake.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Whoever says nothing for so long is lost.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The coordinator says this often that it is there.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// A message of a coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToAgent {
    /// The first word.
    Hello { protocol: u32, nonce: String },
    /// Proof that it has the token.
    Proof { proof: String },
    /// Asks for the agent's time.
    Probe { number: u32 },
    /// The run to prepare.
    Job(Order),
    /// When to begin, by the agent's clock.
    Go { at_ns: u64 },
    /// The sender is still there.
    Alive,
    /// End the run.
    Stop,
}

/// A run of one agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    /// Where the gateway is, with `https://` before it where TLS is spoken; empty for S3, whose server is among the words.
    pub(super) endpoint: String,
    /// The command line, as far as it is the agent's.
    pub(super) words: Vec<String>,
    /// Requests need the cluster's token, which the agent has to have.
    pub(super) needs_token: bool,
}

/// A message of an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToCoordinator {
    /// Prove that you have the token.
    Challenge { protocol: u32, nonce: String },
    /// Proof that the agent has it too.
    Welcome { proof: String },
    /// No, and the connection ends.
    Refused { why: String },
    /// The time: of a clock that nobody sets, and of the day.
    Echo { number: u32, clock_ns: u64, unix_ns: u64 },
    /// All is prepared.
    Ready(Readiness),
    /// The run began, by the agent's clock.
    Began { at_ns: u64 },
    /// One second.
    Interval(Box<Interval>),
    /// The sender is still there.
    Alive,
    /// The run is over.
    End(Box<Ending>),
    /// There is no run, or no end of it.
    Failed { why: String },
}

/// The run that an agent has prepared, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Readiness {
    /// Names to read.
    pub(super) names: u64,
    /// Cores of its machine.
    pub(super) machine_cores: usize,
}

/// The end of one agent's run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ending {
    /// The figures after the last whole second.
    pub(super) rest: Interval,
    /// The time that throughput refers to.
    pub(super) window_ns: u64,
    /// Processor time within it.
    pub(super) cpu: CpuUse,
    /// Somebody stopped it.
    pub(super) is_interrupted: bool,
    /// Cores that worked.
    pub(super) cores: usize,
    /// The full passes over the names: names of one, and reads after which another run would go on.
    pub(super) passes: Option<(u64, u64)>,
    /// Largest step of the agent's wall clock.
    pub(super) clock_step_s: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::{Moved, Span};
    use crate::workload::OpKind;
    use proptest::prelude::*;
    use std::time::Instant;

    fn said() -> Vec<u8> {
        let mut rest =
            Interval { number: 3, inflight: 2, cpu: Some(CpuUse::default()), ..Interval::default() };
        let begin = Instant::now();
        for us in [10, 500, 70_000] {
            let span = Span { due: None, begin, end: begin + Duration::from_micros(us), run_end: None };
            rest.stats.record(OpKind::Get, &span, Moved { bytes: 5, names: 0 });
        }
        let ending = Ending { rest, passes: Some((1, 2)), ..Ending::default() };
        serde_json::to_vec(&ToCoordinator::End(Box::new(ending))).unwrap()
    }

    #[test]
    fn what_is_said_is_heard() {
        let Ok(ToCoordinator::End(end)) = serde_json::from_slice(&said()) else { panic!() };
        assert_eq!((end.rest.stats.ops(), end.rest.inflight, end.passes), (3, 2, Some((1, 2))));
        assert_eq!(end.rest.stats.of(OpKind::Get).latency.max_ns(), 70_000_000);
        let order = ToAgent::Job(Order { words: vec!["-a=\u{1}\"".into()], ..Order::default() });
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<ToAgent>(&text).unwrap(), order);
        assert_eq!(serde_json::to_string(&ToAgent::Go { at_ns: 7 }).unwrap(), r#"{"go":{"at_ns":7}}"#);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_message_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = serde_json::from_slice::<ToAgent>(&bytes);
            let _ = serde_json::from_slice::<ToCoordinator>(&bytes);
        }

        #[test]
        fn a_message_with_a_fault_is_another_one_or_none(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = said();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let heard = serde_json::from_slice::<ToCoordinator>(&bytes);
            if let Ok(ToCoordinator::End(mut end)) = heard {
                // Figures may be wrong then, and can be added all the same.
                let other = end.rest.clone();
                end.rest.merge(&other);
            }
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(serde_json::from_slice::<ToCoordinator>(&bytes).is_err());
        }
    }
}
