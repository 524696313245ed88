//! The bucket map: persistent, so that each version shares with the one before all that did not change. A copy costs
//! nothing and a change a few nodes, however many buckets there are.

use crate::store::{BucketRef, Caching};
use rpds::RedBlackTreeMapSync;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use wire::api::bck::Bck;
use wire::api::bmd::Bmd;
use wire::api::bprops::{Bprops, Durability};
use wire::cksum::CksumType;

/// The only provider and namespace that buckets have.
const PROVIDER: &str = "ais";
const NAMESPACE: &str = "@#";

/// A bucket as the store sees it. Nobody else makes one.
pub(super) fn bucket_ref(id: u64, name: &str) -> BucketRef {
    BucketRef::new(id, Bck::ais(name))
}

/// A bucket, ready for use.
#[derive(Debug)]
pub(crate) struct BucketView {
    pub(crate) bucket: Arc<BucketRef>,
    pub(crate) props: Bprops,
    pub(crate) cksum_type: CksumType,
    pub(crate) durability: Durability,
    /// Smaller objects go into segments.
    pub(crate) segment_bytes_max: u64,
    pub(crate) caching: Caching,
    /// The node whose job has closed it to changes.
    closed_by: Option<String>,
}

impl BucketView {
    pub(crate) fn new(name: &str, props: Bprops) -> Self {
        Self {
            bucket: Arc::new(bucket_ref(props.bid, name)),
            cksum_type: CksumType::parse(&props.checksum.kind).unwrap_or(CksumType::Xxhash2),
            durability: props.durability,
            // An empty object is a record in any case.
            segment_bytes_max: u64::try_from(props.segment_object_size.0).unwrap_or(0).max(1),
            caching: if props.read_cache { Caching::Use } else { Caching::Bypass },
            closed_by: None,
            props,
        }
    }

    /// The node whose job has closed it to changes, if one has.
    pub(crate) fn closed_by(&self) -> Option<&str> {
        self.closed_by.as_deref()
    }

    /// True while nobody may change anything in it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed_by.is_some()
    }
}

/// All buckets by name; in JSON it is a [`Bmd`].
#[derive(Clone, Debug, Default)]
pub(crate) struct BucketMap {
    by_name: RedBlackTreeMapSync<String, Arc<BucketView>>,
    uuid: String,
    /// Grows with every change.
    pub(crate) version: i64,
}

impl BucketMap {
    pub(crate) fn new(uuid: String) -> Self {
        Self { uuid, version: 1, ..Self::default() }
    }

    /// # Errors
    /// A text for a map with buckets that this node cannot have.
    pub(crate) fn from_bmd(bmd: Bmd) -> Result<Self, String> {
        let mut map = Self { uuid: bmd.uuid, version: bmd.version, ..Self::default() };
        for (provider, namespaces) in bmd.providers {
            for (namespace, buckets) in namespaces {
                if (provider.as_str(), namespace.as_str()) != (PROVIDER, NAMESPACE) && !buckets.is_empty() {
                    return Err(format!("it has buckets of {provider}://{namespace}"));
                }
                buckets.into_iter().for_each(|(name, props)| map.put(&name, BucketView::new(&name, props)));
            }
        }
        Ok(map)
    }

    pub(crate) fn uuid(&self) -> &str {
        &self.uuid
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<BucketView>> {
        self.by_name.get(name)
    }

    /// All, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<BucketView>> {
        self.by_name.values()
    }

    /// Adds a bucket, or changes its properties: then it stays closed if it was.
    pub(crate) fn insert(&mut self, name: &str, props: Bprops) {
        let before = self.by_name.get(name).filter(|before| before.bucket.id == props.bid);
        let closed_by = before.and_then(|before| before.closed_by.clone());
        self.put(name, BucketView { closed_by, ..BucketView::new(name, props) });
        self.version += 1;
    }

    /// Closes a bucket to changes, for a job of a node, or opens it. A name without a bucket is passed over.
    pub(super) fn set_closed(&mut self, name: &str, by: Option<String>) {
        let Some(before) = self.by_name.get(name) else { return };
        let props = before.props.clone();
        self.put(name, BucketView { closed_by: by, ..BucketView::new(name, props) });
    }

    /// Removes a bucket, and says what it was.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Arc<BucketView>> {
        let removed = self.by_name.get(name).cloned()?;
        self.by_name.remove_mut(name);
        self.version += 1;
        Some(removed)
    }

    fn put(&mut self, name: &str, view: BucketView) {
        self.by_name.insert_mut(name.to_owned(), Arc::new(view));
    }
}

impl Serialize for BucketMap {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bmd = to.serialize_struct("Bmd", 3)?;
        bmd.serialize_field("providers", &Providers(self))?;
        bmd.serialize_field("uuid", &self.uuid)?;
        bmd.serialize_field("version", &self.version.to_string())?;
        bmd.end()
    }
}

struct Providers<'m>(&'m BucketMap);

impl Serialize for Providers<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // There too when it has no bucket: clients look into it without asking.
        to.collect_map([(PROVIDER, Namespaces(self.0))])
    }
}

struct Namespaces<'m>(&'m BucketMap);

impl Serialize for Namespaces<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map([(NAMESPACE, Named(self.0))])
    }
}

struct Named<'m>(&'m BucketMap);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.by_name.iter().map(|(name, view)| (name, &view.props)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::api::bck::Bck;

    #[test]
    fn its_json_is_that_of_the_wire() {
        let mut bmd = Bmd { uuid: "Uu".to_owned(), version: 5, ..Bmd::default() };
        for name in ["b", "a"] {
            bmd.insert(&Bck::ais(name), Bprops { bid: name.len() as u64, ..Bprops::default() });
        }
        let mut empty = Bmd { uuid: "Uu".to_owned(), version: 1, ..Bmd::default() };
        empty.providers.entry(PROVIDER.to_owned()).or_default().entry(NAMESPACE.to_owned()).or_default();
        for bmd in [bmd, empty] {
            let map = BucketMap::from_bmd(bmd.clone()).unwrap();
            assert_eq!(serde_json::to_value(&map).unwrap(), serde_json::to_value(&bmd).unwrap());
        }
    }

    #[test]
    fn a_copy_stays_as_it_was() {
        let mut map = BucketMap::new("Uu".to_owned());
        map.insert("b", Bprops::default());
        let before = map.clone();
        map.insert("a", Bprops::default());
        assert!(map.remove("b").is_some() && map.remove("b").is_none());
        let names =
            |map: &BucketMap| -> Vec<String> { map.all().map(|view| view.bucket.name.clone()).collect() };
        assert_eq!((names(&before), names(&map)), (vec!["b".to_owned()], vec!["a".to_owned()]));
        assert_eq!((before.version, map.version), (2, 4));
    }

    #[test]
    fn other_providers_are_refused() {
        let mut bmd = Bmd::default();
        bmd.providers.entry("aws".to_owned()).or_default().entry(NAMESPACE.to_owned()).or_default();
        BucketMap::from_bmd(bmd.clone()).unwrap();
        let buckets = bmd.providers.get_mut("aws").unwrap().get_mut(NAMESPACE).unwrap();
        buckets.insert("b".to_owned(), Bprops::default());
        assert!(BucketMap::from_bmd(bmd).unwrap_err().contains("aws"));
    }
}
