//! The body of an error.

use serde::{Deserialize, Serialize};

/// An error as clients expect it: in the body, or for HEAD in the header `Hdr-Error`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// AIStore's name of the error's type ([`tcode`]); empty for plain errors, and then not written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tcode: String,
    /// The description of the error. Python's client looks for `ais://bucket` in it.
    pub message: String,
    /// Method of the request.
    pub method: String,
    /// Path of the request.
    pub url_path: String,
    /// The client's address.
    pub remote_addr: String,
    /// The calling node, empty for clients.
    pub caller: String,
    /// This node: `p[id]` or `t[id]`.
    pub node: String,
    /// The HTTP status, which Go's client compares.
    pub status: u16,
}

/// Names of error types that clients know.
pub mod tcode {
    /// No such bucket (404).
    pub const BCK_NOT_FOUND: &str = "ErrBckNotFound";
    /// No such remote bucket (404).
    pub const REMOTE_BCK_NOT_FOUND: &str = "ErrRemoteBckNotFound";
    /// The bucket exists (409).
    pub const BUCKET_ALREADY_EXISTS: &str = "ErrBucketAlreadyExists";
    /// No such thing (404).
    pub const NOT_FOUND: &str = "ErrNotFound";
    /// The checksum does not match (500).
    pub const BAD_CKSUM: &str = "ErrBadCksum";
    /// Not supported (501).
    pub const UNSUPP: &str = "ErrUnsupp";
    /// Out of space (507).
    pub const CAPACITY_EXCEEDED: &str = "ErrCapacityExceeded";
    /// Busy (409).
    pub const BUSY: &str = "ErrBusy";
}

impl ErrorBody {
    /// Appends the body: JSON and one newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // A Vec accepts every write and strings always serialise, so there is no error to report.
        let _infallible = serde_json::to_writer(&mut *out, self);
        out.push(b'\n');
    }

    /// The value of `Hdr-Error`: the same JSON in one line. Escaping leaves only printable ASCII, so that no
    /// message can break the header.
    #[must_use]
    pub fn header_value(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut out = String::with_capacity(json.len());
        let mut units = [0u16; 2];
        for c in json.chars() {
            match c {
                ' '..='~' => out.push(c),
                _ => c.encode_utf16(&mut units).iter().for_each(|u| out.push_str(&format!("\\u{u:04x}"))),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn to_the_letter() {
        let body = ErrorBody {
            tcode: tcode::BCK_NOT_FOUND.into(),
            message: "bucket \"ais://b\" does not exist <&>".into(),
            method: "GET".into(),
            url_path: "/v1/buckets/b".into(),
            node: "p[pAAAAAAA]".into(),
            status: 404,
            ..ErrorBody::default()
        };
        let mut out = Vec::new();
        body.write_json(&mut out);
        let want = concat!(
            r#"{"tcode":"ErrBckNotFound","message":"bucket \"ais://b\" does not exist <&>","method":"GET","#,
            r#""url_path":"/v1/buckets/b","remote_addr":"","caller":"","node":"p[pAAAAAAA]","status":404}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), want);
        assert!(!serde_json::to_string(&ErrorBody::default()).unwrap().contains("tcode"));
    }

    proptest! {
        #[test]
        fn the_header_is_one_printable_line(message in "(?s).{0,40}") {
            let body = ErrorBody { message, ..ErrorBody::default() };
            let line = body.header_value();
            prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(serde_json::from_str::<ErrorBody>(&line).unwrap(), body);
        }
    }
}
