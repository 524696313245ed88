//! Reads an object, or a part of one, and finds what is wrong with it.
//!
//! The bytes come in whatever portions the network gives; whole blocks are compared where they lie, only what a portion
//! cuts in two is copied. The first damage is the one that is told.

use super::damage::{Damage, DamageKind};
use super::generate::{compare, tiny};
use super::pool::{PAGES, Pools};
use super::stamp::{BLOCK_BYTES, Identity, MAGIC, Recipe, STAMP_BYTES, Stamp};
use super::versions::Known;
use std::rc::Rc;

/// Bytes of a part without any stamp that must be there to look for it in the pool.
const SEARCH_BYTES_MIN: usize = 16;

/// An object, or a part of one, that is about to be read.
#[derive(Clone, Debug)]
pub struct Expected {
    /// [`name_hash`](super::stamp::name_hash) of the object.
    pub name_hash: u64,
    /// Where the part begins; 0 for whole objects.
    pub start: u64,
    /// Bytes of the part that were asked for; `None`: all up to the object's end.
    pub len: Option<u64>,
    /// The versions that may come, as known before the read began.
    pub known: Known,
    /// The recipe that this run itself writes with; only looked at when a part of an object contains no stamp.
    pub recipe: Recipe,
}

/// Verifies one object.
#[derive(Debug)]
pub struct Verifier {
    pools: Rc<Pools>,
    expected: Expected,
    /// Where in the object the next byte lies.
    at: u64,
    /// The begin of a block whose end has not come yet.
    part: Vec<u8>,
    /// Parts that cannot be judged before a stamp is found: what precedes the first block, and the first block without a
    /// readable stamp.
    early: Vec<(u64, Vec<u8>)>,
    identity: Option<Identity>,
    damage: Option<Damage>,
}

impl Verifier {
    /// A verifier of an object of which nothing has been read.
    #[must_use]
    pub fn new(pools: Rc<Pools>, expected: Expected) -> Self {
        let at = expected.start;
        Self { pools, expected, at, part: Vec::new(), early: Vec::new(), identity: None, damage: None }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = usize::try_from(self.at % BLOCK_BYTES as u64).unwrap_or(0);
            let want = BLOCK_BYTES.saturating_sub(within).min(rest.len());
            let (here, behind) = rest.split_at_checked(want).unwrap_or((rest, &[]));
            rest = behind;
            let begin = self.at;
            self.at = self.at.saturating_add(here.len() as u64);
            if self.damage.is_some() {
                continue;
            }
            if here.len() == BLOCK_BYTES {
                self.check(begin, here);
                continue;
            }
            self.part.extend_from_slice(here);
            if within.saturating_add(here.len()) == BLOCK_BYTES {
                self.check_part();
            }
        }
    }

    /// Ends the object. `now` is what is known about it after the read.
    ///
    /// # Errors
    /// The damage.
    pub fn finish(mut self, now: &Known) -> Result<(), Damage> {
        if self.damage.is_none() {
            self.check_part();
        }
        if let Some(damage) = self.damage {
            return Err(damage);
        }
        match self.identity {
            Some(identity) => self.judge_whole(&identity, now),
            None if self.expected.start > 0 => self.judge_unstamped_part(),
            None if self.at < STAMP_BYTES as u64 => self.judge_tiny(now),
            None => Err(self.judge_unstamped()),
        }
    }

    fn check_part(&mut self) {
        let part = std::mem::take(&mut self.part);
        if !part.is_empty() {
            self.check(self.at.saturating_sub(part.len() as u64), &part);
        }
        self.part = part;
        self.part.clear();
    }

    /// Checks bytes of one block, up to the block's end or the object's.
    fn check(&mut self, offset: u64, bytes: &[u8]) {
        let is_stamped = offset.is_multiple_of(BLOCK_BYTES as u64) && bytes.len() >= STAMP_BYTES;
        let stamp = if is_stamped { Stamp::decode(bytes) } else { None };
        let outcome = match (stamp, self.identity) {
            (Some(stamp), _) => self.check_stamped(&stamp, offset, bytes),
            (None, Some(identity)) => self.check_bytes(&identity, offset, bytes),
            (None, None) => {
                // Only the first damage of an object is told; so two are enough, one in front of the first block.
                if self.early.len() < 2 {
                    self.early.push((offset, bytes.to_vec()));
                }
                Ok(())
            }
        };
        self.damage = outcome.err();
    }

    fn check_stamped(&mut self, stamp: &Stamp, offset: u64, bytes: &[u8]) -> Result<(), Damage> {
        let block = u32::try_from(offset / BLOCK_BYTES as u64).unwrap_or(u32::MAX);
        if let Some(identity) = self.identity.filter(|identity| offset >= identity.size_bytes) {
            return Err(extended(&identity));
        }
        if stamp.is_shared() {
            return self.check_shared(stamp, block, offset, bytes);
        }
        if stamp.identity.name_hash != self.expected.name_hash {
            let text = format!(
                "block {block} is block {} of another object: of name hash {:016x}, not {:016x}",
                stamp.block, stamp.identity.name_hash, self.expected.name_hash
            );
            return Err(Damage::new(DamageKind::OtherName, offset, text));
        }
        if let Some(identity) = self.identity.filter(|identity| *identity != stamp.identity) {
            let text = format!(
                "block {block} is of {}, what precedes it is of {}",
                shown(&stamp.identity),
                shown(&identity)
            );
            return Err(Damage::new(DamageKind::Mixed, offset, text));
        }
        if stamp.block != block {
            return Err(moved(stamp, block, offset));
        }
        if self.identity.is_none() {
            self.identity = Some(stamp.identity);
            self.check_early(&stamp.identity)?;
        }
        self.check_bytes(&stamp.identity, offset, bytes)
    }

    /// A block that all objects have in common can be judged without knowing the object.
    fn check_shared(&self, stamp: &Stamp, block: u32, offset: u64, bytes: &[u8]) -> Result<(), Damage> {
        if stamp.block != block {
            return Err(moved(stamp, block, offset));
        }
        let size_bytes = self.identity.map_or(u64::MAX, |identity| identity.size_bytes);
        let recipe = self.identity.map_or(stamp.identity.recipe, |identity| identity.recipe);
        if recipe != stamp.identity.recipe || !recipe.is_shared(block) {
            let text = format!("block {block} is one that other objects share, and this one does not");
            return Err(Damage::new(DamageKind::Mixed, offset, text));
        }
        self.check_bytes(&Identity { size_bytes, ..stamp.identity }, offset, bytes)
    }

    fn check_early(&mut self, identity: &Identity) -> Result<(), Damage> {
        let early = std::mem::take(&mut self.early);
        early.iter().try_for_each(|(offset, bytes)| self.check_bytes(identity, *offset, bytes))
    }

    fn check_bytes(&self, identity: &Identity, offset: u64, bytes: &[u8]) -> Result<(), Damage> {
        let pool = self.pools.of(&identity.recipe);
        if let Some(first) = compare(&pool, identity, offset, bytes) {
            let block = offset / BLOCK_BYTES as u64;
            let zeros = if bytes.iter().all(|byte| *byte == 0) { ", all of which is zero" } else { "" };
            let text = format!(
                "byte {:#04x} instead of {:#04x}, in block {block}{zeros}, of {}",
                first.got,
                first.want,
                shown(identity)
            );
            return Err(Damage::new(DamageKind::WrongBytes, first.offset, text));
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if end > identity.size_bytes { Err(extended(identity)) } else { Ok(()) }
    }

    /// Every byte that came is right. Are they all, and are they new enough?
    fn judge_whole(&self, identity: &Identity, now: &Known) -> Result<(), Damage> {
        let asked_end = self.expected.start.saturating_add(self.expected.len.unwrap_or(u64::MAX));
        let end = identity.size_bytes.min(asked_end);
        if self.at < end {
            let text = format!("the end is missing: {} of {end} bytes, of {}", self.at, shown(identity));
            return Err(Damage::new(DamageKind::Truncated, self.at, text));
        }
        let known = &self.expected.known;
        let is_stale = known.is_stale(identity.version, identity.loader);
        if is_stale && !now.unsure.contains(&identity.version) {
            let text = format!(
                "{}, although version {} had been acknowledged before the read began",
                shown(identity),
                known.floor
            );
            return Err(Damage::new(DamageKind::Stale, 0, text));
        }
        Ok(())
    }

    /// An object without room for a stamp, or what is left of a longer one.
    fn judge_tiny(&self, now: &Known) -> Result<(), Damage> {
        let got = self.early.first().map_or(&[][..], |(_, bytes)| bytes);
        let len = got.len() as u64;
        // A size is certain only when no write of the name ran while it was read.
        let size_bytes = now.size_bytes.filter(|_| *now == self.expected.known);
        let truncated = |what: String| Err(Damage::new(DamageKind::Truncated, len, what));
        match size_bytes.filter(|_| self.expected.len.is_none()) {
            Some(size_bytes) if len < size_bytes => {
                return truncated(format!(
                    "the end is missing: {len} of {size_bytes} bytes that were written"
                ));
            }
            _ if self.expected.len.is_some_and(|asked| asked <= len) => return self.judge_unstamped_part(),
            _ => {}
        }
        let want = tiny(self.expected.name_hash, len);
        if want == got {
            return Ok(());
        }
        if MAGIC.starts_with(got) || got.starts_with(&MAGIC) {
            return truncated(format!("only {len} bytes, which are the begin of a longer object"));
        }
        self.judge_other_sizes(got)?;
        let first = got.iter().zip(&want).position(|(got, want)| got != want).unwrap_or(0);
        let text = format!("wrong bytes in an object of {len} bytes");
        Err(Damage::new(DamageKind::WrongBytes, first as u64, text))
    }

    /// An error if the bytes begin, or are the begin of, the object as it would be with another size.
    fn judge_other_sizes(&self, got: &[u8]) -> Result<(), Damage> {
        let other = (1..STAMP_BYTES as u64).rev().map(|size| tiny(self.expected.name_hash, size));
        let found = other.into_iter().find(|other| {
            let len = other.len().min(got.len());
            // Two bytes agree by chance too often.
            len > 2 && other.len() != got.len() && other.get(..len) == got.get(..len)
        });
        let Some(other) = found else { return Ok(()) };
        let (kind, offset) = if other.len() > got.len() {
            (DamageKind::Truncated, got.len())
        } else {
            (DamageKind::Extended, other.len())
        };
        let text = format!("{} bytes of an object of {} bytes", self.at, other.len());
        Err(Damage::new(kind, offset as u64, text))
    }

    /// No block has a stamp that can be read.
    fn judge_unstamped(&self) -> Damage {
        let Some((offset, bytes)) = self.early.first() else {
            return Damage::new(DamageKind::Unstamped, 0, "nothing in it is this object's own");
        };
        if let Err(damage) = self.judge_other_sizes(bytes) {
            return damage;
        }
        match self.repaired(*offset, bytes) {
            Some(identity) => self.check_bytes(&identity, *offset, bytes).err(),
            None if bytes.get(8..16) == Some(&self.expected.name_hash.to_le_bytes()[..])
                || bytes.starts_with(&MAGIC) =>
            {
                let text = "wrong bytes in the stamp of the only block that came";
                Some(Damage::new(DamageKind::WrongBytes, *offset, text))
            }
            None => None,
        }
        .unwrap_or_else(|| Damage::new(DamageKind::Unstamped, *offset, "no block has a stamp of this loader"))
    }

    /// The stamp of an only block with what must be right in it put right, when the rest proves that this is it.
    fn repaired(&self, offset: u64, bytes: &[u8]) -> Option<Identity> {
        let claimed = Stamp::decode_unchecked(bytes)?;
        let block = u32::try_from(offset / BLOCK_BYTES as u64).ok()?;
        let size_bytes = if self.expected.len.is_none() { self.at } else { claimed.identity.size_bytes };
        let recipes = [claimed.identity.recipe, self.expected.recipe];
        recipes.into_iter().find_map(|recipe| {
            let identity =
                Identity { name_hash: self.expected.name_hash, size_bytes, recipe, ..claimed.identity };
            let stamp = identity.stamp(block).encode();
            let is_proven_by_crc = Stamp::crc_field(&stamp) == Stamp::crc_field(bytes);
            let behind = bytes.get(STAMP_BYTES..).filter(|behind| behind.len() >= SEARCH_BYTES_MIN);
            let is_proven_by_rest = || {
                let from = offset.saturating_add(STAMP_BYTES as u64);
                let pool = self.pools.of(&identity.recipe);
                behind.is_some_and(|behind| compare(&pool, &identity, from, behind).is_none())
            };
            (recipe.compress_pct <= 100 && (is_proven_by_crc || is_proven_by_rest())).then_some(identity)
        })
    }

    /// A part inside a block, without a stamp: it must at least be a part of some page of our own pool.
    fn judge_unstamped_part(&self) -> Result<(), Damage> {
        for (offset, bytes) in &self.early {
            let within = usize::try_from(offset % BLOCK_BYTES as u64).unwrap_or(0);
            let behind_stamp = STAMP_BYTES.saturating_sub(within);
            let Some(bytes) = bytes.get(behind_stamp..).filter(|bytes| bytes.len() >= SEARCH_BYTES_MIN)
            else {
                continue;
            };
            let from = within.saturating_add(behind_stamp);
            let pool = self.pools.of(&self.expected.recipe);
            let is_found = (0..PAGES)
                .any(|page| pool.page(page).get(from..).is_some_and(|page| page.starts_with(bytes)));
            if !is_found {
                let text = format!(
                    "a part without a stamp, of which the pool of seed {} has nothing",
                    self.expected.recipe.seed
                );
                return Err(Damage::new(DamageKind::Unstamped, *offset, text));
            }
        }
        Ok(())
    }
}

fn moved(stamp: &Stamp, block: u32, offset: u64) -> Damage {
    let text = format!("block {block} is this object's block {}", stamp.block);
    Damage::new(DamageKind::Moved, offset, text)
}

fn extended(identity: &Identity) -> Damage {
    let text = format!("more bytes follow the end of {}", shown(identity));
    Damage::new(DamageKind::Extended, identity.size_bytes, text)
}

fn shown(identity: &Identity) -> String {
    let Identity { version, loader, size_bytes, .. } = identity;
    format!("version {version} of loader {loader} ({size_bytes} bytes)")
}
