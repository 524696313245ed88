//! Listing objects: one page of the answer, as JSON or MessagePack.
//!
//! A page has up to ten thousand entries and is encoded on the data path, so both encoders write straight into
//! the caller's buffer; MessagePack without serde in between.

use std::io;

use rmp::encode::{write_array_len, write_map_len, write_nil, write_sint, write_str, write_uint};
use serde::Serialize;

use super::num::is_zero;

/// Bits of [`LsoEntry::flags`]. The low five say where the object is.
pub mod entry_flag {
    /// Mask of the location status; 0 is "where it belongs".
    pub const STATUS_MASK: u16 = 0x1f;
    /// Status: on the wrong target.
    pub const MISPLACED_NODE: u16 = 1;
    /// Status: on the wrong mountpath.
    pub const MISPLACED_MOUNTPATH: u16 = 2;
    /// Status: a copy.
    pub const COPY: u16 = 3;
    /// Status: a copy whose original is gone.
    pub const COPY_WITHOUT_MAIN: u16 = 4;
    /// In the cluster; set for every object of an `ais` bucket.
    pub const CACHED: u16 = 1 << 6;
    /// Inside an archive.
    pub const IN_ARCHIVE: u16 = 1 << 7;
    /// A directory; the name ends with a slash.
    pub const DIR: u16 = 1 << 8;
    /// An archive whose content is listed.
    pub const ARCHIVE: u16 = 1 << 9;
    /// The remote version differs.
    pub const VERSION_CHANGED: u16 = 1 << 10;
    /// The remote object is gone.
    pub const VERSION_REMOVED: u16 = 1 << 11;
    /// The attributes could not be read.
    pub const HEAD_FAILED: u16 = 1 << 12;
    /// Stored in chunks.
    pub const CHUNKED: u16 = 1 << 13;
}

/// One object of a page. Empty and zero attributes are not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LsoEntry {
    /// The object's name.
    pub name: String,
    /// Checksum value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// Access time, already formatted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub atime: String,
    /// Version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// `t[id]:/mountpath`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// Custom metadata as Go prints a map; see [`super::custom::to_list_text`].
    #[serde(rename = "custom-md", skip_serializing_if = "String::is_empty")]
    pub custom: String,
    /// Bytes; quoted in JSON.
    #[serde(skip_serializing_if = "is_zero", serialize_with = "quoted")]
    pub size: u64,
    /// Copies.
    #[serde(skip_serializing_if = "is_zero")]
    pub copies: u16,
    /// The [`entry_flag`] bits.
    #[serde(skip_serializing_if = "is_zero")]
    pub flags: u16,
}

fn quoted<S: serde::Serializer>(size: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(size)
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LsoPage {
    /// The listing's id. Never empty: Python's client would ask for pages for ever.
    pub uuid: String,
    /// The last name of the page when there may be more, else empty.
    pub continuation_token: String,
    /// The objects in order.
    pub entries: Vec<LsoEntry>,
    /// Flags of the whole page; 0.
    pub flags: u32,
}

impl LsoPage {
    /// Appends the page as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.reserve(self.entries.len() * 64 + 128);
        // A Vec accepts every write and these types have no failing case, so there is no error to report.
        let _infallible = serde_json::to_writer(out, self);
    }

    /// Appends the page as MessagePack (`Content-Type: application/msgpack`, without parameters).
    pub fn write_msgpack(&self, out: &mut Vec<u8>) {
        out.reserve(self.entries.len() * 48 + 128);
        // As above: writing to a Vec does not fail.
        let _infallible = self.try_write_msgpack(out);
    }

    fn try_write_msgpack(&self, out: &mut Vec<u8>) -> io::Result<()> {
        write_map_len(out, 4)?;
        write_str(out, "UUID")?;
        write_str(out, &self.uuid)?;
        write_str(out, "ContinuationToken")?;
        write_str(out, &self.continuation_token)?;
        write_str(out, "Entries")?;
        if self.entries.is_empty() {
            write_nil(out)?;
        } else {
            write_array_len(out, u32::try_from(self.entries.len()).unwrap_or(u32::MAX))?;
            for entry in &self.entries {
                entry.try_write_msgpack(out)?;
            }
        }
        write_str(out, "Flags")?;
        write_uint(out, u64::from(self.flags))?;
        Ok(())
    }
}

impl LsoEntry {
    fn try_write_msgpack(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let texts = [
            ("cs", &self.checksum),
            ("a", &self.atime),
            ("v", &self.version),
            ("t", &self.location),
            ("m", &self.custom),
        ];
        let present = texts.iter().filter(|(_, text)| !text.is_empty()).count();
        let numbers = [self.size != 0, self.copies != 0, self.flags != 0].iter().filter(|set| **set).count();
        write_map_len(out, u32::try_from(1 + present + numbers).unwrap_or(1))?;
        write_str(out, "n")?;
        write_str(out, &self.name)?;
        for (key, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            write_str(out, key)?;
            write_str(out, text)?;
        }
        if self.size != 0 {
            write_str(out, "s")?;
            // Signed in Go; the writer picks the shortest form, which is unsigned for what is not negative.
            write_sint(out, i64::try_from(self.size).unwrap_or(i64::MAX))?;
        }
        if self.copies != 0 {
            write_str(out, "c")?;
            write_uint(out, u64::from(self.copies))?;
        }
        if self.flags != 0 {
            write_str(out, "f")?;
            write_uint(out, u64::from(self.flags))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    fn json_of(page: &LsoPage) -> String {
        let mut out = Vec::new();
        page.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// The page as a client that follows the generated Go code reads it.
    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Page {
        #[serde(rename = "UUID")]
        uuid: String,
        #[serde(rename = "ContinuationToken")]
        token: String,
        #[serde(rename = "Entries")]
        entries: Option<Vec<Entry>>,
        #[serde(rename = "Flags")]
        flags: u32,
    }

    #[derive(Deserialize, Debug, PartialEq, Default)]
    #[serde(deny_unknown_fields, default)]
    struct Entry {
        n: String,
        cs: String,
        a: String,
        v: String,
        t: String,
        m: String,
        s: i64,
        c: u16,
        f: u16,
    }

    fn msgpack_of(page: &LsoPage) -> Page {
        let mut out = Vec::new();
        page.write_msgpack(&mut out);
        rmp_serde::from_slice(&out).unwrap()
    }

    #[test]
    fn json_to_the_letter() {
        let entry =
            LsoEntry { name: "dir/x".into(), size: 5, flags: entry_flag::CACHED, ..LsoEntry::default() };
        let mut page = LsoPage { uuid: "Ls4kQp9Zx".into(), entries: vec![entry], ..LsoPage::default() };
        assert_eq!(
            json_of(&page),
            r#"{"uuid":"Ls4kQp9Zx","continuation_token":"","entries":[{"name":"dir/x","size":"5","flags":64}],"flags":0}"#
        );
        page.entries.clear();
        assert_eq!(json_of(&page), r#"{"uuid":"Ls4kQp9Zx","continuation_token":"","entries":[],"flags":0}"#);
    }

    #[test]
    fn all_attributes_in_json() {
        let entry = LsoEntry {
            name: "q\"\u{1}é".into(),
            checksum: "c".into(),
            atime: "a".into(),
            version: "1".into(),
            location: "l".into(),
            custom: "map[k:v]".into(),
            size: 1,
            copies: 2,
            flags: 3,
        };
        let tree: Value =
            serde_json::from_str(&json_of(&LsoPage { entries: vec![entry], ..LsoPage::default() })).unwrap();
        let want = json!({"name": "q\"\u{1}é", "checksum": "c", "atime": "a", "version": "1", "location": "l",
                          "custom-md": "map[k:v]", "size": "1", "copies": 2, "flags": 3});
        assert_eq!(tree["entries"][0], want);
    }

    #[test]
    fn msgpack_to_the_byte() {
        let entry = LsoEntry { name: "a".into(), size: 300, ..LsoEntry::default() };
        let page =
            LsoPage { uuid: "u".into(), continuation_token: "a".into(), entries: vec![entry], flags: 0 };
        let mut out = Vec::new();
        page.write_msgpack(&mut out);
        let want = b"\x84\xa4UUID\xa1u\xb1ContinuationToken\xa1a\xa7Entries\x91\x82\xa1n\xa1a\xa1s\xcd\x01\x2c\xa5Flags\x00";
        assert_eq!(out, want);
        assert_eq!(msgpack_of(&LsoPage::default()).entries, None);
    }

    fn entry() -> impl Strategy<Value = LsoEntry> {
        let text = || prop_oneof![Just(String::new()), "\\PC{1,40}"];
        (
            ("\\PC{1,300}", text(), text(), text(), text(), text()),
            (0u64..=i64::MAX as u64, any::<u16>(), any::<u16>()),
        )
            .prop_map(
                |((name, checksum, atime, version, location, custom), (size, copies, flags))| LsoEntry {
                    name,
                    checksum,
                    atime,
                    version,
                    location,
                    custom,
                    size,
                    copies,
                    flags,
                },
            )
    }

    proptest! {
        #[test]
        fn msgpack_is_read_back(entries in prop::collection::vec(entry(), 1..40), uuid in "\\w{9}", flags: u32) {
            let page = LsoPage { uuid, continuation_token: "t".into(), entries, flags };
            let got = msgpack_of(&page);
            prop_assert_eq!((&got.uuid, &got.token, got.flags), (&page.uuid, &page.continuation_token, flags));
            for (g, e) in got.entries.unwrap().iter().zip(&page.entries) {
                let want = Entry {
                    n: e.name.clone(), cs: e.checksum.clone(), a: e.atime.clone(), v: e.version.clone(),
                    t: e.location.clone(), m: e.custom.clone(), s: e.size as i64, c: e.copies, f: e.flags,
                };
                prop_assert_eq!(g, &want);
            }
        }
    }
}
