//! Listing objects: the request. The answer is in [`super::lso_page`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::num::{is_zero, null_is_default, quoted_u64};

/// Bits of [`LsoMsg::flags`].
pub mod flag {
    /// Only objects present in the cluster.
    pub const CACHED: u64 = 1;
    /// Also objects that are known but missing.
    pub const MISSING: u64 = 1 << 1;
    /// Also objects marked deleted.
    pub const DELETED: u64 = 1 << 2;
    /// List the content of archives too.
    pub const ARCH_DIR: u64 = 1 << 3;
    /// Names only.
    pub const NAME_ONLY: u64 = 1 << 4;
    /// Names and sizes only.
    pub const NAME_SIZE: u64 = 1 << 5;
    /// The bucket is known to be present.
    pub const BCK_PRESENT: u64 = 1 << 6;
    /// Do not look up a remote bucket.
    pub const DONT_HEAD_REMOTE: u64 = 1 << 7;
    /// Do not add a remote bucket to the bucket map.
    pub const DONT_ADD: u64 = 1 << 8;
    /// Only objects that are not present.
    pub const NOT_CACHED: u64 = 1 << 9;
    /// Only what the remote backend says.
    pub const ONLY_REMOTE: u64 = 1 << 10;
    /// One directory level; deeper ones as entries that end with a slash.
    pub const NO_RECURSION: u64 = 1 << 11;
    /// Compare with the remote backend.
    pub const DIFF: u64 = 1 << 12;
    /// No entries for directories.
    pub const NO_DIRS: u64 = 1 << 13;
    /// The request came through the S3 facade.
    pub const S3: u64 = 1 << 14;
    /// List an inventory.
    pub const NBI: u64 = 1 << 15;
}

/// The page size when the client names none, and the greatest one.
pub const MAX_PAGE_SIZE: u64 = 10_000;

/// The longest text that names can be compared with, and the longest one that lines repeat: a page has thousands.
const TEXT_BYTES_MAX: usize = 8 << 10;
const TIME_FORMAT_BYTES_MAX: usize = 128;

/// A request for one page. All fields may be missing or null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LsoMsg {
    /// The listing's id; empty on the first page.
    #[serde(deserialize_with = "null_is_default")]
    pub uuid: String,
    /// Comma-separated names of attributes; see [`LsoProps::parse`].
    #[serde(deserialize_with = "null_is_default")]
    pub props: String,
    /// Layout of access times, empty for RFC 822; see [`super::timefmt::format_nanos`].
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub time_format: String,
    /// Only names that begin so.
    #[serde(deserialize_with = "null_is_default")]
    pub prefix: String,
    /// Only names after this one; first page only.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub start_after: String,
    /// Where the previous page ended: names after this one.
    #[serde(deserialize_with = "null_is_default")]
    pub continuation_token: String,
    /// Only objects of this target.
    #[serde(deserialize_with = "null_is_default")]
    pub target: String,
    /// The [`flag`] bits; quoted.
    #[serde(with = "quoted_u64")]
    pub flags: u64,
    /// Entries per page; 0 for [`MAX_PAGE_SIZE`].
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub pagesize: u64,
}

impl LsoMsg {
    /// Reads an action's value; null is a request with all defaults.
    ///
    /// # Errors
    /// A text for the client.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        if value.is_null() {
            return Ok(LsoMsg::default());
        }
        let message = LsoMsg::deserialize(value)
            .map_err(|e| format!("failed to unmarshal list-objects message: {e}"))?;
        message.check_lengths().map(|()| message)
    }

    fn check_lengths(&self) -> Result<(), String> {
        let texts = [
            ("uuid", &self.uuid, TEXT_BYTES_MAX),
            ("prefix", &self.prefix, TEXT_BYTES_MAX),
            ("start_after", &self.start_after, TEXT_BYTES_MAX),
            ("continuation_token", &self.continuation_token, TEXT_BYTES_MAX),
            ("time_format", &self.time_format, TIME_FORMAT_BYTES_MAX),
        ];
        let long = texts.iter().find(|(_, text, most)| text.len() > *most);
        long.map_or(Ok(()), |(name, text, most)| {
            Err(format!("{name} has {} bytes, at most {most} are taken", text.len()))
        })
    }

    /// True if all bits of `flag` are set.
    #[must_use]
    pub fn has(&self, flag: u64) -> bool {
        self.flags & flag == flag
    }

    /// The number of entries that the page should have, 1 to [`MAX_PAGE_SIZE`].
    #[must_use]
    pub fn page_size(&self) -> usize {
        let wanted = if self.pagesize == 0 { MAX_PAGE_SIZE } else { self.pagesize.min(MAX_PAGE_SIZE) };
        usize::try_from(wanted).unwrap_or(10_000)
    }

    /// The prefix proper: a trailing `*` means nothing.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.prefix.strip_suffix('*').unwrap_or(&self.prefix)
    }

    /// The name after which the page begins; empty for the beginning.
    #[must_use]
    pub fn after(&self) -> &str {
        if self.continuation_token.is_empty() { &self.start_after } else { &self.continuation_token }
    }

    /// The attributes to send, flags considered.
    #[must_use]
    pub fn wanted(&self) -> LsoProps {
        if self.has(flag::NAME_ONLY) {
            LsoProps::NAME
        } else if self.has(flag::NAME_SIZE) {
            LsoProps::NAME.with(LsoProps::SIZE)
        } else {
            LsoProps::parse(&self.props)
        }
    }
}

/// A set of attributes of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LsoProps(u16);

impl std::ops::BitOr for LsoProps {
    type Output = LsoProps;

    fn bitor(self, other: LsoProps) -> LsoProps {
        LsoProps(self.0 | other.0)
    }
}

impl LsoProps {
    /// The name; always sent.
    pub const NAME: LsoProps = LsoProps(1);
    /// Size in bytes.
    pub const SIZE: LsoProps = LsoProps(1 << 1);
    /// Version.
    pub const VERSION: LsoProps = LsoProps(1 << 2);
    /// Checksum value.
    pub const CHECKSUM: LsoProps = LsoProps(1 << 3);
    /// Access time.
    pub const ATIME: LsoProps = LsoProps(1 << 4);
    /// True for an object that is in the cluster.
    pub const CACHED: LsoProps = LsoProps(1 << 5);
    /// True for an object that is where it belongs.
    pub const STATUS: LsoProps = LsoProps(1 << 6);
    /// Number of copies.
    pub const COPIES: LsoProps = LsoProps(1 << 7);
    /// Erasure coding.
    pub const EC: LsoProps = LsoProps(1 << 8);
    /// Custom metadata.
    pub const CUSTOM: LsoProps = LsoProps(1 << 9);
    /// Target and mountpath.
    pub const LOCATION: LsoProps = LsoProps(1 << 10);
    /// True for an object that is stored in chunks.
    pub const CHUNKED: LsoProps = LsoProps(1 << 11);
    /// Time of the last write.
    pub const LAST_MODIFIED: LsoProps = LsoProps(1 << 12);
    /// Entity tag.
    pub const ETAG: LsoProps = LsoProps(1 << 13);

    /// The names as clients write them.
    const NAMES: [(&'static str, LsoProps); 14] = [
        ("name", LsoProps::NAME),
        ("size", LsoProps::SIZE),
        ("version", LsoProps::VERSION),
        ("checksum", LsoProps::CHECKSUM),
        ("atime", LsoProps::ATIME),
        ("cached", LsoProps::CACHED),
        ("status", LsoProps::STATUS),
        ("copies", LsoProps::COPIES),
        ("ec", LsoProps::EC),
        ("custom", LsoProps::CUSTOM),
        ("location", LsoProps::LOCATION),
        ("chunked", LsoProps::CHUNKED),
        ("last-modified", LsoProps::LAST_MODIFIED),
        ("etag", LsoProps::ETAG),
    ];

    /// True if there is no attribute besides these.
    #[must_use]
    pub const fn is_within(self, others: LsoProps) -> bool {
        self.0 & !others.0 == 0
    }

    /// The attribute of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<LsoProps> {
        LsoProps::NAMES.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit)
    }

    /// Reads a comma-separated list; empty is name, size and cached. Unknown names are skipped, as AIStore does
    /// when listing. The name is always wanted.
    #[must_use]
    pub fn parse(list: &str) -> LsoProps {
        if list.trim().is_empty() {
            return LsoProps::NAME.with(LsoProps::SIZE).with(LsoProps::CACHED);
        }
        let known = list.split(',').filter_map(|name| LsoProps::by_name(name.trim()));
        known.fold(LsoProps::NAME, LsoProps::with)
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: LsoProps) -> LsoProps {
        LsoProps(self.0 | other.0)
    }

    /// True if all of `other` is in this set.
    #[must_use]
    pub const fn has(self, other: LsoProps) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn flags_are_text_or_number_and_fields_may_be_null() {
        let go = json!({"hdr": null, "uuid": "", "props": "name,size", "prefix": "a*", "start_after": "",
                        "continuation_token": "", "target": "", "flags": "8192", "pagesize": 0});
        let msg = LsoMsg::from_value(&go).unwrap();
        assert!(msg.has(flag::NO_DIRS) && !msg.has(flag::CACHED));
        assert_eq!((msg.page_size(), msg.prefix()), (10_000, "a"));
        let loose = json!({"flags": 2048, "uuid": null, "pagesize": 7, "start_after": "x"});
        let msg = LsoMsg::from_value(&loose).unwrap();
        assert!(msg.has(flag::NO_RECURSION));
        assert_eq!((msg.page_size(), msg.after()), (7, "x"));
        assert_eq!(LsoMsg::from_value(&Value::Null).unwrap(), LsoMsg::default());
        assert!(LsoMsg::from_value(&json!({"flags": "x"})).is_err());
        assert_eq!(LsoMsg { pagesize: 1 << 40, ..LsoMsg::default() }.page_size(), 10_000);
    }

    #[test]
    fn the_token_outranks_start_after() {
        let msg = LsoMsg { start_after: "a".into(), continuation_token: "b".into(), ..LsoMsg::default() };
        assert_eq!(msg.after(), "b");
        assert_eq!(serde_json::to_value(&msg).unwrap()["flags"], "0");
    }

    #[test]
    fn wanted_attributes() {
        let all = LsoProps::parse("name, size,atime,zzz");
        assert!(all.has(LsoProps::ATIME) && all.has(LsoProps::NAME) && !all.has(LsoProps::CHECKSUM));
        assert!(LsoProps::parse("").has(LsoProps::CACHED));
        assert!(LsoProps::parse("size").has(LsoProps::NAME));
        let msg = LsoMsg { flags: flag::NAME_ONLY, props: "size".into(), ..LsoMsg::default() };
        assert_eq!(msg.wanted(), LsoProps::NAME);
        let msg = LsoMsg { flags: flag::NAME_SIZE, ..LsoMsg::default() };
        assert_eq!(msg.wanted(), LsoProps::NAME.with(LsoProps::SIZE));
    }

    proptest! {
        #[test]
        fn a_message_survives_json(uuid in "\\PC{0,9}", prefix in "\\PC{0,9}", flags: u64, pagesize: u64) {
            let msg = LsoMsg { uuid, prefix, flags, pagesize, ..LsoMsg::default() };
            prop_assert_eq!(LsoMsg::from_value(&serde_json::to_value(&msg).unwrap()), Ok(msg));
        }
    }
}
