//! The header block of the `ustar` format.

use super::{BLOCK_BYTES, ParseError};

/// The sum of a header's bytes counts its own field as blanks.
const NO_CHECKSUM: [u8; 8] = [b' '; 8];
const NAME_MAX: usize = 100;
const PREFIX_MAX: usize = 155;
/// The largest number of 11 octal digits.
const NUMBER_MAX: u64 = (1 << 33) - 1;

/// The kind of data behind a header. The value is TAR's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A file's data.
    File = b'0',
    /// Nothing: a directory.
    Directory = b'5',
    /// Facts about the next file or directory.
    Extended = b'x',
}

/// A header: `size` bytes of data follow it, `mtime_s` is in seconds since 1970, the name is as [`split`] says.
pub(super) fn header(kind: Kind, size: u64, mtime_s: u64, [prefix, name]: [&[u8]; 2]) -> [u8; BLOCK_BYTES] {
    assert!(name.len() <= NAME_MAX && prefix.len() <= PREFIX_MAX, "a name has been split");
    let mut block = [0; BLOCK_BYTES];
    put(&mut block[..NAME_MAX], name);
    let mode = if kind == Kind::Directory { b"0000755\0" } else { b"0000644\0" };
    block[100..108].copy_from_slice(mode);
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(&octal::<12>(size));
    block[136..148].copy_from_slice(&octal::<12>(mtime_s));
    block[148..156].copy_from_slice(&NO_CHECKSUM);
    block[156] = kind as u8;
    block[257..265].copy_from_slice(b"ustar\x0000");
    put(&mut block[345..500], prefix);
    let sum = checksum(&block);
    block[148..156].copy_from_slice(&sum);
    block
}

fn put(field: &mut [u8], name: &[u8]) {
    field.iter_mut().zip(name).for_each(|(place, byte)| *place = *byte);
}

/// The header before so many bytes of facts.
pub(super) fn extended(size: u64, mtime_s: u64) -> [u8; BLOCK_BYTES] {
    header(Kind::Extended, size, mtime_s, [b"", b"PaxHeader"])
}

/// A name in the two fields that a header has for it, cut at a slash where one is too small; `None` where both are.
pub(super) fn split(name: &[u8]) -> Option<[&[u8]; 2]> {
    let Some(from) = name.len().checked_sub(NAME_MAX + 1) else { return Some([b"", name]) };
    let slash = from + name.get(from..)?.iter().position(|byte| *byte == b'/')?;
    let (prefix, rest) = name.split_at_checked(slash)?;
    let rest = rest.get(1..)?;
    ((1..=PREFIX_MAX).contains(&prefix.len()) && !rest.is_empty()).then_some([prefix, rest])
}

/// The kind of a header and the bytes that follow it. The caller compares the rest with the output of
/// [`header`].
pub(super) fn read(block: &[u8; BLOCK_BYTES]) -> Result<(Kind, u64), ParseError> {
    let mut bare = *block;
    bare[148..156].copy_from_slice(&NO_CHECKSUM);
    if block[148..156] != checksum(&bare) {
        return Err(ParseError::Damaged("header checksum"));
    }
    let kind = match block[156] {
        b'0' => Kind::File,
        b'5' => Kind::Directory,
        b'x' => Kind::Extended,
        _ => return Err(ParseError::Damaged("header type")),
    };
    let digits = block[124..135].iter().try_fold(0, |number: u64, digit| match digit {
        b'0'..=b'7' => Some(number * 8 + u64::from(digit - b'0')),
        _ => None,
    });
    Ok((kind, digits.ok_or(ParseError::Damaged("header size"))?))
}

/// Six octal digits, zero, blank.
fn checksum(block: &[u8; BLOCK_BYTES]) -> [u8; 8] {
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let mut field = NO_CHECKSUM;
    field[..7].copy_from_slice(&octal::<7>(u64::from(sum)));
    field
}

/// Octal digits with a zero byte behind them; the greatest that fits, if the number does not.
fn octal<const N: usize>(number: u64) -> [u8; N] {
    let mut rest = number.min(NUMBER_MAX);
    let mut field = [0; N];
    for digit in field.iter_mut().rev().skip(1) {
        *digit = b'0' + (rest % 8) as u8;
        rest /= 8;
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_a_slash() {
        let joined = |name: &str| {
            split(name.as_bytes()).map(|[prefix, rest]| {
                assert!(prefix.len() <= PREFIX_MAX && (1..=NAME_MAX).contains(&rest.len()), "{name}");
                [prefix, rest].map(|part| String::from_utf8(part.to_vec()).unwrap())
            })
        };
        let cut = |prefix: &str, rest: &str| Some([prefix.to_owned(), rest.to_owned()]);
        let [n99, n100, p155] = [99, 100, 155].map(|len| "n".repeat(len));
        assert_eq!(joined("b/o"), cut("", "b/o"));
        assert_eq!(joined(&n100), cut("", &n100));
        assert_eq!(joined(&format!("b/{n99}")), cut("b", &n99));
        assert_eq!(joined(&format!("{p155}/{n100}")), cut(&p155, &n100));
        assert_eq!(joined(&format!("a/b/{n99}/c")), cut(&format!("a/b/{n99}"), "c"));
        let too_long = ["{}n", "b/{}n", "/{}", "{}/"].map(|around| around.replace("{}", &n100));
        for too_long in too_long.into_iter().chain([format!("{p155}p/{n100}")]) {
            assert_eq!(joined(&too_long), None, "{too_long}");
        }
    }
}
