//! The check of the bytes that GET returns.

use super::room::Facts;
use super::sink::Sink;
use crate::content::stamp::name_hash;
use crate::content::{Expected, Pools, Verifier, Verify};
use crate::engine::shared::state::Run;
use crate::recorder::{ErrorKind, OpError};
use crate::workload::range::ByteRange;
use std::rc::Rc;
use wire::cksum::Hasher;

/// The check of one answer.
pub(crate) enum Check {
    /// None.
    None,
    /// The checksum of the bytes against the one that the answer states; made when its type is known.
    Checksum(Option<Hasher>),
    /// The bytes against what must have been written.
    Content {
        /// Reads them.
        verifier: Box<Verifier>,
        /// The object's name, and its hash.
        name: String,
        name_hash: u64,
    },
}

impl Check {
    /// The check that the run wants for an object, or a part of it, that is about to be read.
    pub(crate) fn new(run: &Run, pools: &Rc<Pools>, name: &str, part: Option<&ByteRange>) -> Self {
        let config = &run.config;
        match config.content.verify {
            Verify::None => Self::None,
            // The checksum that comes along with a part is that of the whole.
            Verify::Checksum if part.is_some() => Self::None,
            Verify::Checksum => Self::Checksum(None),
            Verify::Content => {
                let name_hash = name_hash(&config.bucket.uri(), name);
                let known = run.versions.known(name_hash);
                let recipe = config.content.recipe;
                let start = part.map_or(0, |part| part.first);
                let len = part.and_then(|part| part.last?.checked_sub(start)?.checked_add(1));
                let expected = Expected { name_hash, start, len, known, recipe };
                let verifier = Box::new(Verifier::new(Rc::clone(pools), expected));
                Self::Content { verifier, name: name.to_owned(), name_hash }
            }
        }
    }

    /// Where the bytes go.
    pub(crate) fn sink(&mut self) -> Sink<'_> {
        match self {
            Self::None => Sink::Discard,
            Self::Checksum(hasher) => Sink::Hash(hasher),
            Self::Content { verifier, .. } => Sink::Verify(verifier),
        }
    }

    /// Judges, after the last byte.
    pub(crate) fn finish(self, run: &Run, facts: &Facts) -> Result<(), OpError> {
        match self {
            Self::None => Ok(()),
            Self::Checksum(hasher) => compare(hasher, facts),
            Self::Content { verifier, name, name_hash } => {
                verifier.finish(&run.versions.known(name_hash)).map_err(|damage| {
                    OpError::new(ErrorKind::Content(damage.kind), format!("{name:?} {damage}"))
                })
            }
        }
    }
}

fn compare(hasher: Option<Hasher>, facts: &Facts) -> Result<(), OpError> {
    let computed = hasher.map(Hasher::finish).unwrap_or_default();
    if !computed.is_empty() && computed.eq_ignore_ascii_case(&facts.cksum_value) {
        return Ok(());
    }
    let text = if computed.is_empty() {
        format!("the answer has no checksum to compare with (its type: {:?})", facts.cksum_type)
    } else {
        format!("{} of the bytes is {computed}, the header says {:?}", facts.cksum_type, facts.cksum_value)
    };
    Err(OpError::new(ErrorKind::Checksum, text))
}
