//! `-bprops`: the sections `ec` and `mirror` of a new bucket, and what only Straightline has.

use crate::flags::{FlagError, Parsed};
use serde_json::Value;

const NAMES: [&str; 5] = ["ec", "mirror", "durability", "read_cache", "segment_object_size"];
const COPIES: u64 = 2;
const SLICES_MAX: u64 = 32;

/// The properties that a bucket is created with; the server has the last word about them.
///
/// # Errors
/// When the text is not JSON, has other sections, or numbers that AIStore's loader refuses.
pub(crate) fn bucket_props(flags: &Parsed) -> Result<Option<Value>, FlagError> {
    let text = flags.text("bprops");
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |why: String| Err(FlagError(format!("-bprops: {why}")));
    let props: Value = match serde_json::from_str(text) {
        Ok(props) => props,
        Err(e) => return refuse(format!("{text:?} is not JSON: {e}")),
    };
    let Some(sections) = props.as_object() else { return refuse(format!("{text:?} is not a JSON object")) };
    if let Some(other) = sections.keys().find(|name| !NAMES.contains(&name.as_str())) {
        return refuse(format!("{other:?} is none of {}", NAMES.join(", ")));
    }
    let is_on = |section: &str| props.pointer(&format!("/{section}/enabled")) == Some(&Value::Bool(true));
    if is_on("mirror")
        && props.pointer("/mirror/copies").is_some_and(|copies| copies.as_u64() != Some(COPIES))
    {
        return refuse(format!("a mirror has {COPIES} copies"));
    }
    for slices in ["data_slices", "parity_slices"] {
        let is_wrong = |count: &Value| !count.as_u64().is_some_and(|count| (1..=SLICES_MAX).contains(&count));
        if is_on("ec") && props.pointer(&format!("/ec/{slices}")).is_some_and(is_wrong) {
            return refuse(format!("\"ec\": {slices:?} is not within 1 and {SLICES_MAX}"));
        }
    }
    Ok(Some(props))
}
