//! The changes of the random histories: each in the store, and in the model.

use super::engine::Store;
use super::entry::{BucketRef, Entry, Key};
use super::expect::Expect;
use super::history_damage::patiently;
use super::history_tests::{Bytes, key, read};
use super::writer::NewObject;
use crate::error::{Kind, Result};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use wire::api::bprops::Durability;
use wire::cksum::CksumType;
use wire::http1::{Conditions, HeadLimits, parse_request};
use wire::lom::Generation;

/// Numbers that look random and are the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The object of a name in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) bytes: Vec<u8>,
    pub(super) custom: Vec<(String, String)>,
    pub(super) version: u64,
}

pub(super) type Model = BTreeMap<(u64, String), Thing>;

enum What {
    Put(Vec<u8>),
    /// The bytes that are added to the object there is, in parts between which the writer rests.
    Append(Vec<Vec<u8>>),
    Delete,
    /// Custom metadata in the place of those there are.
    SetCustom(String),
    /// One more pair beside those there are, or in the place of the one of the same key.
    Merge(u64, String),
    /// The object gets another name, which may be one that another object has.
    Rename(String),
}

/// The object that a change expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expectation {
    Anything,
    /// `If-None-Match: *`.
    Nothing,
    /// `If-Match` with the tag that it has.
    ItsTag,
    /// `If-Match` with another tag.
    AnotherTag,
    /// The write that was seen.
    Still,
    /// A write before.
    Stale,
}

pub(super) struct Change {
    pub(super) bucket: Arc<BucketRef>,
    name: String,
    what: What,
    expectation: Expectation,
    durability: Durability,
}

/// Changes by what they have come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    puts: u64,
    appends: u64,
    merges: u64,
    renames: u64,
    /// With an expectation that held, and with one that did not.
    conditional: u64,
    refused: u64,
}

impl Made {
    pub(super) fn count(&mut self, change: &Change, model: &Model) {
        let there = model.contains_key(&change.id());
        let holds = change.expectation.holds(there);
        match change.what {
            What::Put(_) => self.puts += u64::from(holds),
            What::Append(_) => self.appends += 1,
            What::Merge(..) => self.merges += u64::from(holds && there),
            What::Rename(_) => self.renames += u64::from(there),
            What::Delete | What::SetCustom(_) => {}
        }
        if change.expectation != Expectation::Anything {
            *(if holds { &mut self.conditional } else { &mut self.refused }) += 1;
        }
    }

    /// The test has looked at all that it says.
    pub(super) fn require(&self) {
        let least = [self.puts, self.appends, self.merges, self.renames, self.conditional, self.refused];
        assert!(least.into_iter().all(|count| count > 1000), "{self:?}");
    }
}

impl Expectation {
    fn roll(dice: &mut Dice) -> Self {
        match dice.roll(16) {
            0 => Self::Nothing,
            1 | 2 => Self::ItsTag,
            3 => Self::AnotherTag,
            4 | 5 => Self::Still,
            6 => Self::Stale,
            _ => Self::Anything,
        }
    }

    /// True if it holds for a name.
    fn holds(self, there: bool) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => !there,
            Self::ItsTag | Self::Still => there,
            Self::AnotherTag | Self::Stale => false,
        }
    }

    /// As a client says it who has just looked.
    fn of(self, entry: Option<&Entry>) -> Expect {
        let conditions = |field: &str| {
            let text = format!("PUT /o HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
            let head = parse_request(text.as_bytes(), &HeadLimits::default()).unwrap().unwrap();
            Expect::Conditions(Box::new(Conditions::parse(&head.headers)))
        };
        let seen = entry.map(|entry| (entry.generation, entry.custom.clone()));
        let (generation, custom) = seen.unwrap_or_default();
        match self {
            Self::Anything => Expect::Anything,
            Self::Nothing => conditions("If-None-Match: *"),
            Self::ItsTag => {
                let tag = entry.map_or_else(|| "none".to_owned(), Entry::etag);
                conditions(&format!("If-Match: \"{tag}\""))
            }
            Self::AnotherTag => conditions("If-Match: \"0123\", \"x\""),
            Self::Still => Expect::Still { generation, custom },
            Self::Stale => {
                let generation = Generation { clock: generation.clock.wrapping_sub(1), ..generation };
                Expect::Still { generation, custom }
            }
        }
    }
}

impl Change {
    /// Any change of any name.
    pub(super) fn new(dice: &mut Dice, bucket: Arc<BucketRef>) -> Self {
        let name = any_name(dice);
        let what = match dice.roll(24) {
            0..=11 => What::Put(any_bytes(dice)),
            12..=14 => What::Delete,
            15 | 16 => What::SetCustom(format!("v{}", dice.roll(1000))),
            17..=19 => What::Merge(dice.roll(3), format!("m{}", dice.roll(1000))),
            20 | 21 => What::Append((0..1 + dice.roll(3)).map(|_| any_bytes(dice)).collect()),
            _ => What::Rename(any_name(dice)),
        };
        let expectation = match what {
            // An append and a rename have no conditions of their own; a rename expects what it has copied.
            What::Append(_) | What::Rename(_) => Expectation::Anything,
            _ => Expectation::roll(dice),
        };
        let durability = if dice.roll(50) == 0 { Durability::Group } else { Durability::None };
        Self { bucket, name, what, expectation, durability }
    }

    /// The names that it changes.
    pub(super) fn names(&self) -> Vec<(u64, String)> {
        let to = if let What::Rename(to) = &self.what { Some((self.bucket.id, to.clone())) } else { None };
        [self.id()].into_iter().chain(to).collect()
    }

    fn id(&self) -> (u64, String) {
        (self.bucket.id, self.name.clone())
    }

    /// Makes it in the store, and asserts the answer.
    pub(super) async fn make(&self, store: &Rc<Store>, model: &Model) {
        let key = key(&self.bucket, &self.name);
        let there = model.contains_key(&self.id());
        let entry = patiently(store, async || store.find(&key).await).await.unwrap();
        assert_eq!(entry.is_some(), there, "{key:?}");
        let expect = self.expectation.of(entry.as_deref());
        let holds = self.expectation.holds(there);
        let outcome = match &self.what {
            What::Put(bytes) => {
                let put = async || self.put(store, &key, bytes, Vec::new(), expect.clone()).await;
                patiently(store, put).await.map(|()| true)
            }
            What::Append(parts) => patiently(store, async || self.append(store, &key, parts).await).await,
            What::Delete => {
                patiently(store, async || store.remove(&key, &expect, self.durability).await).await
            }
            What::SetCustom(_) | What::Merge(..) => {
                let edit = |old: &[(String, String)]| Ok(self.edited(old));
                let set = async || store.set_custom(&key, &expect, &edit, self.durability).await;
                patiently(store, set).await.map(|()| true)
            }
            What::Rename(to) => self.rename(store, &key, to).await,
        };
        let wrong = || format!("{key:?} {:?} {outcome:?}", self.expectation);
        match (&self.what, &outcome) {
            (What::Put(_) | What::Append(_), _) if holds => assert!(outcome.is_ok(), "{}", wrong()),
            (What::Delete | What::Rename(_), Ok(done)) if !there => assert!(!done, "{}", wrong()),
            (What::SetCustom(_) | What::Merge(..), Err(e)) if !there => {
                assert_eq!(e.kind, Kind::ObjectMissing, "{}", wrong());
            }
            (_, Ok(done)) => assert!(holds && *done, "{}", wrong()),
            (_, Err(e)) => assert!(!holds && e.kind == Kind::PreconditionFailed, "{}", wrong()),
        }
    }

    async fn put(
        &self,
        store: &Rc<Store>,
        key: &Key,
        bytes: &[u8],
        custom: Vec<(String, String)>,
        expect: Expect,
    ) -> Result<()> {
        let known = !bytes.len().is_multiple_of(3);
        let new = self.new_object(known.then_some(bytes.len() as u64), custom, expect);
        let mut writer = store.writer(key, new).await?;
        writer.feed(&mut Bytes(bytes.to_vec(), 0)).await?;
        writer.commit().await.map(drop)
    }

    fn new_object(&self, size_hint: Option<u64>, custom: Vec<(String, String)>, expect: Expect) -> NewObject {
        NewObject {
            size_hint,
            cksum_type: CksumType::Xxhash2,
            expected: None,
            custom,
            expect,
            durability: self.durability,
            segment_bytes_max: 128 << 10,
        }
    }

    async fn append(&self, store: &Rc<Store>, key: &Key, parts: &[Vec<u8>]) -> Result<bool> {
        let old = store.find(key).await?;
        let custom = old.as_ref().map(|entry| entry.custom.to_vec()).unwrap_or_default();
        let mut writer = store.writer(key, self.new_object(None, custom, Expect::Anything)).await?;
        if let Some(old) = old {
            writer.feed(&mut Bytes(read(store, key, &old).await?, 0)).await?;
        }
        for part in parts {
            writer.feed(&mut Bytes(part.clone(), 0)).await?;
            writer.rest().await?;
        }
        writer.commit().await.map(|_| true)
    }

    /// False when there is nothing to rename.
    async fn rename(&self, store: &Rc<Store>, from: &Key, to: &str) -> Result<bool> {
        let Some(old) = patiently(store, async || store.find(from).await).await? else { return Ok(false) };
        if *to == *from.name {
            return Ok(true);
        }
        let bytes = patiently(store, async || read(store, from, &old).await).await?;
        let (to, custom) = (key(&self.bucket, to), old.custom.to_vec());
        let put = async || self.put(store, &to, &bytes, custom.clone(), Expect::Anything).await;
        patiently(store, put).await?;
        let still = Expect::Still { generation: old.generation, custom: old.custom.clone() };
        patiently(store, async || store.remove(from, &still, self.durability).await).await
    }

    /// The custom metadata that it makes of those there are.
    fn edited(&self, old: &[(String, String)]) -> Vec<(String, String)> {
        match &self.what {
            What::Merge(at, value) => {
                let pair = (format!("key{at}"), value.clone());
                let others = old.iter().filter(|(key, _)| *key != pair.0).cloned();
                others.chain([pair.clone()]).collect()
            }
            What::SetCustom(value) => vec![("key".to_owned(), value.clone())],
            _ => old.to_vec(),
        }
    }

    /// Makes it in the model.
    pub(super) fn note(self, model: &mut Model) {
        let id = self.id();
        let old = model.get(&id).cloned();
        if !self.expectation.holds(old.is_some()) {
            return;
        }
        let version = old.as_ref().map_or(1, |old| old.version + 1);
        match (&self.what, old) {
            (What::Put(bytes), _) => {
                model.insert(id, Thing { bytes: bytes.clone(), custom: Vec::new(), version });
            }
            (What::Append(parts), old) => {
                let (mut bytes, custom) = old.map(|old| (old.bytes, old.custom)).unwrap_or_default();
                parts.iter().for_each(|part| bytes.extend_from_slice(part));
                model.insert(id, Thing { bytes, custom, version });
            }
            (What::Delete, _) => drop(model.remove(&id)),
            (What::SetCustom(_) | What::Merge(..), Some(old)) => {
                model.insert(id, Thing { custom: self.edited(&old.custom), ..old });
            }
            (What::Rename(to), Some(old)) if *to != self.name => {
                model.remove(&id);
                let to = (self.bucket.id, to.clone());
                let version = model.get(&to).map_or(1, |there| there.version + 1);
                model.insert(to, Thing { version, ..old });
            }
            _ => {}
        }
    }
}

fn any_name(dice: &mut Dice) -> String {
    format!("{}/{:03}", ["a", "a/b", "c"][dice.roll(3) as usize], dice.roll(150))
}

fn any_bytes(dice: &mut Dice) -> Vec<u8> {
    let size = match dice.roll(40) {
        0 => 128 << 10,
        1 => 131_071,
        2 => 200_000 + dice.roll(900_000),
        3 => 0,
        4..=6 => 4096 << dice.roll(5),
        7..=11 => dice.roll(100_000),
        _ => dice.roll(5000),
    };
    let seed = dice.roll(u64::MAX);
    (0..size).map(|at| (seed.wrapping_mul(at | 1) >> 32) as u8).collect()
}
