//! The envelope of most requests: `{"action": "...", "name": "...", "value": ...}`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::num::null_is_default;

/// An action with its argument. Missing and null fields read as empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActMsg {
    /// One of the names in [`action`]; empty in a request to set custom properties.
    #[serde(default, deserialize_with = "null_is_default")]
    pub action: String,
    /// The object of the action, when the path does not say.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// The argument; its shape depends on the action. Null and absent are the same.
    #[serde(default)]
    pub value: Value,
}

impl ActMsg {
    /// A message with an action only.
    #[must_use]
    pub fn new(action: &str) -> Self {
        ActMsg { action: action.to_owned(), ..ActMsg::default() }
    }

    /// Reads a body; an empty one is an empty message.
    ///
    /// # Errors
    /// A text for the client.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        if body.trim_ascii().is_empty() {
            return Ok(ActMsg::default());
        }
        // A message without names for its parts is a mistake, though serde would take it.
        if body.trim_ascii().starts_with(b"[") {
            return Err("failed to unmarshal action message: it is an array".to_owned());
        }
        serde_json::from_slice(body).map_err(|e| format!("failed to unmarshal action message: {e}"))
    }

    /// The argument as a `T`; null gives the default.
    ///
    /// # Errors
    /// A text for the client that names the action.
    pub fn value_as<T: DeserializeOwned + Default>(&self) -> Result<T, String> {
        if self.value.is_null() {
            return Ok(T::default());
        }
        // It reads from a reference: a copy of the tree could take as much again as the message.
        T::deserialize(&self.value)
            .map_err(|e| format!("failed to unmarshal value of action {:?}: {e}", self.action))
    }
}

/// The names of actions.
pub mod action {
    /// Bucket: create.
    pub const CREATE_BCK: &str = "create-bck";
    /// Bucket: delete with all objects.
    pub const DESTROY_BCK: &str = "destroy-bck";
    /// Buckets or objects: list.
    pub const LIST: &str = "list";
    /// Bucket: set properties.
    pub const SET_BPROPS: &str = "set-bprops";
    /// Bucket: set properties back to the cluster's defaults.
    pub const RESET_BPROPS: &str = "reset-bprops";
    /// Bucket: rename.
    pub const MOVE_BCK: &str = "move-bck";
    /// Bucket: copy.
    pub const COPY_BCK: &str = "copy-bck";
    /// Bucket: copy through a transformation.
    pub const ETL_BCK: &str = "etl-bck";
    /// Objects: copy many.
    pub const COPY_OBJECTS: &str = "copy-listrange";
    /// Objects: copy many through a transformation.
    pub const ETL_OBJECTS: &str = "etl-listrange";
    /// Objects: fetch many from the remote backend.
    pub const PREFETCH_OBJECTS: &str = "prefetch-listrange";
    /// Objects: delete many.
    pub const DELETE_OBJECTS: &str = "delete-listrange";
    /// Objects: evict many, or one.
    pub const EVICT_OBJECTS: &str = "evict-listrange";
    /// Bucket: forget a remote bucket.
    pub const EVICT_REMOTE_BCK: &str = "evict-remote-bck";
    /// Objects: put many into an archive.
    pub const ARCHIVE: &str = "archive";
    /// Bucket: sizes and counts.
    pub const SUMMARY_BCK: &str = "summary-bck";
    /// Bucket: set the number of copies.
    pub const MAKE_N_COPIES: &str = "make-n-copies";
    /// Bucket: erasure-code.
    pub const EC_ENCODE: &str = "ec-encode";
    /// Bucket: store again in chunks of another size.
    pub const RECHUNK: &str = "rechunk";
    /// Bucket: index archives.
    pub const INDEX_SHARD: &str = "index-shard";
    /// Bucket: summary of indexed archives.
    pub const SUMMARY_SHARD: &str = "summary-shard";
    /// Bucket: create an inventory.
    pub const CREATE_INVENTORY: &str = "create-inventory";
    /// Bucket: delete an inventory.
    pub const DESTROY_INVENTORY: &str = "destroy-inventory";
    /// Bucket: show inventories.
    pub const SHOW_INVENTORY: &str = "show-inventory";

    /// Object: rename.
    pub const RENAME_OBJECT: &str = "rename-obj";
    /// Object: import local files.
    pub const PROMOTE: &str = "promote";
    /// Object: download a large remote object in parts.
    pub const BLOB_DOWNLOAD: &str = "blob-download";
    /// Object: begin a multipart upload.
    pub const MPT_UPLOAD: &str = "mpt-upload";
    /// Object: complete a multipart upload.
    pub const MPT_COMPLETE: &str = "mpt-complete";
    /// Object: abort a multipart upload.
    pub const MPT_ABORT: &str = "mpt-abort";
    /// Object: is it locked?
    pub const CHECK_LOCK: &str = "check-lock";

    /// Job: start.
    pub const START: &str = "start";
    /// Job: stop.
    pub const STOP: &str = "stop";

    /// Configuration: set.
    pub const SET_CONFIG: &str = "set-config";
    /// Configuration: back to defaults.
    pub const RESET_CONFIG: &str = "reset-config";
    /// Logs: rotate.
    pub const ROTATE_LOGS: &str = "rotate-logs";
    /// Statistics: reset.
    pub const RESET_STATS: &str = "reset-stats";
    /// Metadata cache: clear.
    pub const CLEAR_LCACHE: &str = "clear-lcache";
    /// Backend credentials: reload.
    pub const RELOAD_CREDS: &str = "reload-creds";

    /// Membership: begin maintenance.
    pub const START_MAINTENANCE: &str = "start-maintenance";
    /// Membership: end maintenance.
    pub const STOP_MAINTENANCE: &str = "stop-maintenance";
    /// Membership: remove a node for good.
    pub const DECOMMISSION_NODE: &str = "decommission-node";
    /// Membership: stop a node.
    pub const SHUTDOWN_NODE: &str = "shutdown-node";
    /// Membership: remove a node at once, data or not.
    pub const RM_NODE_UNSAFE: &str = "rm-unsafe";
    /// Cluster: stop all nodes.
    pub const SHUTDOWN_CLUSTER: &str = "shutdown";
    /// Cluster: remove all nodes for good.
    pub const DECOMMISSION_CLUSTER: &str = "decommission";

    /// Mountpath: attach.
    pub const ATTACH_MP: &str = "attach-mp";
    /// Mountpath: detach.
    pub const DETACH_MP: &str = "detach-mp";
    /// Mountpath: enable.
    pub const ENABLE_MP: &str = "enable-mp";
    /// Mountpath: disable.
    pub const DISABLE_MP: &str = "disable-mp";
    /// Mountpath: read its disks' properties again.
    pub const RESCAN_MP: &str = "rescan-mp";
    /// Mountpath: test its health.
    pub const FSHC_MP: &str = "fshc-mp";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn absent_and_null_are_the_same() {
        let want = ActMsg::new("list");
        for body in [
            r#"{"action":"list"}"#,
            r#"{"action":"list","name":"","value":null}"#,
            r#"{"action":"list","name":null,"extra":1}"#,
        ] {
            assert_eq!(ActMsg::parse(body.as_bytes()).unwrap(), want, "{body}");
        }
        assert_eq!(ActMsg::parse(b" \r\n").unwrap(), ActMsg::default());
        assert!(ActMsg::parse(b"[").unwrap_err().contains("unmarshal"));
        assert_eq!(serde_json::to_value(want).unwrap(), json!({"action": "list", "name": "", "value": null}));
    }

    #[test]
    fn values_have_types() {
        let msg = ActMsg::parse(br#"{"action":"make-n-copies","value":3}"#).unwrap();
        assert_eq!(msg.value_as::<u32>(), Ok(3));
        assert!(msg.value_as::<String>().unwrap_err().contains("make-n-copies"));
        assert_eq!(ActMsg::default().value_as::<u32>(), Ok(0));
    }

    proptest! {
        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = ActMsg::parse(&body);
        }
    }
}
