//! `-filelist`: names of objects from a file instead of a listing.

use super::names::NameList;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// No store takes longer names; a longer line is something else.
const NAME_BYTES_MAX: usize = 4096;

/// The names in the file at `path`, one a line, in its order, as far as they begin with `prefix`. Blank lines are left
/// out; a name that stands there twice is there twice.
///
/// # Errors
/// When the file cannot be read, or the first line that is no name, with its number.
pub fn read(path: &str, prefix: &str) -> Result<NameList, String> {
    let file = File::open(path).map_err(|e| format!("-filelist: {path:?}: {e}"))?;
    parse(BufReader::new(file), prefix).map_err(|why| format!("-filelist: {path:?}, {why}"))
}

fn parse(mut lines: impl BufRead, prefix: &str) -> Result<NameList, String> {
    let mut names = NameList::default();
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let bytes = lines.read_until(b'\n', &mut line).map_err(|e| format!("line {number}: {e}"))?;
        if bytes == 0 {
            break;
        }
        let name = name_of(&line).map_err(|why| format!("line {number}: {why}"))?;
        if !name.is_empty() && name.starts_with(prefix) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The name in a line; empty when the line is blank. Blanks around a name are part of it.
fn name_of(line: &[u8]) -> Result<&str, String> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let name = std::str::from_utf8(line).map_err(|e| format!("not UTF-8 after byte {}", e.valid_up_to()))?;
    if name.trim().is_empty() {
        return Ok("");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("{} bytes are more than a name has ({NAME_BYTES_MAX})", name.len()));
    }
    match name.chars().find(|c| c.is_control()) {
        Some(control) => Err(format!("{name:?} is no name: it has the control character {control:?}")),
        None => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &[u8], prefix: &str) -> Result<Vec<String>, String> {
        let list = parse(text, prefix)?;
        Ok((0..list.len()).map(|at| list.get(at).unwrap().to_owned()).collect())
    }

    #[test]
    fn one_name_a_line() {
        let text = b"b/2\n\na 1\r\n  \nb/1\nb/2";
        assert_eq!(names(text, "").unwrap(), ["b/2", "a 1", "b/1", "b/2"]);
        assert_eq!(names(text, "b/").unwrap(), ["b/2", "b/1", "b/2"]);
        assert!(names(b"\n\n", "").unwrap().is_empty());
    }

    #[test]
    fn bad_lines_are_named() {
        let long = [b"x\n".as_slice(), &[b'y'; NAME_BYTES_MAX + 1]].concat();
        let table: [(&[u8], &str); 4] = [
            (b"a\nb\tc\n", "line 2: \"b\\tc\""),
            (b"\n\na\0\n", "line 3"),
            (b"a\n\xff\n", "line 2: not UTF-8"),
            (&long, "line 2: 4097 bytes"),
        ];
        for (text, want) in table {
            let error = names(text, "").unwrap_err();
            assert!(error.contains(want), "{error}");
        }
        let missing = read("/there/is/no/such/file", "").unwrap_err();
        assert!(missing.contains("-filelist: \"/there/is/no/such/file\""), "{missing}");
    }
}
