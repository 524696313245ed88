//! Jobs ("xactions"): starting, stopping, asking.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bck::Bck;
use super::num::{null_is_default, quoted_i64};

/// The state of a job over the whole cluster (`what=status`; Go's `nl.Status`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobStatus {
    /// Kind.
    pub kind: String,
    /// Id.
    pub uuid: String,
    /// The error, if any.
    pub err: String,
    /// Nanoseconds since 1970; 0 while the job runs.
    pub end_time: i64,
    /// True if it was stopped.
    pub aborted: bool,
    /// True if it has nothing to do now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_idle: bool,
}

/// Work done by a job on one target; quoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct JobStats {
    /// Objects processed here.
    #[serde(with = "quoted_i64")]
    pub loc_objs: i64,
    /// Bytes processed here.
    #[serde(with = "quoted_i64")]
    pub loc_bytes: i64,
    /// Objects sent.
    #[serde(with = "quoted_i64")]
    pub out_objs: i64,
    /// Bytes sent.
    #[serde(with = "quoted_i64")]
    pub out_bytes: i64,
    /// Objects received.
    #[serde(with = "quoted_i64")]
    pub in_objs: i64,
    /// Bytes received.
    #[serde(with = "quoted_i64")]
    pub in_bytes: i64,
}

/// A job on one target (`what=qryxstats`: `{target id: [Snap]}`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snap {
    /// Details of some kinds, else null.
    pub ext: Value,
    /// RFC 3339; see [`super::timefmt::snap_time`].
    #[serde(rename = "start-time")]
    pub start_time: String,
    /// The same; Go's zero time while the job runs.
    #[serde(rename = "end-time")]
    pub end_time: String,
    /// The bucket.
    #[serde(deserialize_with = "null_is_default")]
    pub bck: Bck,
    /// The bucket read from, of jobs with two.
    #[serde(rename = "src-bck", deserialize_with = "null_is_default")]
    pub src_bck: Bck,
    /// The bucket written to, of jobs with two.
    #[serde(rename = "dst-bck", deserialize_with = "null_is_default")]
    pub dst_bck: Bck,
    /// Id.
    pub id: String,
    /// Kind.
    pub kind: String,
    /// The job's parameters as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ctlmsg: String,
    /// Why it was stopped.
    #[serde(rename = "abort-err")]
    pub abort_err: String,
    /// The error, if any.
    pub err: String,
    /// Global number; quoted.
    #[serde(rename = "glob.id", with = "quoted_i64")]
    pub glob_id: i64,
    /// Work done.
    pub stats: JobStats,
    /// True if it was stopped.
    pub aborted: bool,
    /// True if it has nothing to do now. A finished job of an idling kind must say true.
    pub is_idle: bool,
}

/// A question about jobs, in the body of a GET. Keys match without case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryMsg {
    /// Only running ones; false and null both ask for all.
    pub show_active: Option<bool>,
    /// Only of this bucket (any when its name is empty).
    #[serde(deserialize_with = "null_is_default")]
    pub bck: Bck,
    /// Only this one.
    #[serde(deserialize_with = "null_is_default")]
    pub id: String,
    /// Only of this kind (or its display name).
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Only on this target.
    #[serde(deserialize_with = "null_is_default")]
    pub node: String,
    /// Only of these buckets.
    #[serde(deserialize_with = "null_is_default")]
    pub buckets: Vec<Bck>,
}

/// The job to start, stop or ask. Go writes the keys with capitals; they match without case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArgsMsg {
    /// Id.
    #[serde(rename = "ID", alias = "id", deserialize_with = "null_is_default")]
    pub id: String,
    /// Kind (or its display name).
    #[serde(rename = "Kind", alias = "kind", deserialize_with = "null_is_default")]
    pub kind: String,
    /// The target to run on.
    #[serde(rename = "DaemonID", alias = "daemonid", deserialize_with = "null_is_default")]
    pub daemon_id: String,
    /// The bucket.
    #[serde(rename = "Bck", alias = "bck", deserialize_with = "null_is_default")]
    pub bck: Bck,
    /// The buckets, of kinds that take several.
    #[serde(rename = "Buckets", alias = "buckets", deserialize_with = "null_is_default")]
    pub buckets: Vec<Bck>,
    /// Nanoseconds that the client will wait.
    #[serde(rename = "Timeout", alias = "timeout", deserialize_with = "null_is_default")]
    pub timeout: i64,
    /// Options of the kind.
    #[serde(deserialize_with = "null_is_default")]
    pub flags: u64,
    /// Start although another job is in the way.
    #[serde(rename = "Force", alias = "force", deserialize_with = "null_is_default")]
    pub force: bool,
    /// Only running jobs.
    #[serde(rename = "OnlyRunning", alias = "onlyrunning", deserialize_with = "null_is_default")]
    pub only_running: bool,
}

/// Reads a [`QueryMsg`] or [`ArgsMsg`] from JSON whose top-level keys may have any case; null is the default.
///
/// # Errors
/// A text for the client.
pub fn from_any_case<T: DeserializeOwned + Default>(value: &Value) -> Result<T, String> {
    let Value::Object(fields) = value else {
        return if value.is_null() {
            Ok(T::default())
        } else {
            Err("invalid job message: not an object".to_owned())
        };
    };
    let mut lower = Map::new();
    for (key, field) in fields {
        lower.insert(key.to_ascii_lowercase(), field.clone());
    }
    T::deserialize(Value::Object(lower)).map_err(|e| format!("invalid job message: {e}"))
}

impl QueryMsg {
    /// Reads a request's body; an empty one asks for everything.
    ///
    /// # Errors
    /// A text for the client.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        if body.trim_ascii().is_empty() {
            return Ok(QueryMsg::default());
        }
        let value = serde_json::from_slice(body).map_err(|e| format!("invalid job query: {e}"))?;
        from_any_case(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_snap_has_all_its_keys() {
        let snap =
            Snap { id: "xJob12345".into(), kind: "copy-bck".into(), bck: Bck::ais("b"), ..Snap::default() };
        let tree = serde_json::to_value(&snap).unwrap();
        let none = json!({"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}});
        let want = json!({
            "ext": null, "start-time": "", "end-time": "", "src-bck": none, "dst-bck": none,
            "bck": {"name": "b", "provider": "ais", "namespace": {"uuid": "", "name": ""}},
            "id": "xJob12345", "kind": "copy-bck", "abort-err": "", "err": "", "glob.id": "0",
            "stats": {"loc-objs": "0", "loc-bytes": "0", "out-objs": "0", "out-bytes": "0", "in-objs": "0",
                      "in-bytes": "0"},
            "aborted": false, "is_idle": false,
        });
        assert_eq!(tree, want);
        assert_eq!(serde_json::from_value::<Snap>(want).unwrap(), snap);
    }

    #[test]
    fn status_to_the_letter() {
        let status = JobStatus {
            kind: "copy-bck".into(),
            uuid: "xJob12345".into(),
            end_time: 5,
            ..JobStatus::default()
        };
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            r#"{"kind":"copy-bck","uuid":"xJob12345","err":"","end_time":5,"aborted":false}"#
        );
    }

    #[test]
    fn keys_of_any_case() {
        let python = json!({"ID": "x", "Kind": "lru", "DaemonID": "", "Bck": null, "Buckets": null});
        let got: ArgsMsg = from_any_case(&python).unwrap();
        assert_eq!((got.id.as_str(), got.kind.as_str()), ("x", "lru"));
        let got: ArgsMsg =
            from_any_case(&json!({"id": "y", "kind": "lru", "onlyRunning": true, "flags": 3})).unwrap();
        assert!(got.only_running && got.id == "y" && got.flags == 3);
        let back: ArgsMsg = from_any_case(&serde_json::to_value(&got).unwrap()).unwrap();
        assert_eq!(back, got);
        let got = QueryMsg::parse(
            br#"{"ID":"x","show_active":null,"Bck":{"name":"b","provider":"ais","namespace":null}}"#,
        );
        assert_eq!(got.unwrap(), QueryMsg { id: "x".into(), bck: Bck::ais("b"), ..QueryMsg::default() });
        assert_eq!(QueryMsg::parse(b"").unwrap(), QueryMsg::default());
        assert!(QueryMsg::parse(b"[]").is_err() && QueryMsg::parse(b"{").is_err());
        assert_eq!(from_any_case::<ArgsMsg>(&Value::Null).unwrap(), ArgsMsg::default());
    }
}
