//! The properties of a bucket.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bck::{Bck, Provider};
use super::config::ClusterConfig;
use super::merge::merge;
use super::num::{null_is_default, quoted_i64, quoted_u64};
use super::section_rules;
use super::sections::{
    ChunksConf, CksumConf, EcConf, LruConf, MirrorConf, RateLimitConf, VersionConf, WritePolicyConf,
};
use super::units::SizeIec;

/// Bits of [`Bprops::access`].
pub mod access {
    /// Read an object.
    pub const GET: u64 = 1;
    /// Read an object's attributes.
    pub const OBJ_HEAD: u64 = 1 << 1;
    /// Write an object.
    pub const PUT: u64 = 1 << 2;
    /// Append to an object.
    pub const APPEND: u64 = 1 << 3;
    /// Delete an object.
    pub const OBJ_DELETE: u64 = 1 << 4;
    /// Rename an object.
    pub const OBJ_MOVE: u64 = 1 << 5;
    /// Import local files.
    pub const PROMOTE: u64 = 1 << 6;
    /// Change an object's attributes.
    pub const OBJ_UPDATE: u64 = 1 << 7;
    /// Read the bucket's properties.
    pub const BCK_HEAD: u64 = 1 << 8;
    /// List objects.
    pub const OBJ_LIST: u64 = 1 << 9;
    /// Change the bucket's properties.
    pub const PATCH: u64 = 1 << 10;
    /// Change these bits.
    pub const BCK_SET_ACL: u64 = 1 << 11;
    /// List buckets (cluster-wide).
    pub const LIST_BUCKETS: u64 = 1 << 12;
    /// See the cluster (cluster-wide).
    pub const SHOW_CLUSTER: u64 = 1 << 13;
    /// Create a bucket (cluster-wide).
    pub const CREATE_BUCKET: u64 = 1 << 14;
    /// Delete a bucket (cluster-wide).
    pub const DESTROY_BUCKET: u64 = 1 << 15;
    /// Rename a bucket (cluster-wide).
    pub const MOVE_BUCKET: u64 = 1 << 16;
    /// Everything else (cluster-wide).
    pub const ADMIN: u64 = 1 << 17;
    /// All of them, and all to come.
    pub const ALL: u64 = u64::MAX;
    /// Reading only.
    pub const READ_ONLY: u64 = GET | OBJ_HEAD | BCK_HEAD | OBJ_LIST;
}

/// When a write is acknowledged. Straightline's own property; absent from JSON when it is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// After a sync that all writes in flight on the file system share.
    #[default]
    Group,
    /// After a sync of its own.
    Always,
    /// Nothing is synced: a power cut may lose acknowledged writes.
    None,
}

/// The properties of a bucket. Every section is always written, and all may be missing when read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bprops {
    /// The remote bucket behind this one, if any (else its name is empty).
    pub backend_bck: Bck,
    /// When writes reach the disk.
    pub write_policy: WritePolicyConf,
    /// The canonical provider name.
    pub provider: String,
    /// Legacy, always empty.
    #[serde(rename = "Renamed")]
    pub renamed: String,
    /// Checksums.
    pub checksum: CksumConf,
    /// Options of remote backends by provider.
    pub extra: Map<String, Value>,
    /// Pacing.
    pub rate_limit: RateLimitConf,
    /// Erasure coding.
    pub ec: EcConf,
    /// Chunked storage.
    pub chunks: ChunksConf,
    /// Copies on other mountpaths.
    pub mirror: MirrorConf,
    /// Eviction.
    pub lru: LruConf,
    /// The [`access`] bits; quoted.
    #[serde(with = "quoted_u64")]
    pub access: u64,
    /// Feature bits; quoted.
    #[serde(with = "quoted_u64")]
    pub features: u64,
    /// The bucket's number, unique for ever in its cluster; quoted.
    #[serde(with = "quoted_u64")]
    pub bid: u64,
    /// Creation in nanoseconds since 1970; quoted.
    #[serde(with = "quoted_i64")]
    pub created: i64,
    /// Versioning.
    pub versioning: VersionConf,
    /// When a write is acknowledged.
    #[serde(skip_serializing_if = "is_default_durability")]
    pub durability: Durability,
    /// Smaller objects are gathered in segments, others are files of their own; at most [`SEGMENT_OBJECT_SIZE`].
    /// Straightline's own; absent from JSON when it is that.
    #[serde(skip_serializing_if = "is_largest")]
    pub segment_object_size: SizeIec,
    /// True to keep in memory what is read. Straightline's own; absent from JSON when true.
    #[serde(skip_serializing_if = "is_true")]
    pub read_cache: bool,
}

/// The largest object that a segment can take, and the default.
pub const SEGMENT_OBJECT_SIZE: SizeIec = SizeIec(128 << 10);

fn is_default_durability(durability: &Durability) -> bool {
    *durability == Durability::default()
}

fn is_largest(size: &SizeIec) -> bool {
    *size == SEGMENT_OBJECT_SIZE
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Default for Bprops {
    fn default() -> Self {
        Bprops::inherit(&ClusterConfig::default(), Provider::Ais)
    }
}

/// Names that only the cluster itself sets.
const READ_ONLY: [&str; 4] = ["provider", "Renamed", "bid", "created"];

/// A partial change of [`Bprops`]: the same tree with every leaf optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BpropsToSet {
    /// Skip the checks of what the cluster can do now. (Ranges are checked always.)
    #[serde(default, deserialize_with = "null_is_default")]
    pub force: bool,
    /// The tree.
    #[serde(flatten)]
    pub changes: Map<String, Value>,
}

impl BpropsToSet {
    /// Reads an action's value; null changes nothing.
    ///
    /// # Errors
    /// A text for the client.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        if value.is_null() {
            return Ok(BpropsToSet::default());
        }
        BpropsToSet::deserialize(value).map_err(|e| format!("invalid bucket properties: {e}"))
    }

    /// True if nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.values().all(Value::is_null)
    }
}

impl Bprops {
    /// The properties of a new bucket: the cluster's settings, all access, no number and no time yet. An `ais`
    /// bucket is nobody's cache, so nothing is ever evicted from it by default.
    #[must_use]
    pub fn inherit(config: &ClusterConfig, provider: Provider) -> Self {
        let mut lru = config.lru.clone();
        lru.enabled &= provider != Provider::Ais;
        Bprops {
            backend_bck: Bck::default(),
            write_policy: config.write_policy.clone(),
            provider: provider.as_str().to_owned(),
            renamed: String::new(),
            checksum: config.checksum.clone(),
            extra: Map::new(),
            rate_limit: config.rate_limit.clone(),
            ec: config.ec.clone(),
            chunks: config.chunks.clone(),
            mirror: config.mirror.clone(),
            lru,
            access: access::ALL,
            features: 0,
            bid: 0,
            created: 0,
            versioning: config.versioning.clone(),
            durability: Durability::default(),
            segment_object_size: SEGMENT_OBJECT_SIZE,
            read_cache: true,
        }
    }

    /// Applies a partial change.
    ///
    /// # Errors
    /// A text that names the unknown, read-only, mistyped or invalid property; then nothing has changed.
    pub fn apply(&mut self, change: &BpropsToSet) -> Result<(), String> {
        let Ok(Value::Object(mut tree)) = serde_json::to_value(&*self) else {
            return Err("bucket properties cannot be written as JSON".to_owned());
        };
        let kept: Vec<(&str, Option<Value>)> =
            READ_ONLY.iter().map(|name| (*name, tree.remove(*name))).collect();
        // Defaults are not written, yet they can be set.
        tree.entry("durability").or_insert_with(|| Value::from("group"));
        tree.entry("segment_object_size").or_insert_with(|| Value::from(SEGMENT_OBJECT_SIZE.to_string()));
        tree.entry("read_cache").or_insert(Value::Bool(true));
        merge(&mut tree, &change.changes, &["extra"])?;
        tree.extend(kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let next: Bprops = serde_json::from_value(Value::Object(tree))
            .map_err(|e| format!("invalid bucket properties: {e}"))?;
        next.validate()?;
        *self = next;
        Ok(())
    }

    /// Ranges and combinations.
    fn validate(&self) -> Result<(), String> {
        section_rules::checksum(&self.checksum)?;
        section_rules::versioning(&self.versioning)?;
        section_rules::mirror(&self.mirror)?;
        section_rules::ec(&self.ec)?;
        section_rules::chunks(&self.chunks)?;
        section_rules::in_range(
            "segment_object_size",
            self.segment_object_size.0,
            0..=SEGMENT_OBJECT_SIZE.0,
        )?;
        section_rules::write_policy(&self.write_policy)?;
        section_rules::rate_limit(&self.rate_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(change: Value) -> Result<Bprops, String> {
        let mut props = Bprops { bid: 9, created: 5, ..Bprops::default() };
        let before = props.clone();
        let result = props.apply(&BpropsToSet::from_value(&change)?);
        if result.is_err() {
            assert_eq!(props, before);
        }
        assert_eq!((props.bid, props.created), (9, 5));
        result.map(|()| props)
    }

    #[test]
    fn json_is_aistores() {
        let props = Bprops { bid: 7, created: 1_767_225_600_000_000_000, ..Bprops::default() };
        let tree = serde_json::to_value(&props).unwrap();
        let keys: Vec<&str> = tree.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "Renamed",
                "access",
                "backend_bck",
                "bid",
                "checksum",
                "chunks",
                "created",
                "ec",
                "extra",
                "features",
                "lru",
                "mirror",
                "provider",
                "rate_limit",
                "versioning",
                "write_policy"
            ]
        );
        assert_eq!(tree["access"], "18446744073709551615");
        assert_eq!((&tree["bid"], &tree["created"]), (&json!("7"), &json!("1767225600000000000")));
        assert_eq!(
            tree["backend_bck"],
            json!({"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}})
        );
        assert_eq!(tree["lru"]["enabled"], false);
        assert_eq!(serde_json::from_value::<Bprops>(tree).unwrap(), props);
        assert!(Bprops::inherit(&ClusterConfig::default(), Provider::Aws).lru.enabled);
    }

    #[test]
    fn partial_changes() {
        let got = set(json!({"mirror": {"enabled": true}, "access": "5", "versioning": null, "force": true,
                             "backend_bck": {"name": "c", "provider": "s3"}, "extra": {"aws": {"endpoint": "e"}}}));
        let got = got.unwrap();
        assert!(got.mirror.enabled && got.mirror.copies == 2 && got.access == 5);
        assert_eq!(got.backend_bck, Bck::new(Provider::Aws, "c"));
        assert_eq!(got.extra["aws"]["endpoint"], "e");
        assert_eq!(set(json!(null)).unwrap(), set(json!({})).unwrap());
        assert!(BpropsToSet::from_value(&json!({"force": true, "lru": null})).unwrap().is_empty());
        assert!(BpropsToSet::from_value(&json!([1])).is_err());
    }

    #[test]
    fn durability_is_ours_and_quiet_by_default() {
        let got = set(json!({"durability": "always"})).unwrap();
        assert_eq!(got.durability, Durability::Always);
        assert_eq!(serde_json::to_value(&got).unwrap()["durability"], "always");
        assert!(set(json!({"durability": "sometimes"})).unwrap_err().contains("sometimes"));
        let mut back = got;
        back.apply(&BpropsToSet::from_value(&json!({"durability": "group"})).unwrap()).unwrap();
        assert!(serde_json::to_value(&back).unwrap().get("durability").is_none());
    }

    #[test]
    fn the_stores_own_settings_are_quiet_by_default() {
        let got = set(json!({"segment_object_size": "16KiB", "read_cache": false})).unwrap();
        assert_eq!((got.segment_object_size, got.read_cache), (SizeIec(16 << 10), false));
        let mut back = serde_json::from_value::<Bprops>(serde_json::to_value(&got).unwrap()).unwrap();
        assert_eq!(back, got);
        let defaults = json!({"segment_object_size": "128KiB", "read_cache": true});
        back.apply(&BpropsToSet::from_value(&defaults).unwrap()).unwrap();
        let tree = serde_json::to_value(&back).unwrap();
        assert!(tree.get("segment_object_size").is_none() && tree.get("read_cache").is_none());
    }

    #[test]
    fn refusals_name_the_property() {
        for (change, name) in [
            (json!({"checksum": {"type": "crc99"}}), "checksum.type"),
            (json!({"mirror": {"enabled": true, "copies": 1}}), "mirror.copies"),
            (json!({"ec": {"data_slices": 0}}), "ec.data_slices"),
            (json!({"ec": {"parity_slices": 33}}), "ec.parity_slices"),
            (json!({"chunks": {"objsize_limit": "2TiB"}}), "chunks.objsize_limit"),
            (json!({"write_policy": {"data": "never"}}), "write_policy.data"),
            (json!({"versioning": {"enabled": false, "validate_warm_get": true}}), "versioning"),
            (json!({"bid": "3"}), "bid"),
            (json!({"created": 3}), "created"),
            (json!({"provider": "aws"}), "provider"),
            (json!({"nothing": 3}), "nothing"),
            (json!({"segment_object_size": "129KiB"}), "segment_object_size"),
            (json!({"segment_object_size": -1}), "segment_object_size"),
            (json!({"read_cache": "some"}), "read_cache"),
            (json!({"mirror": {"enabled": "perhaps"}}), "mirror.enabled"),
        ] {
            let error = set(change.clone()).unwrap_err();
            assert!(error.contains(name), "{change}: {error}");
        }
    }
}
