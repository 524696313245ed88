//! The control state and its one way to change.

use super::buckets::{BucketMap, BucketView};
use crate::error::{Error, Kind, Result};
use crate::store::BucketRef;
use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use wire::api::bck::{Bck, Provider};
use wire::api::bmd::Bmd;
use wire::api::bprops::{Bprops, BpropsToSet};
use wire::api::config::ClusterConfig;
use wire::api::smap::Smap;

/// Everything that the cluster must not forget. A copy shares all with the original.
#[derive(Clone, Debug)]
pub(crate) struct ClusterState {
    pub(crate) smap: Arc<Smap>,
    pub(crate) bmd: BucketMap,
    pub(crate) config: Arc<ClusterConfig>,
    /// Bucket numbers are never used twice.
    next_bucket_id: u64,
    /// Destroyed buckets whose directories may still be there: their numbers by name.
    doomed: RedBlackTreeMapSync<String, u64>,
}

/// The state as it is written down.
#[derive(Serialize)]
struct Written<'s> {
    smap: &'s Smap,
    bmd: &'s BucketMap,
    config: &'s ClusterConfig,
    next_bucket_id: u64,
    doomed: Vec<Doomed>,
    journal: u64,
}

/// The state as it was written down.
#[derive(Deserialize)]
pub(crate) struct Saved {
    smap: Smap,
    bmd: Bmd,
    config: ClusterConfig,
    next_bucket_id: u64,
    #[serde(default)]
    doomed: Vec<Doomed>,
    /// The first journal that has changes behind it; none in what was written before there were journals.
    #[serde(default)]
    pub(crate) journal: Option<u64>,
}

/// A bucket on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doomed {
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl Doomed {
    pub(crate) fn bucket(&self) -> BucketRef {
        BucketRef::new(self.id, Bck::ais(&self.name))
    }
}

/// A change that is asked for. Times come from outside, so that applying is repeatable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// The node has come up, and this is where it is reached.
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
    /// The directories of a destroyed bucket are out of the way.
    BucketBuried {
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

/// What a change has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Cores must forget it, then its directories can be moved away.
    Destroyed(BucketRef),
}

impl ClusterState {
    /// The state of a cluster that has just been made.
    pub(crate) fn new(smap: Smap, now: String) -> Self {
        let uuid = smap.uuid.clone();
        let bmd = BucketMap::new(uuid.clone());
        let config =
            ClusterConfig { uuid, config_version: 1, lastupdate_time: now, ..ClusterConfig::default() };
        let (smap, config) = (Arc::new(smap), Arc::new(config));
        Self { smap, bmd, config, next_bucket_id: 1, doomed: RedBlackTreeMapSync::default() }
    }

    /// The state that was written down.
    ///
    /// # Errors
    /// A text when it cannot be.
    pub(crate) fn from_saved(saved: Saved) -> Result<Self, String> {
        Ok(Self {
            smap: Arc::new(saved.smap),
            bmd: BucketMap::from_bmd(saved.bmd)?,
            config: Arc::new(saved.config),
            next_bucket_id: saved.next_bucket_id,
            doomed: saved.doomed.into_iter().map(|doomed| (doomed.name, doomed.id)).collect(),
        })
    }

    /// Its form on the disk; changes behind it are in this journal and later ones.
    pub(crate) fn written(&self, journal: u64) -> impl Serialize {
        Written {
            smap: &self.smap,
            bmd: &self.bmd,
            config: &self.config,
            next_bucket_id: self.next_bucket_id,
            doomed: self.doomed(),
            journal,
        }
    }

    /// Destroyed buckets whose directories may still be there.
    pub(crate) fn doomed(&self) -> Vec<Doomed> {
        self.doomed.iter().map(|(name, &id)| Doomed { id, name: name.clone() }).collect()
    }

    /// No bucket has had this number or a larger one.
    pub(crate) fn first_new_bucket_id(&self) -> u64 {
        self.next_bucket_id
    }

    /// Applies a command: all of it, or an error and nothing.
    pub(crate) fn apply(&mut self, command: Command) -> Result<Outcome> {
        match command {
            Command::CreateBucket { name, change, now_ns } => self.create_bucket(&name, &change, now_ns),
            Command::DestroyBucket { name, id } => self.destroy_bucket(&name, id),
            Command::NodeStarted { smap } => {
                self.smap = Arc::new(*smap);
                Ok(Outcome::Done)
            }
            Command::BucketBuried { id } => {
                // Few are on their way out at a time.
                let buried = self.doomed.iter().find(|(_, doomed)| **doomed == id);
                if let Some(name) = buried.map(|(name, _)| name.clone()) {
                    self.doomed.remove_mut(&name);
                }
                Ok(Outcome::Done)
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

    fn create_bucket(&mut self, name: &str, change: &BpropsToSet, now_ns: i64) -> Result<Outcome> {
        wire::api::bck::validate_bucket_name(name).map_err(Error::bad)?;
        if self.bmd.get(name).is_some() {
            return Err(Error::client(Kind::BucketExists, format!("bucket \"ais://{name}\" already exists")));
        }
        if self.doomed.contains_key(name) {
            return Err(Error::client(
                Kind::Conflict,
                format!("bucket \"ais://{name}\" is still being destroyed"),
            ));
        }
        let mut props = Bprops::inherit(&self.config, Provider::Ais);
        props.apply(change).map_err(Error::bad)?;
        props.bid = self.next_bucket_id;
        props.created = now_ns;
        self.next_bucket_id += 1;
        self.bmd.insert(name, props);
        Ok(Outcome::Done)
    }

    /// The bucket of a name, if it has that number where one is given.
    fn bucket(&self, name: &str, id: Option<u64>) -> Result<&Arc<BucketView>> {
        let view = self.bmd.get(name).filter(|view| id.is_none_or(|id| view.bucket.id == id));
        view.ok_or_else(|| Error::bucket_missing(name))
    }

    fn destroy_bucket(&mut self, name: &str, id: Option<u64>) -> Result<Outcome> {
        self.bucket(name, id)?;
        let view = self.bmd.remove(name).ok_or_else(|| Error::bucket_missing(name))?;
        let bucket = BucketRef::clone(&view.bucket);
        self.doomed.insert_mut(bucket.name.clone(), bucket.id);
        Ok(Outcome::Destroyed(bucket))
    }

    fn change_bucket(
        &mut self,
        name: &str,
        id: Option<u64>,
        change: impl FnOnce(&mut Bprops, &ClusterConfig) -> Result<(), String>,
    ) -> Result<Outcome> {
        let view = self.bucket(name, id)?;
        let mut props = view.props.clone();
        change(&mut props, &self.config).map_err(Error::bad)?;
        self.bmd.insert(name, props);
        Ok(Outcome::Done)
    }

    fn change_config(
        &mut self,
        change: impl FnOnce(&mut ClusterConfig) -> Result<(), String>,
    ) -> Result<Outcome> {
        let mut config = ClusterConfig::clone(&self.config);
        change(&mut config).map_err(Error::bad)?;
        config.config_version += 1;
        self.config = Arc::new(config);
        Ok(Outcome::Done)
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
        let Outcome::Destroyed(old) =
            state.apply(Command::DestroyBucket { name: "b".into(), id: None }).unwrap()
        else {
            panic!()
        };
        assert_eq!(
            state.apply(create("b")).unwrap_err().kind,
            Kind::Conflict,
            "its directories are still there"
        );
        state.apply(Command::BucketBuried { id: old.id }).unwrap();
        state.apply(create("b")).unwrap();
        assert_ne!(state.bmd.get("b").unwrap().bucket.id, old.id);
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
        let before = serde_json::to_value(state.written(1)).unwrap();
        let change = BpropsToSet::from_value(&serde_json::json!({"checksum": {"type": "sha0"}})).unwrap();
        assert_eq!(
            state.apply(Command::SetBucketProps { name: "b".into(), id: None, change }).unwrap_err().kind,
            Kind::BadRequest
        );
        assert!(state.apply(Command::SetConfig { change: serde_json::json!({"no_such": {}}) }).is_err());
        assert_eq!(serde_json::to_value(state.written(1)).unwrap(), before);
    }

    #[test]
    fn what_is_written_down_comes_back() {
        let mut state = state();
        for name in ["a", "b", "c"] {
            state.apply(create(name)).unwrap();
        }
        state.apply(Command::DestroyBucket { name: "b".into(), id: None }).unwrap();
        let written = serde_json::to_value(state.written(7)).unwrap();
        let saved: Saved = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(saved.journal, Some(7));
        let back = ClusterState::from_saved(saved).unwrap();
        assert_eq!(serde_json::to_value(back.written(7)).unwrap(), written);
        assert_eq!(back.doomed(), [Doomed { id: 2, name: "b".to_owned() }]);
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
            Command::BucketBuried { id: 2 },
            Command::SetConfig { change: serde_json::json!({"mirror": {"burst_buffer": 600}}) },
            Command::ResetBucketProps { name: "b".into() },
            Command::ResetConfig,
        ];
        for command in commands {
            let json = serde_json::to_string(&command).unwrap();
            again.apply(serde_json::from_str(&json).unwrap()).unwrap();
            state.apply(command).unwrap();
        }
        let json = |state: &ClusterState| serde_json::to_value(state.written(1)).unwrap();
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
