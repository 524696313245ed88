//! The kinds of damage that an object can have.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of a damage; statistics are kept by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageKind {
    /// Some bytes are not those that were written.
    WrongBytes,
    /// The object is whole, but older than one whose write had been acknowledged before.
    Stale,
    /// Blocks of two versions.
    Mixed,
    /// Blocks of an object with another name.
    OtherName,
    /// Blocks of this object at a wrong place.
    Moved,
    /// Its end is missing.
    Truncated,
    /// Something follows its end.
    Extended,
    /// Nothing says that this loader ever wrote it.
    Unstamped,
}

impl DamageKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WrongBytes,
        Self::Stale,
        Self::Mixed,
        Self::OtherName,
        Self::Moved,
        Self::Truncated,
        Self::Extended,
        Self::Unstamped,
    ];

    /// The label in tables and files.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::WrongBytes => "wrong-bytes",
            Self::Stale => "stale",
            Self::Mixed => "mixed",
            Self::OtherName => "other-name",
            Self::Moved => "moved-block",
            Self::Truncated => "truncated",
            Self::Extended => "extended",
            Self::Unstamped => "unstamped",
        }
    }
}

/// A damage that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its kind.
    pub kind: DamageKind,
    /// Where in the object it begins.
    pub offset: u64,
    /// A description of the bytes found there, for people.
    pub text: String,
}

impl Damage {
    pub(super) fn new(kind: DamageKind, offset: u64, text: impl Into<String>) -> Self {
        Self { kind, offset, text: text.into() }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "at offset {}: {}", self.offset, self.text)
    }
}
