//! The records inside extended and global headers: `<length> <key>=<value>\n`, the length in decimal and its own
//! digits included.

/// Appends a record up to its value; `value_len` bytes and [`end`] are to follow.
pub(super) fn begin(out: &mut Vec<u8>, key: &str, value_len: usize) {
    // Blank, equals sign, newline.
    let len = with_digits(key.len().saturating_add(value_len).saturating_add(3));
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.push(b' ');
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
}

/// Appends what ends a record.
pub(super) fn end(out: &mut Vec<u8>) {
    out.push(b'\n');
}

/// The bytes of a value that make a record of exactly `len` bytes, or `None` if no value does.
pub(super) fn value_len(key: &str, len: usize) -> Option<usize> {
    len.checked_sub(digits(len) + key.len() + 3)
}

/// The first record's key and value, and what follows it.
pub(super) fn next(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().take(8).position(|byte| *byte == b' ')?;
    let (number, _) = bytes.split_at_checked(blank)?;
    let len: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let body = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = memchr::memchr(b'=', body)?;
    let (key, value) = body.split_at_checked(equals)?;
    Some((key, value.get(1..)?, rest))
}

/// `len` and the digits of the sum.
fn with_digits(len: usize) -> usize {
    let mut total = len + 1;
    while len + digits(total) > total {
        total += 1;
    }
    total
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_its_own_digits() {
        for value_len in (0..1200).chain(9_900..10_100) {
            let mut out = Vec::new();
            begin(&mut out, "k", value_len);
            out.resize(out.len() + value_len, b'=');
            end(&mut out);
            let text = format!("{} k=", out.len());
            assert!(out.starts_with(text.as_bytes()) && out.ends_with(b"\n"));
            assert_eq!(super::value_len("k", out.len()), Some(value_len));
            out.extend_from_slice(b"rest");
            let (key, value, rest) = next(&out).unwrap();
            assert_eq!((key, value.len(), rest), (&b"k"[..], value_len, &b"rest"[..]));
        }
    }

    #[test]
    fn what_is_no_record() {
        assert_eq!(next(b"6 k=v\n"), Some((&b"k"[..], &b"v"[..], &b""[..])));
        let bad: [&[u8]; 9] = [
            b"",
            b"6",
            b"7 k=v\n",
            b"5 k=v\n",
            b"6 kkv\n",
            b"0 k=v\n",
            b"-6 k=v\n",
            b"x k=v\n",
            b"999999999 k=v\n",
        ];
        for bytes in bad {
            assert_eq!(next(bytes), None, "{bytes:?}");
        }
    }
}
