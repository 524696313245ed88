//! The words after a command: files, and flags in Go's spelling.

use std::collections::BTreeMap;

/// A flag that a command knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The name without dashes.
    pub(super) name: &'static str,
    /// False: the flag stands alone.
    pub(super) has_value: bool,
}

/// Files and flags, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Words that are no flags.
    pub(super) files: Vec<String>,
    values: BTreeMap<&'static str, String>,
}

impl Words {
    /// Sorts the words; the error names the first one that is not understood.
    pub(super) fn parse(words: &[String], known: &[Known]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or("");
            if bare.is_empty() {
                parsed.files.push(word.clone());
                continue;
            }
            let (name, inline) = bare.split_once('=').map_or((bare, None), |(n, v)| (n, Some(v)));
            let Some(flag) = known.iter().find(|flag| flag.name == name) else {
                let names: Vec<String> = known.iter().map(|flag| format!("-{}", flag.name)).collect();
                return Err(format!("{word}: no such flag; there are {}", names.join(", ")));
            };
            let value = match (flag.has_value, inline) {
                (true, Some(value)) => value.to_owned(),
                (true, None) => words.next().ok_or_else(|| format!("-{name} needs a value"))?.clone(),
                (false, None) => String::new(),
                (false, Some(value)) => return Err(format!("-{name} takes no value, and got {value:?}")),
            };
            parsed.values.insert(flag.name, value);
        }
        Ok(parsed)
    }

    /// The flag's value, when it was given; empty for one that stands alone.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known; 2] =
        [Known { name: "o", has_value: true }, Known { name: "gate", has_value: false }];

    fn parse(line: &str) -> Result<Words, String> {
        Words::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), &KNOWN)
    }

    #[test]
    fn files_and_flags_in_any_order() {
        for line in ["a -o x b --gate", "-gate a b --o=x", "a b -o=x -gate"] {
            let words = parse(line).unwrap();
            assert_eq!(words.files, ["a", "b"], "{line}");
            assert_eq!((words.value("o"), words.value("gate")), (Some("x"), Some("")), "{line}");
        }
        assert_eq!(parse("a").unwrap().value("gate"), None);
    }

    #[test]
    fn errors_name_the_word() {
        for (line, want) in [("-x", "-x: no such flag"), ("-o", "-o needs"), ("-gate=1", "takes no value")] {
            assert!(parse(line).unwrap_err().contains(want), "{line}");
        }
    }
}
