//! Go's `flag` syntax: `-name value`, `-name=value`, `--name`; a boolean never takes the next word.

use super::refused::REFUSED;
use super::table::{FLAGS, Flag, IGNORED, Kind};
use super::units::{parse_duration, parse_size};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why a command line was refused; names the flag and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagError(pub String);

impl std::fmt::Display for FlagError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for FlagError {}

/// The flags that were given, checked against their kinds.
#[derive(Clone, Debug)]
pub struct Parsed {
    table: &'static [Flag],
    given: BTreeMap<&'static str, String>,
    /// Lines to show to the user.
    pub warnings: Vec<String>,
}

impl Parsed {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// The first word that is not understood.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, FlagError> {
        Self::parse_table(FLAGS, words)
    }

    /// The same with the flags of a command of its own, such as `aisloader scale`.
    ///
    /// # Errors
    /// The first word that is not understood.
    pub fn parse_table<S: AsRef<str>>(table: &'static [Flag], words: &[S]) -> Result<Self, FlagError> {
        let mut parsed = Self { table, given: BTreeMap::new(), warnings: Vec::new() };
        let mut words = words.iter().map(AsRef::as_ref);
        while let Some(word) = words.next() {
            let bare = word.strip_prefix('-').map(|rest| rest.strip_prefix('-').unwrap_or(rest));
            let Some(body) = bare.filter(|body| !body.is_empty() && !body.starts_with(['-', '='])) else {
                return Err(FlagError(format!(
                    "unexpected argument {word:?}: every option is a flag such as -name=value"
                )));
            };
            let (name, inline) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (body, None),
            };
            parsed.take(name, inline, &mut words)?;
        }
        Ok(parsed)
    }

    fn take<'w>(
        &mut self,
        name: &str,
        inline: Option<&str>,
        rest: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), FlagError> {
        let refused = REFUSED.iter().find(|refused| refused.flag.name == name);
        let known = self.table.iter().find(|flag| flag.name == name).or(refused.map(|refused| &refused.flag));
        let kind = known.map(|flag| flag.kind);
        let ignored = IGNORED.iter().find(|(other, _)| *other == name).map(|(_, kind)| *kind);
        let Some(kind) = kind.or(ignored) else { return Err(unknown(self.table, name)) };
        let value = match (inline, kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true",
            (None, _) => rest.next().ok_or_else(|| FlagError(format!("-{name} needs a value")))?,
        };
        match known {
            Some(flag) => {
                check(flag, value)?;
                if let Some(refused) = refused.filter(|_| !is_default(flag, value)) {
                    return Err(FlagError(format!("-{name}={value}: {}", refused.why)));
                }
                self.given.insert(flag.name, value.to_owned());
            }
            None => self.warnings.push(format!("-{name} has no effect in this loader")),
        }
        Ok(())
    }

    /// True when the flag was on the command line.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// True when only the text about the flags is wanted.
    #[must_use]
    pub fn wants_usage(&self) -> bool {
        ["usage", "help", "h"].iter().any(|name| self.boolean(name))
    }

    /// The flag's text, or its default.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let default = || self.table.iter().find(|flag| flag.name == name).map_or("", |flag| flag.default);
        self.given.get(name).map_or_else(default, String::as_str)
    }

    /// A boolean; false when it has no default and was not given.
    #[must_use]
    pub fn boolean(&self, name: &str) -> bool {
        parse_bool(self.text(name)).unwrap_or(false)
    }

    /// A signed number.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        parse_int(self.text(name)).unwrap_or(0)
    }

    /// A number that is not negative.
    #[must_use]
    pub fn uint(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// A size; `None` when it is empty.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<u64> {
        Some(self.text(name)).filter(|text| !text.is_empty()).and_then(parse_size)
    }

    /// A duration.
    #[must_use]
    pub fn duration(&self, name: &str) -> Duration {
        parse_duration(self.text(name)).unwrap_or_default()
    }
}

fn check(flag: &Flag, value: &str) -> Result<(), FlagError> {
    let (fits, wanted) = match flag.kind {
        Kind::Bool => (parse_bool(value).is_some(), "true or false"),
        Kind::Int => (parse_int(value).is_some(), "a whole number"),
        Kind::Uint => (value.parse::<u64>().is_ok(), "a whole number that is not negative"),
        Kind::Size => (parse_size(value).is_some(), "a size such as 4096, 1MiB or 1.5G"),
        Kind::Duration => (parse_duration(value).is_some(), "a duration such as 90s or 1h30m"),
        Kind::Text => (true, ""),
    };
    if fits { Ok(()) } else { Err(FlagError(format!("-{}: {value:?} is not {wanted}", flag.name))) }
}

/// True if a value, of the right kind, says the same as leaving it out.
fn is_default(flag: &Flag, value: &str) -> bool {
    match flag.kind {
        Kind::Bool => parse_bool(value) == parse_bool(flag.default),
        Kind::Int => parse_int(value) == parse_int(flag.default),
        _ => value == flag.default,
    }
}

/// The spellings that Go's `strconv.ParseBool` knows.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn unknown(table: &[Flag], name: &str) -> FlagError {
    let all = table.iter().chain(REFUSED.iter().map(|refused| &refused.flag));
    let near = all.map(|flag| (distance(flag.name, name), flag.name)).min();
    match near {
        Some((steps, other)) if steps <= 2 => {
            FlagError(format!("-{name}: no such flag; did you mean -{other}?"))
        }
        _ => FlagError(format!("-{name}: no such flag; -usage lists them")),
    }
}

/// Edit distance, for the hint.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = i;
        let mut left = i.saturating_add(1);
        for (slot, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let here = (*slot).min(left).saturating_add(1).min(corner.saturating_add(usize::from(x != y)));
            corner = std::mem::replace(slot, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Parsed, FlagError> {
        Parsed::parse(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn every_spelling_of_go() {
        for line in ["-pctput 30", "-pctput=30", "--pctput 30", "--pctput=30"] {
            assert_eq!(parse(line).unwrap().int("pctput"), 30, "{line}");
        }
        let all =
            parse("-json -minsize 1.5KB -duration=1h30m -seed -7 -bucket ais://b -cleanup=false").unwrap();
        assert!(all.boolean("json"));
        assert_eq!(all.size("minsize"), Some(1536));
        assert_eq!(all.size("maxsize"), None);
        assert_eq!(all.duration("duration"), Duration::from_secs(5400));
        assert_eq!(all.int("seed"), -7);
        assert_eq!(all.text("bucket"), "ais://b");
        assert!(all.is_given("cleanup") && !all.boolean("cleanup"));
        assert_eq!(all.text("numworkers"), "10");
    }

    #[test]
    fn a_boolean_leaves_the_next_word_alone() {
        let error = parse("-json false").unwrap_err();
        assert!(error.0.contains("\"false\""), "{error}");
        assert!(!parse("-json=false").unwrap().boolean("json"));
        assert!(parse("-json -quiet").unwrap().boolean("quiet"));
    }

    #[test]
    fn errors_name_the_flag_and_the_value() {
        let table = [
            ("-minsize 1X", "-minsize: \"1X\""),
            ("-duration 10", "-duration: \"10\""),
            ("-numworkers=ten", "-numworkers: \"ten\""),
            ("-maxputs -1", "-maxputs: \"-1\""),
            ("-json=maybe", "-json: \"maybe\""),
            ("-pctput", "-pctput needs a value"),
            ("-pctptu 1", "did you mean -pctput"),
            ("-wholly-unknown", "-wholly-unknown: no such flag"),
            ("stray", "\"stray\""),
            ("---json", "\"---json\""),
            ("-", "\"-\""),
        ];
        for (line, want) in table {
            let error = parse(line).unwrap_err();
            assert!(error.0.contains(want), "{line}: {error}");
        }
    }

    #[test]
    fn harmless_flags_are_taken_with_a_warning() {
        let parsed = parse("-statsdport 8125 -uniquegets -pctput=5").unwrap();
        assert_eq!(parsed.warnings.len(), 2);
        assert_eq!(parsed.int("pctput"), 5);
    }

    #[test]
    fn what_cannot_be_served_is_checked_and_refused() {
        for line in
            ["-get-batchsize=0 -latest=false -evict-batchsize=1000 -etl= -pctmpdstream=0", "-cached=f"]
        {
            assert!(parse(line).is_ok(), "{line}");
        }
        let table = [
            ("-get-batchsize=64", "-get-batchsize=64: the loader sends no GetBatch"),
            ("-latest", "-latest=true: it concerns buckets of a remote"),
            ("-etl md5", "ETL"),
            ("-pctmpdstream=ten", "-pctmpdstream: \"ten\" is not a whole number"),
            ("-get-batchsiz=1", "did you mean -get-batchsize"),
        ];
        for (line, want) in table {
            let error = parse(line).unwrap_err();
            assert!(error.0.contains(want), "{line}: {error}");
        }
    }

    #[test]
    fn every_default_fits_its_kind() {
        let all = FLAGS.iter().chain(REFUSED.iter().map(|refused| &refused.flag));
        for flag in all.filter(|flag| !flag.default.is_empty()) {
            check(flag, flag.default).unwrap();
        }
    }
}
