//! `-loaderid`, `-loadernum`, `-loaderidhashlen`, `-num-subdirs`, `-randomname`, `-subdir`.

use crate::flags::{FlagError, Parsed};
use crate::workload::naming::{LoaderId, Naming, SUBDIRS_MAX};
use placement::digest;

/// Bits of ids in names come in whole hexadecimal digits.
const DIGIT_BITS: u32 = 4;

/// The id of this loader.
///
/// # Errors
/// When the flags contradict each other, or the id is not one of `-loadernum`.
pub(crate) fn loader_id(flags: &Parsed) -> Result<LoaderId, FlagError> {
    let (text, loaders, hash_bits) =
        (flags.text("loaderid"), flags.uint("loadernum"), flags.uint("loaderidhashlen"));
    if hash_bits == 0 {
        let Ok(id) = text.parse::<u64>() else {
            let why = "is not a number: a name needs -loaderidhashlen, the bits of its hash to use";
            return Err(FlagError(format!("-loaderid: {text:?} {why}")));
        };
        if loaders > 0 && id >= loaders {
            return Err(FlagError(format!(
                "-loaderid={id} is not one of 0 to {}",
                loaders.saturating_sub(1)
            )));
        }
        let bits = u64::BITS.saturating_sub(loaders.saturating_sub(1).leading_zeros());
        return Ok(LoaderId { id, bits: whole_digits(bits), loaders });
    }
    if loaders > 0 {
        return Err(FlagError("-loadernum and -loaderidhashlen exclude each other".to_owned()));
    }
    let Some(bits) = u32::try_from(hash_bits).ok().filter(|bits| *bits < u64::BITS) else {
        return Err(FlagError(format!("-loaderidhashlen: {hash_bits} is not within 1 and 63")));
    };
    // The hash that AIStore takes, so that the ids are the same.
    let kept = 1u64.wrapping_shl(bits).wrapping_sub(1);
    Ok(LoaderId { id: digest(text.as_bytes()) & kept, bits: whole_digits(bits), loaders })
}

/// The naming of new objects.
///
/// # Errors
/// The same as for [`loader_id`], and when there are too many directories.
pub(crate) fn naming(flags: &Parsed) -> Result<Naming, FlagError> {
    let subdirs = flags.uint("num-subdirs");
    if subdirs >= SUBDIRS_MAX {
        return Err(FlagError(format!("-num-subdirs: {subdirs} is not below {SUBDIRS_MAX}")));
    }
    let is_shared = flags.uint("loadernum") > 0 || flags.uint("loaderidhashlen") > 0;
    Ok(Naming {
        subdir: flags.text("subdir").trim_matches('/').to_owned(),
        subdirs,
        is_random: flags.boolean("randomname") && !is_shared,
        loader: loader_id(flags)?,
    })
}

fn whole_digits(bits: u32) -> u32 {
    bits.next_multiple_of(DIGIT_BITS)
}
