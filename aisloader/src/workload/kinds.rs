//! The kinds of operations, as data.

use serde::Serialize;

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OpKind {
    /// Write a new object.
    Put,
    /// Write a new object in parts, with the requests that begin and complete the upload: one operation.
    Mpu,
    /// Read an object.
    Get,
    /// Read an object, then write it anew under the same name.
    ///
    /// Its two halves are recorded as a GET and a PUT, with their bytes. Its own record has the time from the begin of
    /// the GET to the end of the PUT and no bytes, and no sum over kinds counts it.
    Update,
    /// Ask for an object's properties.
    Head,
    /// Delete an object.
    Delete,
    /// Read one page of names.
    List,
}

/// The payload of a kind of operation; it gives the unit of its throughput.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes of objects.
    Bytes,
    /// Names.
    Names,
    /// Nothing of its own: only operations are counted.
    None,
}

impl OpKind {
    /// Every kind, in the order of the report.
    pub const ALL: [Self; 7] =
        [Self::Put, Self::Mpu, Self::Get, Self::Update, Self::Head, Self::Delete, Self::List];

    /// The kinds that are not made of others: sums are made over these.
    pub fn singles() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| !kind.is_composite())
    }

    /// The label in tables; in lower case, the key in JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Mpu => "MPU",
            Self::Get => "GET",
            Self::Update => "UPDATE",
            Self::Head => "HEAD",
            Self::Delete => "DELETE",
            Self::List => "LIST",
        }
    }

    /// True for a kind whose halves are recorded as kinds of their own.
    #[must_use]
    pub const fn is_composite(self) -> bool {
        matches!(self, Self::Update)
    }

    /// True for a kind that is about an object which must exist.
    #[must_use]
    pub const fn needs_name(self) -> bool {
        matches!(self, Self::Get | Self::Update | Self::Head | Self::Delete)
    }

    /// True for a kind that sends an object.
    #[must_use]
    pub const fn sends_object(self) -> bool {
        matches!(self, Self::Put | Self::Mpu | Self::Update)
    }

    /// The unit of its throughput.
    #[must_use]
    pub const fn payload(self) -> Payload {
        match self {
            Self::Put | Self::Mpu | Self::Get => Payload::Bytes,
            Self::List => Payload::Names,
            Self::Update | Self::Head | Self::Delete => Payload::None,
        }
    }
}
