//! A change may expect to find something under its name, or it is not made. That is judged where the name is held, so nothing can come in
//! between the judgement and the change.

use super::entry::Entry;
use crate::error::{Error, Result};
use wire::http1::{Conditions, Method, Precondition, Validators};
use wire::lom::Generation;

/// The expectation of a change.
#[derive(Clone, Debug, Default)]
pub(crate) enum Expect {
    #[default]
    Anything,
    /// These conditions of a request hold.
    Conditions(Box<Conditions>),
    /// The object is still the one that was seen: the write of this generation, with these custom metadata.
    Still { generation: Generation, custom: Box<[(String, String)]> },
}

impl Expect {
    /// # Errors
    /// `PreconditionFailed` when the name stands for something else.
    pub(crate) fn check(&self, now: Option<&Entry>) -> Result<()> {
        let holds = match self {
            Self::Anything => true,
            Self::Still { generation, custom } => {
                now.is_some_and(|now| now.generation == *generation && now.custom == *custom)
            }
            Self::Conditions(conditions) => {
                let tag = now.map(Entry::etag);
                let modified_unix_s = now.map(Entry::modified_s).unwrap_or_default();
                let validators = Validators { etag: tag.as_deref(), modified_unix_s };
                // Whoever changes only what is there has answered 404 before.
                conditions.judge(Method::Put, &validators, now.is_some()) != Precondition::Failed
            }
        };
        if holds { Ok(()) } else { Err(Error::precondition_failed()) }
    }
}
