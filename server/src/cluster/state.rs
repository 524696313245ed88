//! The control state and its one way to change.

use super::buckets::{BucketMap, BucketView};
use crate::error::{Error, Kind, Result};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::sync::Arc;
use wire::api::bck::Provider;
use wire::api::bprops::{Bprops, BpropsToSet};
use wire::api::config::ClusterConfig;
use wire::api::smap::Smap;

/// Everything that the cluster must not forget, and nothing that is one node's own: all nodes that apply the same commands
/// have the same. A copy shares all with the original.
#[derive(Clone, Debug)]
pub(crate) struct ClusterState {
    pub(crate) smap: Arc<Smap>,
    pub(crate) bmd: BucketMap,
    pub(crate) config: Arc<ClusterConfig>,
    /// Bucket numbers are never used twice.
    next_bucket_id: u64,
}

/// A bucket that is closed, as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(super) name: String,
    pub(super) by: String,
}

/// A change that is asked for. Times come from outside, so that applying is repeatable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// A node has come up. The map has this node only, and where it is reached.
    NodeStarted {
        smap: Box<Smap>,
    },
    CreateBucket {
        name: String,
        change: BpropsToSet,
        now_ns: i64,
    },
    /// With a number only if the bucket of the name still has it.
    DestroyBucket {
        name: String,
        #[serde(default)]
        id: Option<u64>,
    },
    /// Closes a bucket to changes, for a job of the node `by`. That node opens it again, when it starts anew at the latest.
    CloseBucket {
        name: String,
        id: u64,
        by: String,
    },
    OpenBucket {
        name: String,
        id: u64,
    },
    SetBucketProps {
        name: String,
        #[serde(default)]
        id: Option<u64>,
        change: BpropsToSet,
    },
    ResetBucketProps {
        name: String,
    },
    SetConfig {
        change: Value,
    },
    SetConfigFlat {
        settings: Vec<(String, String)>,
    },
    ResetConfig,
}

impl Command {
    /// The bucket that it is about.
    pub(super) fn bucket_name(&self) -> Option<&str> {
        match self {
            Self::CreateBucket { name, .. }
            | Self::DestroyBucket { name, .. }
            | Self::CloseBucket { name, .. }
            | Self::OpenBucket { name, .. }
            | Self::SetBucketProps { name, .. }
            | Self::ResetBucketProps { name } => Some(name),
            Self::NodeStarted { .. }
            | Self::SetConfig { .. }
            | Self::SetConfigFlat { .. }
            | Self::ResetConfig => None,
        }
    }
}

impl Serialize for ClusterState {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let closed = |view: &Arc<BucketView>| {
            Some(Closed { name: view.bucket.name.clone(), by: view.closed_by()?.to_owned() })
        };
        let closed: Vec<Closed> = self.bmd.all().filter_map(closed).collect();
        let mut state = to.serialize_struct("ClusterState", 5)?;
        state.serialize_field("smap", &*self.smap)?;
        state.serialize_field("bmd", &self.bmd)?;
        state.serialize_field("config", &*self.config)?;
        state.serialize_field("next_bucket_id", &self.next_bucket_id)?;
        state.serialize_field("closed", &closed)?;
        state.end()
    }
}

impl ClusterState {
    /// The state of a cluster that has just been made.
    pub(crate) fn new(smap: Smap, now: String) -> Self {
        let uuid = smap.uuid.clone();
        let bmd = BucketMap::new(uuid.clone());
        let config =
            ClusterConfig { uuid, config_version: 1, lastupdate_time: now, ..ClusterConfig::default() };
        Self::from_parts(Arc::new(smap), bmd, Arc::new(config), 1)
    }

    pub(super) fn from_parts(
        smap: Arc<Smap>,
        bmd: BucketMap,
        config: Arc<ClusterConfig>,
        next_bucket_id: u64,
    ) -> Self {
        Self { smap, bmd, config, next_bucket_id }
    }

    /// No bucket has had this number or a larger one.
    pub(crate) fn first_new_bucket_id(&self) -> u64 {
        self.next_bucket_id
    }

    /// Applies a command: all of it, or an error and nothing.
    pub(crate) fn apply(&mut self, command: Command) -> Result<()> {
        match command {
            Command::CreateBucket { name, change, now_ns } => self.create_bucket(&name, &change, now_ns),
            Command::DestroyBucket { name, id } => self.destroy_bucket(&name, id),
            Command::CloseBucket { name, id, by } => self.close_bucket(&name, id, by),
            Command::OpenBucket { name, id } => {
                self.bucket(&name, Some(id))?;
                self.bmd.set_closed(&name, None);
                Ok(())
            }
            Command::NodeStarted { smap } => {
                self.node_started(*smap);
                Ok(())
            }
            Command::SetBucketProps { name, id, change } => {
                self.change_bucket(&name, id, |props, _| props.apply(&change))
            }
            Command::ResetBucketProps { name } => self.change_bucket(&name, None, |props, config| {
                let fresh = Bprops::inherit(config, Provider::Ais);
                *props = Bprops { bid: props.bid, created: props.created, ..fresh };
                Ok(())
            }),
            Command::SetConfig { change } => self.change_config(|config| config.apply(&change)),
            Command::SetConfigFlat { settings } => self.change_config(|config| {
                config.apply_flat(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            }),
            Command::ResetConfig => self.change_config(|config| {
                *config = ClusterConfig {
                    uuid: config.uuid.clone(),
                    config_version: config.config_version,
                    ..ClusterConfig::default()
                };
                Ok(())
            }),
        }
    }

    /// Takes over what a node says of itself. All else in the map stays.
    fn node_started(&mut self, node: Smap) {
        let mut smap = Smap::clone(&self.smap);
        let primary = smap.proxy_si.as_ref().and_then(|primary| node.pmap.get(&primary.daemon_id)).cloned();
        smap.proxy_si = primary.or(smap.proxy_si);
        smap.pmap.extend(node.pmap);
        smap.tmap.extend(node.tmap);
        smap.version += 1;
        self.smap = Arc::new(smap);
    }

    fn create_bucket(&mut self, name: &str, change: &BpropsToSet, now_ns: i64) -> Result<()> {
        wire::api::bck::validate_bucket_name(name).map_err(Error::bad)?;
        if self.bmd.get(name).is_some() {
            return Err(Error::bucket_exists(name));
        }
        let mut props = Bprops::inherit(&self.config, Provider::Ais);
        props.apply(change).map_err(Error::bad)?;
        props.bid = self.next_bucket_id;
        props.created = now_ns;
        self.next_bucket_id += 1;
        self.bmd.insert(name, props);
        Ok(())
    }

    /// The bucket of a name, if it has that number where one is given.
    fn bucket(&self, name: &str, id: Option<u64>) -> Result<&Arc<BucketView>> {
        let view = self.bmd.get(name).filter(|view| id.is_none_or(|id| view.bucket.id == id));
        view.ok_or_else(|| Error::bucket_missing(name))
    }

    fn destroy_bucket(&mut self, name: &str, id: Option<u64>) -> Result<()> {
        self.bucket(name, id)?;
        self.bmd.remove(name);
        Ok(())
    }

    fn close_bucket(&mut self, name: &str, id: u64, by: String) -> Result<()> {
        if self.bucket(name, Some(id))?.is_closed() {
            let text = format!("bucket \"ais://{name}\" is closed to changes by another job");
            return Err(Error::client(Kind::Conflict, text));
        }
        self.bmd.set_closed(name, Some(by));
        Ok(())
    }

    fn change_bucket(
        &mut self,
        name: &str,
        id: Option<u64>,
        change: impl FnOnce(&mut Bprops, &ClusterConfig) -> Result<(), String>,
    ) -> Result<()> {
        let view = self.bucket(name, id)?;
        let mut props = view.props.clone();
        change(&mut props, &self.config).map_err(Error::bad)?;
        self.bmd.insert(name, props);
        Ok(())
    }

    fn change_config(&mut self, change: impl FnOnce(&mut ClusterConfig) -> Result<(), String>) -> Result<()> {
        let mut config = ClusterConfig::clone(&self.config);
        change(&mut config).map_err(Error::bad)?;
        config.config_version += 1;
        self.config = Arc::new(config);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement::smap::NetInfo;

    fn state() -> ClusterState {
        let net = NetInfo::http("127.0.0.1", 51080);
        ClusterState::new(
            Smap::single_node("Uuid123456", "now", "pAAAAAAA", "tBBBBBBB", &net),
            "now".to_owned(),
        )
    }

    fn create(name: &str) -> Command {
        Command::CreateBucket { name: name.to_owned(), change: BpropsToSet::default(), now_ns: 1 }
    }

    #[test]
    fn a_bucket_made_anew_has_another_number() {
        let mut state = state();
        state.apply(create("b")).unwrap();
        assert_eq!(state.apply(create("b")).unwrap_err().kind, Kind::BucketExists);
        let old = state.bmd.get("b").unwrap().bucket.id;
        state.apply(Command::DestroyBucket { name: "b".into(), id: None }).unwrap();
        state.apply(create("b")).unwrap();
        assert_ne!(state.bmd.get("b").unwrap().bucket.id, old);
    }

    #[test]
    fn a_bucket_is_closed_once_and_stays_closed_when_its_properties_change() {
        let mut state = state();
        state.apply(create("b")).unwrap();
        let close = |by: &str| Command::CloseBucket { name: "b".into(), id: 1, by: by.to_owned() };
        state.apply(close("t1")).unwrap();
        assert_eq!(state.apply(close("t2")).unwrap_err().kind, Kind::Conflict);
        state.apply(Command::ResetBucketProps { name: "b".into() }).unwrap();
        assert_eq!(state.bmd.get("b").unwrap().closed_by(), Some("t1"));
        let open = |id| Command::OpenBucket { name: "b".into(), id };
        assert_eq!(state.apply(open(2)).unwrap_err().kind, Kind::BucketMissing);
        state.apply(open(1)).unwrap();
        assert!(!state.bmd.get("b").unwrap().is_closed());
        // The next one of the name is another bucket.
        state.apply(close("t1")).unwrap();
        state.apply(Command::DestroyBucket { name: "b".into(), id: None }).unwrap();
        state.apply(create("b")).unwrap();
        assert!(!state.bmd.get("b").unwrap().is_closed());
    }

    #[test]
    fn a_node_that_starts_changes_its_own_part_of_the_map() {
        let mut state = state();
        let other = |port| {
            let net = NetInfo::http("127.0.0.2", port);
            Box::new(Smap::single_node("Uuid123456", "now", "pCCCCCCC", "tDDDDDDD", &net))
        };
        for (port, version) in [(1, 2), (2, 3)] {
            state.apply(Command::NodeStarted { smap: other(port) }).unwrap();
            assert_eq!((state.smap.pmap.len(), state.smap.tmap.len(), state.smap.version), (2, 2, version));
            assert_eq!(state.smap.tmap["tDDDDDDD"].public_net.daemon_port, port.to_string());
            assert_eq!(state.smap.proxy_si.as_ref().unwrap().daemon_id, "pAAAAAAA");
        }
        let net = NetInfo::http("127.0.0.1", 9);
        let again = Smap::single_node("Uuid123456", "now", "pAAAAAAA", "tBBBBBBB", &net);
        state.apply(Command::NodeStarted { smap: Box::new(again) }).unwrap();
        assert_eq!(state.smap.proxy_si.as_ref().unwrap().public_net.daemon_port, "9");
    }

    #[test]
    fn a_change_of_one_bucket_is_not_made_to_the_next_of_its_name() {
        let mut state = state();
        state.apply(create("b")).unwrap();
        let id = Some(state.bmd.get("b").unwrap().bucket.id + 1);
        let change = BpropsToSet::from_value(&serde_json::json!({"durability": "none"})).unwrap();
        for command in [
            Command::DestroyBucket { name: "b".into(), id },
            Command::SetBucketProps { name: "b".into(), id, change },
        ] {
            assert_eq!(state.apply(command).unwrap_err().kind, Kind::BucketMissing);
        }
        assert!(state.bmd.get("b").is_some());
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut state = state();
        state.apply(create("b")).unwrap();
        let before = serde_json::to_value(&state).unwrap();
        let change = BpropsToSet::from_value(&serde_json::json!({"checksum": {"type": "sha0"}})).unwrap();
        assert_eq!(
            state.apply(Command::SetBucketProps { name: "b".into(), id: None, change }).unwrap_err().kind,
            Kind::BadRequest
        );
        assert!(state.apply(Command::SetConfig { change: serde_json::json!({"no_such": {}}) }).is_err());
        assert_eq!(serde_json::to_value(&state).unwrap(), before);
    }

    #[test]
    fn commands_can_be_repeated_from_their_json() {
        let (mut state, mut again) = (state(), state());
        let change = BpropsToSet::from_value(&serde_json::json!({"durability": "none"})).unwrap();
        let commands = [
            create("b"),
            Command::CreateBucket { name: "c".into(), change: change.clone(), now_ns: 5 },
            Command::SetBucketProps { name: "b".into(), id: None, change },
            Command::DestroyBucket { name: "c".into(), id: None },
            Command::CloseBucket { name: "b".into(), id: 1, by: "t1".into() },
            Command::SetConfig { change: serde_json::json!({"mirror": {"burst_buffer": 600}}) },
            Command::ResetBucketProps { name: "b".into() },
            Command::ResetConfig,
        ];
        for command in commands {
            let json = serde_json::to_string(&command).unwrap();
            again.apply(serde_json::from_str(&json).unwrap()).unwrap();
            state.apply(command).unwrap();
        }
        let json = |state: &ClusterState| serde_json::to_value(state).unwrap();
        assert_eq!(json(&state), json(&again));
    }

    #[test]
    fn every_change_raises_its_version() {
        let mut state = state();
        state.apply(create("b")).unwrap();
        let change = BpropsToSet::from_value(&serde_json::json!({"durability": "none"})).unwrap();
        let version = state.bmd.version;
        state.apply(Command::SetBucketProps { name: "b".into(), id: None, change }).unwrap();
        assert_eq!(state.bmd.version, version + 1);
        state
            .apply(Command::SetConfig { change: serde_json::json!({"mirror": {"burst_buffer": 600}}) })
            .unwrap();
        assert_eq!(state.config.config_version, 2);
    }
}
