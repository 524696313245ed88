//! The header block of the `ustar` format.

use super::{BLOCK_BYTES, ParseError};

/// The sum of a header's bytes counts its own field as blanks.
const NO_CHECKSUM: [u8; 8] = [b' '; 8];
const NAME_MAX: usize = 99;
/// All bytes behind these are zeros in our headers.
const USED: usize = 265;
/// What 11 octal digits hold.
const NUMBER_MAX: u64 = (1 << 33) - 1;

/// What follows a header. The value is TAR's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A file's data.
    File = b'0',
    /// Facts about the next file.
    Extended = b'x',
    /// Facts about all that follows.
    Global = b'g',
}

/// A header: `size` bytes of data follow it, `mtime_s` is in seconds since 1970. Of the name the first 99 bytes
/// are written, as ASCII.
pub(super) fn header(kind: Kind, size: u64, mtime_s: u64, name: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let name = name.get(..NAME_MAX).unwrap_or(name);
    for (place, byte) in block.iter_mut().zip(name) {
        *place = if matches!(byte, b' '..=b'~') { *byte } else { b'_' };
    }
    // A slash at the end would make a directory of it.
    if let Some(place) = block.get_mut(name.len().wrapping_sub(1)).filter(|place| **place == b'/') {
        *place = b'_';
    }
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(&octal::<12>(size));
    block[136..148].copy_from_slice(&octal::<12>(mtime_s));
    block[156] = kind as u8;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].copy_from_slice(&NO_CHECKSUM);
    let sum = checksum(&block);
    block[148..156].copy_from_slice(&sum);
    block
}

/// The kind of a header and the bytes that follow it. Whether the rest is as [`header`] writes it is left to
/// whoever compares.
pub(super) fn read(block: &[u8; BLOCK_BYTES]) -> Result<(Kind, u64), ParseError> {
    let mut bare = *block;
    bare[148..156].copy_from_slice(&NO_CHECKSUM);
    if block[148..156] != checksum(&bare) {
        return Err(ParseError::Damaged("header checksum"));
    }
    let kind = match block[156] {
        b'0' => Kind::File,
        b'x' => Kind::Extended,
        b'g' => Kind::Global,
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
    let sum: u32 = block[..USED].iter().map(|byte| u32::from(*byte)).sum();
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
