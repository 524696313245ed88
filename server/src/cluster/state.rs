//! The control state and its one way to change.

use crate::error::{Error, Kind, Result};
use crate::store::BucketRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::api::bck::{Bck, Provider};
use wire::api::bmd::Bmd;
use wire::api::bprops::{Bprops, BpropsToSet};
use wire::api::config::ClusterConfig;
use wire::api::smap::Smap;

/// Everything that the cluster must not forget.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClusterState {
    pub(crate) smap: Smap,
    pub(crate) bmd: Bmd,
    pub(crate) config: ClusterConfig,
    /// Bucket numbers are never used twice.
    next_bucket_id: u64,
    /// Destroyed buckets whose directories may still be there.
    #[serde(default)]
    pub(crate) doomed: Vec<Doomed>,
}

/// A bucket on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doomed {
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl Doomed {
    pub(crate) fn bucket(&self) -> BucketRef {
        BucketRef { id: self.id, name: self.name.clone() }
    }
}

/// A change that is asked for. Times come from outside, so that applying is repeatable.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    CreateBucket {
        name: String,
        change: BpropsToSet,
        now_ns: i64,
    },
    DestroyBucket {
        name: String,
    },
    /// The directories of a destroyed bucket are out of the way.
    BucketBuried {
        id: u64,
    },
    SetBucketProps {
        name: String,
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
        let bmd = Bmd { uuid: uuid.clone(), version: 1, ..Bmd::default() };
        let config =
            ClusterConfig { uuid, config_version: 1, lastupdate_time: now, ..ClusterConfig::default() };
        Self { smap, bmd, config, next_bucket_id: 1, doomed: Vec::new() }
    }

    /// No bucket has had this number or a larger one.
    pub(crate) fn first_new_bucket_id(&self) -> u64 {
        self.next_bucket_id
    }

    /// Applies a command: all of it, or an error and nothing.
    pub(crate) fn apply(&mut self, command: Command) -> Result<Outcome> {
        match command {
            Command::CreateBucket { name, change, now_ns } => self.create_bucket(&name, &change, now_ns),
            Command::DestroyBucket { name } => self.destroy_bucket(&name),
            Command::BucketBuried { id } => {
                self.doomed.retain(|doomed| doomed.id != id);
                Ok(Outcome::Done)
            }
            Command::SetBucketProps { name, change } => {
                self.change_bucket(&name, |props, _| props.apply(&change))
            }
            Command::ResetBucketProps { name } => self.change_bucket(&name, |props, config| {
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
        let bck = Bck::ais(name);
        if self.bmd.get(&bck).is_some() {
            return Err(Error::client(Kind::BucketExists, format!("bucket \"ais://{name}\" already exists")));
        }
        if self.doomed.iter().any(|doomed| doomed.name == name) {
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
        self.bmd.insert(&bck, props);
        self.bmd.version += 1;
        Ok(Outcome::Done)
    }

    fn destroy_bucket(&mut self, name: &str) -> Result<Outcome> {
        let props = self.bmd.remove(&Bck::ais(name)).ok_or_else(|| Error::bucket_missing(name))?;
        let bucket = BucketRef { id: props.bid, name: name.to_owned() };
        self.doomed.push(Doomed { id: bucket.id, name: bucket.name.clone() });
        self.bmd.version += 1;
        Ok(Outcome::Destroyed(bucket))
    }

    fn change_bucket(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Bprops, &ClusterConfig) -> Result<(), String>,
    ) -> Result<Outcome> {
        let bck = Bck::ais(name);
        let mut props = self.bmd.get(&bck).cloned().ok_or_else(|| Error::bucket_missing(name))?;
        change(&mut props, &self.config).map_err(Error::bad)?;
        self.bmd.insert(&bck, props);
        self.bmd.version += 1;
        Ok(Outcome::Done)
    }

    fn change_config(
        &mut self,
        change: impl FnOnce(&mut ClusterConfig) -> Result<(), String>,
    ) -> Result<Outcome> {
        let mut config = self.config.clone();
        change(&mut config).map_err(Error::bad)?;
        config.config_version += 1;
        self.config = config;
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
        let Outcome::Destroyed(old) = state.apply(Command::DestroyBucket { name: "b".into() }).unwrap()
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
        assert_ne!(state.bmd.get(&Bck::ais("b")).unwrap().bid, old.id);
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut state = state();
        state.apply(create("b")).unwrap();
        let before = serde_json::to_value(&state).unwrap();
        let change = BpropsToSet::from_value(&serde_json::json!({"checksum": {"type": "sha0"}})).unwrap();
        assert_eq!(
            state.apply(Command::SetBucketProps { name: "b".into(), change }).unwrap_err().kind,
            Kind::BadRequest
        );
        assert!(state.apply(Command::SetConfig { change: serde_json::json!({"no_such": {}}) }).is_err());
        assert_eq!(serde_json::to_value(&state).unwrap(), before);
    }

    #[test]
    fn every_change_raises_its_version() {
        let mut state = state();
        state.apply(create("b")).unwrap();
        let change = BpropsToSet::from_value(&serde_json::json!({"durability": "none"})).unwrap();
        let version = state.bmd.version;
        state.apply(Command::SetBucketProps { name: "b".into(), change }).unwrap();
        assert_eq!(state.bmd.version, version + 1);
        state
            .apply(Command::SetConfig { change: serde_json::json!({"mirror": {"burst_buffer": 600}}) })
            .unwrap();
        assert_eq!(state.config.config_version, 2);
    }
}
