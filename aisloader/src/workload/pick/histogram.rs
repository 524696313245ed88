//! The sizes of a real data set, from a file.

use crate::flags::units::parse_size;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// Sizes in bytes and how often each occurs. A line is `SIZE COUNT` or, as `find -printf '%s\n'` writes it, one `SIZE`;
/// a size that comes again adds to its count. Blank lines and those that begin with `#` are left out.
///
/// # Errors
/// When the file cannot be read, the first line that is not understood, or that there is no size in it.
pub(super) fn read(path: &str) -> Result<BTreeMap<u64, u64>, String> {
    let file = File::open(path).map_err(|e| format!("{path:?}: {e}"))?;
    parse(BufReader::new(file)).map_err(|why| format!("{path:?}{why}"))
}

fn parse(lines: impl BufRead) -> Result<BTreeMap<u64, u64>, String> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for (line, number) in lines.lines().zip(1u64..) {
        let line = line.map_err(|e| format!(", line {number}: {e}"))?;
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let Some((size, count)) = entry(text) else {
            return Err(format!(", line {number}: {text:?} is not a size, or a size and a count"));
        };
        let sum = counts.entry(size).or_default();
        *sum = sum.saturating_add(count);
    }
    if counts.values().all(|count| *count == 0) {
        return Err(": no sizes in it".to_owned());
    }
    Ok(counts)
}

fn entry(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_whitespace();
    let size = parse_size(words.next()?)?;
    let count = words.next().map_or(Some(1), |count| count.parse().ok())?;
    words.next().is_none().then_some((size, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let text = "# sizes\n4096 7\n\n  1KiB\t3\r\n4096\n0\n";
        let want = BTreeMap::from([(0, 1), (1024, 3), (4096, 8)]);
        assert_eq!(parse(text.as_bytes()), Ok(want));
    }

    #[test]
    fn errors_name_the_line() {
        let table = [
            (&b"1\n\n12 x\n"[..], "line 3"),
            (b"1 2 3\n", "line 1"),
            (b"-5\n", "line 1"),
            (b"7\n\xff\xfe\n", "line 2"),
            (b"# nothing\n\n", "no sizes"),
            (b"5 0\n", "no sizes"),
        ];
        for (text, want) in table {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
        assert!(read("/there/is/no/such/file").unwrap_err().contains("/there/is/no/such/file"));
    }
}
