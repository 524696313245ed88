//! Messages about many objects or whole buckets. All fields may be missing or null.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bck::Bck;
use super::listrange::ListRange;
use super::num::null_is_default;
use super::units::SizeIec;

/// Deleting or evicting (`delete-listrange`, `evict-listrange`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvdMsg {
    /// The objects.
    #[serde(flatten)]
    pub list_range: ListRange,
    /// Parallel workers; 0 lets the server choose, -1 is none.
    #[serde(rename = "num-workers", deserialize_with = "null_is_default")]
    pub num_workers: i64,
    /// Go on after an error.
    #[serde(rename = "coer", deserialize_with = "null_is_default")]
    pub continue_on_error: bool,
    /// A prefix does not reach below its directory.
    #[serde(rename = "non-recurs", deserialize_with = "null_is_default")]
    pub non_recursive: bool,
}

/// Fetching from a remote backend (`prefetch-listrange`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrefetchMsg {
    /// The objects.
    #[serde(flatten)]
    pub list_range: ListRange,
    /// Objects of this size and more are fetched in parts.
    #[serde(rename = "blob-threshold", deserialize_with = "null_is_default")]
    pub blob_threshold: i64,
    /// The size of a part.
    #[serde(rename = "blob-chunk-size", deserialize_with = "null_is_default")]
    pub blob_chunk_size: i64,
    /// Parallel parts.
    #[serde(rename = "blob-num-workers", deserialize_with = "null_is_default")]
    pub blob_num_workers: i64,
    /// Parallel objects.
    #[serde(rename = "num-workers", deserialize_with = "null_is_default")]
    pub num_workers: i64,
    /// Go on after an error.
    #[serde(rename = "coer", deserialize_with = "null_is_default")]
    pub continue_on_error: bool,
    /// Fetch again what has changed remotely.
    #[serde(rename = "latest-ver", deserialize_with = "null_is_default")]
    pub latest_ver: bool,
    /// A prefix does not reach below its directory.
    #[serde(rename = "non-recurs", deserialize_with = "null_is_default")]
    pub non_recursive: bool,
}

/// Copying or transforming a bucket (`copy-bck`, `etl-bck`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcbMsg {
    /// New extensions by old ones.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub ext: BTreeMap<String, String>,
    /// Put before every name.
    #[serde(deserialize_with = "null_is_default")]
    pub prepend: String,
    /// Only names that begin so.
    #[serde(deserialize_with = "null_is_default")]
    pub prefix: String,
    /// Count, and write nothing.
    #[serde(deserialize_with = "null_is_default")]
    pub dry_run: bool,
    /// Start although another job is in the way.
    #[serde(deserialize_with = "null_is_default")]
    pub force: bool,
    /// Copy the latest remote version.
    #[serde(rename = "latest-ver", deserialize_with = "null_is_default")]
    pub latest_ver: bool,
    /// Delete what the source does not have.
    #[serde(rename = "synchronize", deserialize_with = "null_is_default")]
    pub sync: bool,
    /// The prefix does not reach below its directory.
    #[serde(rename = "non-recurs", deserialize_with = "null_is_default")]
    pub non_recursive: bool,
    /// The transformation.
    #[serde(rename = "id", deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub etl_name: String,
    /// Further transformations.
    #[serde(
        rename = "pipeline",
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub etl_pipeline: Vec<String>,
    /// Parallel workers; 0 lets the server choose, -1 is none.
    #[serde(rename = "num-workers", deserialize_with = "null_is_default")]
    pub num_workers: i64,
    /// Go on after an error.
    #[serde(rename = "coer", deserialize_with = "null_is_default")]
    pub continue_on_error: bool,
}

/// Extensions to replace, and the longest text of a name.
const EXTENSIONS_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 8 << 10;

impl TcbMsg {
    /// The options exclude each other: a synchronised copy has the source's names.
    ///
    /// # Errors
    /// A text for the client.
    pub fn validate(&self) -> Result<(), String> {
        if self.sync && !self.prepend.is_empty() {
            return Err("prepend and synchronize are mutually exclusive".to_owned());
        }
        // Each name of a bucket is held against all of them.
        let texts = self.ext.iter().flat_map(|(from, to)| [from, to]).chain([&self.prepend, &self.prefix]);
        if self.ext.len() > EXTENSIONS_MAX || texts.into_iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(format!(
                "at most {EXTENSIONS_MAX} extensions and texts of {TEXT_BYTES_MAX} bytes are taken"
            ));
        }
        Ok(())
    }

    /// The name of a copy: extension replaced, then `prepend` put before.
    #[must_use]
    pub fn target_name(&self, name: &str) -> String {
        let replaced = self.ext.iter().find_map(|(from, to)| {
            let stem = name.strip_suffix(from.trim_start_matches('.'))?.strip_suffix('.')?;
            Some(format!("{stem}.{}", to.trim_start_matches('.')))
        });
        format!("{}{}", self.prepend, replaced.as_deref().unwrap_or(name))
    }
}

/// Copying or transforming many objects (`copy-listrange`, `etl-listrange`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcoMsg {
    /// Where to.
    #[serde(deserialize_with = "null_is_default")]
    pub tobck: Bck,
    /// The objects.
    #[serde(flatten)]
    pub list_range: ListRange,
    /// The options of copying.
    #[serde(flatten)]
    pub tcb: TcbMsg,
}

/// Putting many objects into an archive (`archive`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArchiveBckMsg {
    /// The bucket of the archive; empty name for the same one.
    #[serde(deserialize_with = "null_is_default")]
    pub tobck: Bck,
    /// The archive's name.
    #[serde(deserialize_with = "null_is_default")]
    pub archname: String,
    /// The format, when the name does not say.
    #[serde(deserialize_with = "null_is_default")]
    pub mime: String,
    /// The objects.
    #[serde(flatten)]
    pub list_range: ListRange,
    /// Store base names only.
    #[serde(rename = "bnonly", deserialize_with = "null_is_default")]
    pub base_name_only: bool,
    /// Put the source bucket's name before the names inside.
    #[serde(rename = "isbn", deserialize_with = "null_is_default")]
    pub include_bucket_name: bool,
    /// Append when the archive exists.
    #[serde(rename = "aate", deserialize_with = "null_is_default")]
    pub append_if_exists: bool,
    /// Go on after an error.
    #[serde(rename = "coer", deserialize_with = "null_is_default")]
    pub continue_on_error: bool,
    /// A prefix does not reach below its directory.
    #[serde(rename = "non-recurs", deserialize_with = "null_is_default")]
    pub non_recursive: bool,
}

/// Storing objects again in chunks of another size (`rechunk`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RechunkMsg {
    /// Objects of this size and more are stored in chunks.
    #[serde(deserialize_with = "null_is_default")]
    pub objsize_limit: SizeIec,
    /// The size of a chunk.
    #[serde(deserialize_with = "null_is_default")]
    pub chunk_size: SizeIec,
    /// Only names that begin so.
    #[serde(deserialize_with = "null_is_default")]
    pub prefix: String,
    /// Also at the remote backend.
    #[serde(deserialize_with = "null_is_default")]
    pub sync_remote: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn embedded_fields_are_inlined() {
        let evd: EvdMsg = serde_json::from_value(
            json!({"objnames": ["a"], "template": null, "coer": true, "num-workers": null}),
        )
        .unwrap();
        assert!(evd.continue_on_error && evd.list_range.objnames == ["a"]);
        assert_eq!(serde_json::to_value(&evd).unwrap()["objnames"], json!(["a"]));
        let tco: TcoMsg = serde_json::from_value(json!({
            "tobck": {"name": "d", "provider": "ais", "namespace": null}, "template": "x{1..2}", "prepend": "p/",
            "TxnUUID": "", "ext": null, "latest-ver": true
        }))
        .unwrap();
        assert_eq!((tco.tobck, tco.tcb.prepend.as_str(), tco.tcb.latest_ver), (Bck::ais("d"), "p/", true));
        let arch: ArchiveBckMsg =
            serde_json::from_value(json!({"archname": "a.tar", "bnonly": true})).unwrap();
        assert!(arch.base_name_only && arch.tobck.name.is_empty());
        let rechunk: RechunkMsg =
            serde_json::from_value(json!({"chunk-size": 5, "objsize-limit": "1MiB"})).unwrap();
        assert_eq!((rechunk.chunk_size, rechunk.objsize_limit), (SizeIec(5), SizeIec(1 << 20)));
        assert_eq!(serde_json::from_str::<PrefetchMsg>("{}").unwrap(), PrefetchMsg::default());
    }

    #[test]
    fn names_of_copies() {
        let msg = TcbMsg {
            ext: BTreeMap::from([("jpg".into(), "txt".into())]),
            prepend: "p/".into(),
            ..TcbMsg::default()
        };
        assert_eq!(msg.target_name("d/a.jpg"), "p/d/a.txt");
        assert_eq!(msg.target_name("d/ajpg"), "p/d/ajpg");
        assert_eq!(TcbMsg::default().target_name("d/a.jpg"), "d/a.jpg");
        assert!(TcbMsg { sync: true, ..msg }.validate().is_err());
    }
}
