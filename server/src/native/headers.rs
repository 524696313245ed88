//! Object attributes as headers, in both directions.

use super::Request;
use crate::error::{Error, Result};
use crate::reply::Reply;
use crate::store::Entry;
use wire::api::custom;
use wire::cksum::CksumType;
use wire::http1::format_http_date;

impl Reply {
    /// Adds what AIStore tells of an object with `GET`, `PUT` and the first form of `HEAD`, [`Reply::with_atime`] apart.
    pub(super) fn with_object(mut self, entry: &Entry, versioned: bool) -> Self {
        if entry.cksum_type != CksumType::None {
            self = self.with_checksum(entry);
        }
        if versioned {
            self = self.with_number("Ais-Version", entry.version);
        }
        self.with_custom(entry).with_display("ETag", format_args!("\"{}\"", entry.etag()))
    }

    /// Adds the time of the last access, the one thing about an object that changes with every read.
    pub(super) fn with_atime(self, entry: &Entry) -> Self {
        self.with_number("Ais-Atime", entry.atime_ns.get().cast_unsigned())
    }

    pub(super) fn with_checksum(self, entry: &Entry) -> Self {
        self.with("Ais-Checksum-Type", entry.cksum_type.as_str())
            .with("Ais-Checksum-Value", &entry.cksum_value)
    }

    pub(super) fn with_custom(mut self, entry: &Entry) -> Self {
        for value in custom::header_values(&entry.custom) {
            self = self.with("Ais-Custom-Md", value);
        }
        self
    }

    pub(super) fn with_last_modified(self, entry: &Entry) -> Self {
        self.with("Last-Modified", format_http_date(entry.modified_s()))
    }
}

/// The checksum that a client sends with a body.
pub(super) fn expected_checksum(request: &Request<'_, '_>) -> Result<Option<(CksumType, String)>> {
    let headers = &request.head.headers;
    let (kind, value) = match (headers.get_str("Ais-Checksum-Type"), headers.get_str("Ais-Checksum-Value")) {
        (None | Some(""), None | Some("")) => return Ok(None),
        (Some(kind), value) => (kind, value.unwrap_or_default()),
        (None, Some(_)) => return Err(Error::bad("a checksum value without Ais-Checksum-Type")),
    };
    let kind = CksumType::parse(kind).ok_or_else(|| Error::bad(format!("unknown checksum type {kind:?}")))?;
    if kind == CksumType::None {
        return Ok(None);
    }
    if value.len() != kind.hex_len() || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::bad(format!("{value:?} is no {} checksum", kind.as_str())));
    }
    Ok(Some((kind, value.to_owned())))
}

/// The custom metadata that a client sends with a body.
pub(super) fn custom_metadata(request: &Request<'_, '_>) -> Result<Vec<(String, String)>> {
    let mut pairs = custom::CustomMd::default();
    for value in request.head.headers.all("Ais-Custom-Md") {
        let text = std::str::from_utf8(value).map_err(|_| Error::bad("Ais-Custom-Md is not UTF-8"))?;
        custom::merge(&mut pairs, [custom::parse_header(text).map_err(Error::bad)?]);
    }
    custom::validate(&pairs).map_err(Error::bad)?;
    Ok(pairs)
}
