//! The bucket map (`what=bmd`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bprops::Bprops;
use super::num::{null_is_default, quoted_i64};

/// Buckets by name.
pub type Buckets = BTreeMap<String, Bprops>;
/// Buckets by namespace (`@#` is the global one).
pub type Namespaces = BTreeMap<String, Buckets>;

/// All buckets that the cluster knows, with their properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bmd {
    /// Namespaces by provider.
    #[serde(default, deserialize_with = "null_is_default")]
    pub providers: BTreeMap<String, Namespaces>,
    /// The cluster's id.
    #[serde(default)]
    pub uuid: String,
    /// Grows with every change; quoted in JSON.
    #[serde(default, with = "quoted_i64")]
    pub version: i64,
}

impl Bmd {
    /// The properties of a bucket, by its uname's parts.
    #[must_use]
    pub fn get(&self, bck: &super::bck::Bck) -> Option<&Bprops> {
        self.providers.get(bck.provider.as_str())?.get(&namespace_key(bck))?.get(&bck.name)
    }

    /// Adds or replaces a bucket; the version is the caller's to raise.
    pub fn insert(&mut self, bck: &super::bck::Bck, props: Bprops) {
        let namespaces = self.providers.entry(bck.provider.as_str().to_owned()).or_default();
        namespaces.entry(namespace_key(bck)).or_default().insert(bck.name.clone(), props);
    }

    /// Removes a bucket, and says what it was.
    pub fn remove(&mut self, bck: &super::bck::Bck) -> Option<Bprops> {
        self.providers.get_mut(bck.provider.as_str())?.get_mut(&namespace_key(bck))?.remove(&bck.name)
    }
}

/// The key of a bucket's namespace: `@uuid#name`, `@#` for the global one.
fn namespace_key(bck: &super::bck::Bck) -> String {
    format!("@{}#{}", bck.namespace.uuid, bck.namespace.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::bck::Bck;

    #[test]
    fn json_shape_and_access() {
        let mut bmd = Bmd { uuid: "Uu".into(), version: 3, ..Bmd::default() };
        bmd.insert(&Bck::ais("b"), Bprops::default());
        let tree = serde_json::to_value(&bmd).unwrap();
        assert_eq!(tree["version"], "3");
        assert!(tree["providers"]["ais"]["@#"]["b"]["mirror"].is_object());
        assert_eq!(serde_json::from_value::<Bmd>(tree).unwrap(), bmd);
        assert!(bmd.get(&Bck::ais("b")).is_some());
        assert!(bmd.remove(&Bck::ais("b")).is_some() && bmd.get(&Bck::ais("b")).is_none());
        assert_eq!(serde_json::from_str::<Bmd>(r#"{"providers":null}"#).unwrap(), Bmd::default());
    }
}
