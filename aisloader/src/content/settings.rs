//! The flags about content.

use super::stamp::Recipe;
use crate::flags::{FlagError, Parsed};
use serde::Serialize;

/// The check of the bytes that GET returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// GET is not checked.
    None,
    /// GET is checked by the checksum that comes along with it.
    Checksum,
    /// GET is checked by the bytes that must have been written.
    Content,
}

impl Verify {
    /// The flag that asks for it, as it is typed.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::None => "-verify=none",
            Self::Checksum => "-verifyhash",
            Self::Content => "-verify=content",
        }
    }
}

/// The content of objects, and its check.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Settings {
    /// The recipe that their bytes follow from.
    pub recipe: Recipe,
    /// True when their blocks are stamped, and so no two alike but those that shall be.
    pub is_stamped: bool,
    /// The check of their bytes.
    pub verify: Verify,
    /// The number of the loader that writes them.
    pub loader: u32,
}

impl Settings {
    /// Reads the flags; `seed` is the run's, `loader` this loader's number.
    ///
    /// # Errors
    /// The flag with a wrong value, or two that contradict each other.
    pub fn new(flags: &Parsed, seed: u64, loader: u64) -> Result<Self, FlagError> {
        let verify = verify(flags)?;
        let is_stamped = verify == Verify::Content || flags.is_given("dedupe-pct");
        // Numbers of loaders are small; a hash of a name keeps its low half.
        let loader = u32::try_from(loader & u64::from(u32::MAX)).unwrap_or(0);
        let (compress_pct, dedupe_pct) =
            (percentage(flags, "compress-pct")?, percentage(flags, "dedupe-pct")?);
        Ok(Self { recipe: Recipe { seed, compress_pct, dedupe_pct }, is_stamped, verify, loader })
    }
}

fn verify(flags: &Parsed) -> Result<Verify, FlagError> {
    let is_hashed = flags.boolean("verifyhash");
    match flags.text("verify") {
        "none" if is_hashed && flags.is_given("verify") => {
            Err(FlagError("-verify=none and -verifyhash contradict each other".to_owned()))
        }
        "none" => Ok(if is_hashed { Verify::Checksum } else { Verify::None }),
        "checksum" => Ok(Verify::Checksum),
        "content" if is_hashed => {
            Err(FlagError("-verify=content and -verifyhash: only one of them at a time".to_owned()))
        }
        "content" => Ok(Verify::Content),
        other => Err(FlagError(format!("-verify: {other:?} is not none, checksum or content"))),
    }
}

fn percentage(flags: &Parsed, name: &str) -> Result<u8, FlagError> {
    let value = flags.uint(name);
    let fits = u8::try_from(value).ok().filter(|value| *value <= 100);
    fits.ok_or_else(|| FlagError(format!("-{name}: {value} is not within 0 and 100")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str) -> Result<Settings, String> {
        let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        Settings::new(&flags, 5, 0).map_err(|e| e.0)
    }

    #[test]
    fn flags_say_what_is_checked() {
        for (line, verify, is_stamped) in [
            ("", Verify::None, false),
            ("-verifyhash", Verify::Checksum, false),
            ("-verify=checksum -verifyhash", Verify::Checksum, false),
            ("-verify content", Verify::Content, true),
            ("-dedupe-pct=0", Verify::None, true),
        ] {
            let got = settings(line).unwrap();
            assert_eq!((got.verify, got.is_stamped), (verify, is_stamped), "{line}");
        }
        let all = settings("-compress-pct=30 -dedupe-pct=100 -verify=content").unwrap();
        assert_eq!(all.recipe, Recipe { seed: 5, compress_pct: 30, dedupe_pct: 100 });
    }

    #[test]
    fn contradictions_and_nonsense_are_refused() {
        for (line, want) in [
            ("-verify=all", "-verify: \"all\""),
            ("-verify=none -verifyhash", "contradict"),
            ("-verify=content -verifyhash", "only one"),
            ("-compress-pct=101", "-compress-pct: 101"),
            ("-dedupe-pct=300", "-dedupe-pct: 300"),
        ] {
            let error = settings(line).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
