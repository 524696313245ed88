//! The next operation, as a pure function of (seed, worker, count).

use super::kinds::OpKind;
use super::naming::{Naming, NewName};
use super::pick::{Picker, Popularity, Sizes};
use super::random::{Stream, draw, scale};
use serde::Serialize;

/// Shares of kinds, sizes, kind of names.
#[derive(Clone, Debug, Serialize)]
pub struct Mix {
    /// The seed as it was given: of what several loaders decide alike.
    pub seed: u64,
    /// Seed of this loader's own decisions.
    pub own_seed: u64,
    /// Percentage of PUT.
    pub pct_put: u32,
    /// Percentage of PUTs that are made in parts: MPU.
    pub pct_multipart: u32,
    /// Percentage of LIST.
    pub pct_list: u32,
    /// Percentage of HEAD.
    pub pct_head: u32,
    /// Percentage of DELETE; the rest reads.
    pub pct_delete: u32,
    /// Percentage of those that read which also write what they have read: UPDATE.
    pub pct_update: u32,
    /// The frequency with which each name is read.
    pub popularity: Popularity,
    /// Sizes of what is written.
    pub sizes: Sizes,
}

impl Mix {
    /// The popularity of names; `auto` is resolved by whether names come and go.
    #[must_use]
    pub fn popularity(&self) -> Popularity {
        self.popularity.resolved(self.pct_put > 0 || self.pct_delete > 0)
    }

    /// The percentage of every kind; UPDATE and GET share what the others leave.
    #[must_use]
    pub fn share(&self, kind: OpKind) -> f64 {
        let others = self.pct_put.saturating_add(self.pct_list).saturating_add(self.pct_head);
        let rest = f64::from(100u32.saturating_sub(others).saturating_sub(self.pct_delete));
        let updated = f64::from(self.pct_update) / 100.0;
        let in_parts = f64::from(self.pct_put) * f64::from(self.pct_multipart) / 100.0;
        match kind {
            OpKind::Put => f64::from(self.pct_put) - in_parts,
            OpKind::Mpu => in_parts,
            OpKind::List => f64::from(self.pct_list),
            OpKind::Head => f64::from(self.pct_head),
            OpKind::Delete => f64::from(self.pct_delete),
            OpKind::Update => rest * updated,
            OpKind::Get => rest * (1.0 - updated),
        }
    }

    /// True when some operation is of a kind for which `is_so` holds.
    #[must_use]
    pub fn has(&self, is_so: fn(OpKind) -> bool) -> bool {
        OpKind::ALL.into_iter().any(|kind| is_so(kind) && self.share(kind) > 0.0)
    }

    /// Payload of an operation on average, where the objects to read have `listed_bytes`; without any, those that the
    /// run itself writes are read.
    #[must_use]
    pub fn mean_bytes(&self, listed_bytes: f64) -> f64 {
        let put_bytes = self.sizes.mean_bytes();
        let get_bytes = if listed_bytes > 0.0 { listed_bytes } else { put_bytes };
        let both = self.share(OpKind::Update);
        let (put, get) = (f64::from(self.pct_put) + both, self.share(OpKind::Get) + both);
        (put * put_bytes + get * get_bytes) / 100.0
    }
}

/// One worker's view of the workload: a counter and the mix.
#[derive(Clone, Debug)]
pub struct Workload {
    picker: Picker,
    mix: Mix,
    worker: u64,
    workers: u64,
    ops: u64,
    puts: u64,
    updates: u64,
    deletes: u64,
    ranges: u64,
    shards: u64,
}

impl Workload {
    /// The workload of `worker`, one of `workers`.
    #[must_use]
    pub fn new(mix: Mix, worker: u64, workers: u64) -> Self {
        let picker = Picker::new(mix.popularity(), mix.own_seed, worker, workers).sharing(mix.seed);
        Self {
            picker,
            mix,
            worker,
            workers: workers.max(1),
            ops: 0,
            puts: 0,
            updates: 0,
            deletes: 0,
            ranges: 0,
            shards: 0,
        }
    }

    /// The kind of the next operation. A decision of its own makes an UPDATE of one that reads.
    pub fn next_kind(&mut self) -> OpKind {
        let (mix, at) = (&self.mix, self.ops);
        self.ops = at.wrapping_add(1);
        let roll = |stream| scale(draw(mix.own_seed, stream, self.worker, at), 100);
        let mut left = roll(Stream::Kind);
        let shares = [
            (OpKind::Put, mix.pct_put),
            (OpKind::List, mix.pct_list),
            (OpKind::Head, mix.pct_head),
            (OpKind::Delete, mix.pct_delete),
        ];
        for (kind, pct) in shares {
            match left.checked_sub(u64::from(pct)) {
                None if kind == OpKind::Put && roll(Stream::Multipart) < u64::from(mix.pct_multipart) => {
                    return OpKind::Mpu;
                }
                None => return kind,
                Some(rest) => left = rest,
            }
        }
        if roll(Stream::Update) < u64::from(mix.pct_update) { OpKind::Update } else { OpKind::Get }
    }

    /// Size and name of the next object to PUT, and a number that places its payload.
    pub fn next_put(&mut self, naming: &Naming, name: &mut String) -> NewObject {
        let count = self.puts;
        self.puts = count.wrapping_add(1);
        let (seed, worker, workers) = (self.mix.own_seed, self.worker, self.workers);
        naming.write(NewName { seed, worker, workers, count }, name);
        self.object(Stream::Size, Stream::Payload, count)
    }

    /// The object that an UPDATE writes under the name that it has read.
    pub fn next_update(&mut self) -> NewObject {
        let at = self.updates;
        self.updates = at.wrapping_add(1);
        self.object(Stream::UpdateSize, Stream::UpdatePayload, at)
    }

    /// Chooses one of `known` names to DELETE next: any, with the same chance.
    pub fn next_delete(&mut self, known: u64) -> u64 {
        let at = self.deletes;
        self.deletes = at.wrapping_add(1);
        scale(draw(self.mix.own_seed, Stream::Delete, self.worker, at), known)
    }

    /// True if the next object that is written becomes a shard, as `pct` percent of them do.
    pub fn next_is_shard(&mut self, pct: u32) -> bool {
        let at = self.shards;
        self.shards = at.wrapping_add(1);
        scale(draw(self.mix.own_seed, Stream::Shard, self.worker, at), 100) < u64::from(pct)
    }

    /// The number that chooses the part of the next object that is read.
    pub fn next_range(&mut self) -> u64 {
        let at = self.ranges;
        self.ranges = at.wrapping_add(1);
        draw(self.mix.own_seed, Stream::Range, self.worker, at)
    }

    fn object(&self, size: Stream, payload: Stream, at: u64) -> NewObject {
        let seed = self.mix.own_seed;
        NewObject {
            size_bytes: self.mix.sizes.pick_bytes(draw(seed, size, self.worker, at)),
            payload: draw(seed, payload, self.worker, at),
        }
    }

    /// Chooses one of `known` names for the next GET, UPDATE or HEAD; the first `listed` were there at the start.
    pub fn next_get(&mut self, listed: u64, known: u64) -> u64 {
        self.picker.next(listed, known)
    }
}

/// A new object without its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Bytes of the object.
    pub size_bytes: u64,
    /// Uniform over 64 bits; places the payload in the pool.
    pub payload: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn mix(pct_put: u32) -> Mix {
        Mix {
            seed: 11,
            own_seed: 11,
            pct_put,
            pct_multipart: 50,
            pct_list: 10,
            pct_head: 10,
            pct_delete: 10,
            pct_update: 50,
            popularity: Popularity::Auto,
            sizes: Sizes::Uniform { min_bytes: 100, max_bytes: 199 },
        }
    }

    fn puts(mix: Mix, worker: u64, count: usize) -> Vec<(OpKind, NewObject, String)> {
        puts_named(&Naming { subdir: "d".into(), is_random: true, ..Naming::default() }, mix, worker, count)
    }

    fn puts_named(naming: &Naming, mix: Mix, worker: u64, count: usize) -> Vec<(OpKind, NewObject, String)> {
        let mut workload = Workload::new(mix, worker, 4);
        let one = |_| {
            let mut name = String::new();
            (workload.next_kind(), workload.next_put(naming, &mut name), name)
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_run_and_another_seed_another() {
        assert_eq!(puts(mix(30), 2, 100), puts(mix(30), 2, 100));
        let other = Mix { own_seed: 12, ..mix(30) };
        assert_ne!(puts(mix(30), 2, 100), puts(other, 2, 100));
        assert_ne!(puts(mix(30), 2, 100), puts(mix(30), 3, 100));
    }

    #[test]
    fn shares_are_kept_and_do_not_depend_on_sizes() {
        let all = puts(mix(30), 0, 20_000);
        let small = |object: &NewObject| object.size_bytes < 150;
        let count = |kind, only_small: bool| {
            all.iter().filter(|(k, o, _)| *k == kind && (!only_small || small(o))).count() as f64
        };
        for kind in OpKind::ALL {
            let (got, want) = (count(kind, false) / 20_000.0, mix(30).share(kind) / 100.0);
            assert!((got - want).abs() < 0.02, "{kind:?}: {got}, not {want}");
        }
        for kind in OpKind::ALL {
            // Half of the sizes are small, whatever the kind: the two decisions are independent.
            assert!((count(kind, true) / count(kind, false) - 0.5).abs() < 0.05, "{kind:?}");
        }
    }

    #[test]
    fn the_mean_size_is_that_of_the_mix() {
        let plain = Mix { pct_head: 0, pct_delete: 0, pct_update: 0, ..mix(40) };
        assert_eq!(plain.mean_bytes(1000.0), 0.4 * 149.5 + 0.5 * 1000.0);
        assert_eq!(plain.mean_bytes(0.0), 0.9 * 149.5);
        let updates = Mix { pct_update: 100, ..plain };
        assert_eq!(updates.mean_bytes(1000.0), 0.4 * 149.5 + 0.5 * (1000.0 + 149.5));
    }

    #[test]
    fn as_many_updates_as_asked_for_whatever_the_share_of_put() {
        // AIStore's loader hashes one counter for both decisions: then no update is left when PUT has the larger share.
        let mix = Mix { pct_list: 0, pct_head: 0, pct_delete: 0, pct_update: 30, ..mix(50) };
        let mut workload = Workload::new(mix.clone(), 1, 4);
        let updates = (0..20_000).filter(|_| workload.next_kind() == OpKind::Update).count();
        assert!((2700..3300).contains(&updates), "{updates}");
        assert!((mix.share(OpKind::Update) - 15.0).abs() < 1e-9);
        assert!(mix.has(OpKind::sends_object) && !mix.has(|kind| kind == OpKind::Head));
    }

    #[test]
    fn sizes_stay_in_range_and_names_differ_over_workers() {
        let mut names = HashSet::new();
        for worker in 0..4 {
            for (_, object, name) in puts(mix(100), worker, 1000) {
                assert!((100..=199).contains(&object.size_bytes));
                assert_eq!(name.len(), 2 + 32);
                assert!(names.insert(name));
            }
        }
        let numbers = Naming::default();
        for worker in 0..4 {
            assert!(
                puts_named(&numbers, mix(100), worker, 100)
                    .into_iter()
                    .all(|(_, _, name)| names.insert(name))
            );
        }
    }
}
