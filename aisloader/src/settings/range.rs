//! `-readoff`, `-readlen`, `-range-mode`.

use crate::flags::{FlagError, Parsed};
use crate::workload::range::{RangeMode, RangeRead};

/// The parts of objects that GET reads; `None`: objects as a whole.
///
/// # Errors
/// When the flags contradict each other.
pub(crate) fn range(flags: &Parsed) -> Result<Option<RangeRead>, FlagError> {
    let positive = |name| flags.size(name).filter(|bytes| *bytes > 0);
    let (offset, len_bytes) = (positive("readoff"), positive("readlen"));
    let text = flags.text("range-mode");
    let Some(mode) = RangeMode::parse(text) else {
        return Err(FlagError(format!("-range-mode: {text:?} is not fixed, random or aligned")));
    };
    if mode != RangeMode::Fixed && len_bytes.is_none() {
        return Err(FlagError(format!("-range-mode={text} needs -readlen")));
    }
    if offset.is_none() && len_bytes.is_none() {
        return Ok(None);
    }
    if mode != RangeMode::Fixed && flags.int("pctupdate") > 0 {
        let why = "an UPDATE changes the size that parts are drawn from";
        return Err(FlagError(format!("-range-mode={text} excludes -pctupdate: {why}")));
    }
    Ok(Some(RangeRead { offset_bytes: offset.unwrap_or(0), len_bytes, mode }))
}
