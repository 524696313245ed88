//! The files that Amazon's tools keep credentials and settings in, as far as a load generator needs them.

use std::collections::BTreeMap;

/// One of the two files: their headings differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `credentials`: a profile's heading is its name.
    Credentials,
    /// `config`: a profile's heading is `profile NAME`, but that of the default is its name.
    Config,
}

/// Settings of one profile: names in small letters, and values.
pub type Settings = BTreeMap<String, String>;

/// The settings of a profile; `None` when the file does not have it. Lines that are not understood are passed over,
/// as Amazon's tools do. A setting that stands twice has its last value.
#[must_use]
pub fn read_profile(text: &str, kind: FileKind, profile: &str) -> Option<Settings> {
    let mut found: Option<Settings> = None;
    let mut is_inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(heading) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_inside = is_heading_of(heading.trim(), kind, profile);
            if is_inside {
                found.get_or_insert_default();
            }
            continue;
        }
        // An indented line belongs to the setting above it, such as `addressing_style` to `s3`.
        let is_nested = line.starts_with([' ', '\t']);
        if let (true, false, Some((name, value))) = (is_inside, is_nested, trimmed.split_once('=')) {
            let value = without_comment(value).trim().to_owned();
            found.get_or_insert_default().insert(name.trim().to_ascii_lowercase(), value);
        }
    }
    found
}

fn is_heading_of(heading: &str, kind: FileKind, profile: &str) -> bool {
    let prefixed =
        heading.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim);
    match kind {
        FileKind::Credentials => heading == profile,
        FileKind::Config if profile == "default" => heading == profile || prefixed == Some(profile),
        FileKind::Config => prefixed == Some(profile),
    }
}

/// A comment within a line begins with white space and `#` or `;`.
fn without_comment(value: &str) -> &str {
    let is_begin = |pair: &[u8]| matches!(pair, [b' ' | b'\t', b'#' | b';']);
    match value.as_bytes().windows(2).position(is_begin) {
        Some(at) => value.get(..at).unwrap_or(value),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "\
# of everybody
[default]
aws_access_key_id = AKDEFAULT
AWS_Secret_Access_Key=a/b+c==   ; rotated
[ two ]
aws_access_key_id=AKTWO
aws_access_key_id=AKTWO2
s3 =
  region = nested
not a setting
[profile three]
region\t=\teu-west-3 # Paris
[profile default]
output = json
";

    fn setting(kind: FileKind, profile: &str, name: &str) -> Option<String> {
        read_profile(TEXT, kind, profile)?.remove(name)
    }

    #[test]
    fn settings_are_found_under_their_heading() {
        use FileKind::{Config, Credentials};
        let table = [
            (Credentials, "default", "aws_access_key_id", Some("AKDEFAULT")),
            (Credentials, "default", "aws_secret_access_key", Some("a/b+c==")),
            (Credentials, "default", "output", None),
            (Credentials, "two", "aws_access_key_id", Some("AKTWO2")),
            (Credentials, "two", "region", None),
            (Credentials, "two", "s3", Some("")),
            (Config, "two", "aws_access_key_id", None),
            (Config, "three", "region", Some("eu-west-3")),
            (Config, "default", "aws_access_key_id", Some("AKDEFAULT")),
            (Config, "default", "output", Some("json")),
        ];
        for (kind, profile, name, want) in table {
            assert_eq!(setting(kind, profile, name).as_deref(), want, "{kind:?} {profile} {name}");
        }
        assert_eq!(read_profile(TEXT, Credentials, "four"), None);
        assert_eq!(read_profile("[x]", Credentials, "x"), Some(Settings::new()));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(text in "\\PC{0,80}", lines in prop::collection::vec("[\\[\\]= #;a\t]{0,8}", 0..8)) {
            for text in [text, lines.join("\n")] {
                let _ = read_profile(&text, FileKind::Credentials, "a");
                let _ = read_profile(&text, FileKind::Config, "default");
            }
        }
    }
}
