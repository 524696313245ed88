//! What to do next, as a pure function of (seed, worker, count).

use crate::random::{Stream, draw, permute, scale};
use serde::Serialize;

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OpKind {
    /// Write an object.
    Put,
    /// Read an object whole.
    Get,
    /// Read one page of names.
    List,
}

impl OpKind {
    /// Every kind, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Put, Self::Get, Self::List];

    /// The label in tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Get => "GET",
            Self::List => "LIST",
        }
    }
}

/// Shares of kinds, range of sizes, kind of names.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Mix {
    /// Seed of every decision.
    pub seed: u64,
    /// Percentage of PUT.
    pub pct_put: u32,
    /// Percentage of LIST; the rest is GET.
    pub pct_list: u32,
    /// Smallest PUT.
    pub size_min_bytes: u64,
    /// Largest PUT.
    pub size_max_bytes: u64,
    /// Random names instead of numbers.
    pub is_name_random: bool,
}

impl Mix {
    /// Payload of an operation on average, where the objects to read have `listed_bytes`; without any, those that the
    /// run itself writes are read.
    #[must_use]
    pub fn mean_bytes(&self, listed_bytes: f64) -> f64 {
        let put_bytes = (self.size_min_bytes as f64 + self.size_max_bytes as f64) / 2.0;
        let get_bytes = if listed_bytes > 0.0 { listed_bytes } else { put_bytes };
        let pct_get = 100u32.saturating_sub(self.pct_put).saturating_sub(self.pct_list);
        (f64::from(self.pct_put) * put_bytes + f64::from(pct_get) * get_bytes) / 100.0
    }
}

/// One worker's view of the workload: a counter and the mix.
#[derive(Clone, Debug)]
pub struct Workload {
    mix: Mix,
    worker: u64,
    workers: u64,
    ops: u64,
    puts: u64,
    gets: u64,
}

impl Workload {
    /// The workload of `worker`, one of `workers`.
    #[must_use]
    pub fn new(mix: Mix, worker: u64, workers: u64) -> Self {
        Self { mix, worker, workers: workers.max(1), ops: 0, puts: 0, gets: 0 }
    }

    /// The kind of the next operation.
    pub fn next_kind(&mut self) -> OpKind {
        let roll = scale(draw(self.mix.seed, Stream::Kind, self.worker, self.ops), 100);
        self.ops = self.ops.wrapping_add(1);
        let put_below = u64::from(self.mix.pct_put);
        match roll {
            roll if roll < put_below => OpKind::Put,
            roll if roll < put_below.saturating_add(u64::from(self.mix.pct_list)) => OpKind::List,
            _ => OpKind::Get,
        }
    }

    /// Size and name of the next object to PUT, and a number that places its payload.
    pub fn next_put(&mut self, subdir: &str, name: &mut String) -> NewObject {
        let at = self.puts;
        self.puts = at.wrapping_add(1);
        let seed = self.mix.seed;
        let span = self.mix.size_max_bytes.saturating_sub(self.mix.size_min_bytes).saturating_add(1);
        let offset_bytes = scale(draw(seed, Stream::Size, self.worker, at), span);
        name.clear();
        if !subdir.is_empty() {
            name.push_str(subdir);
            name.push('/');
        }
        if self.mix.is_name_random {
            for part in 0..4u64 {
                push_random(
                    name,
                    draw(seed, Stream::Name, self.worker, at.wrapping_mul(4).wrapping_add(part)),
                    8,
                );
            }
        } else {
            push_number(name, at.wrapping_mul(self.workers).wrapping_add(self.worker));
        }
        NewObject {
            size_bytes: self.mix.size_min_bytes.saturating_add(offset_bytes),
            payload: draw(seed, Stream::Payload, self.worker, at),
        }
    }

    /// Which of `known` names to GET next.
    ///
    /// A run that only reads visits every name once before any twice, as far as its workers keep pace: all walk one
    /// pseudo-random order, each every `workers`-th place of it, and none waits for the others. A run that also writes draws with replacement, as its set of names grows.
    pub fn next_get(&mut self, known: u64) -> u64 {
        let at = self.gets;
        self.gets = at.wrapping_add(1);
        let seed = self.mix.seed;
        if self.mix.pct_put > 0 {
            return scale(draw(seed, Stream::Pick, self.worker, at), known);
        }
        let place = at.wrapping_mul(self.workers).wrapping_add(self.worker);
        let round = place.checked_div(known).unwrap_or(0);
        permute(draw(seed, Stream::Order, 0, round), place.checked_rem(known).unwrap_or(0), known)
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

/// Appends `digits` characters, five bits of `random` each.
fn push_random(out: &mut String, mut random: u64, digits: u32) {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    for _ in 0..digits {
        let letter = ALPHABET.get(usize::try_from(random & 31).unwrap_or(0)).copied().unwrap_or(b'a');
        out.push(char::from(letter));
        random >>= 5;
    }
}

fn push_number(out: &mut String, number: u64) {
    for shift in (0..64).step_by(4).rev() {
        let digit = u32::try_from((number >> shift) & 15).unwrap_or(0);
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn mix(pct_put: u32) -> Mix {
        Mix {
            seed: 11,
            pct_put,
            pct_list: 10,
            size_min_bytes: 100,
            size_max_bytes: 199,
            is_name_random: true,
        }
    }

    fn puts(mix: Mix, worker: u64, count: usize) -> Vec<(OpKind, NewObject, String)> {
        let mut workload = Workload::new(mix, worker, 4);
        let one = |_| {
            let mut name = String::new();
            (workload.next_kind(), workload.next_put("d", &mut name), name)
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_run_and_another_seed_another() {
        assert_eq!(puts(mix(30), 2, 100), puts(mix(30), 2, 100));
        let other = Mix { seed: 12, ..mix(30) };
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
        assert!((count(OpKind::Put, false) / 20_000.0 - 0.3).abs() < 0.02);
        assert!((count(OpKind::List, false) / 20_000.0 - 0.1).abs() < 0.02);
        for kind in OpKind::ALL {
            // Half of the sizes are small, whatever the kind: the two decisions are independent.
            assert!((count(kind, true) / count(kind, false) - 0.5).abs() < 0.05, "{kind:?}");
        }
    }

    #[test]
    fn the_mean_size_is_that_of_the_mix() {
        assert_eq!(mix(40).mean_bytes(1000.0), 0.4 * 149.5 + 0.5 * 1000.0);
        assert_eq!(mix(40).mean_bytes(0.0), 0.9 * 149.5);
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
        let numbers = Mix { is_name_random: false, ..mix(100) };
        for worker in 0..4 {
            assert!(puts(numbers, worker, 100).into_iter().all(|(_, _, name)| names.insert(name)));
        }
    }

    #[test]
    fn readers_visit_every_name_once_before_any_twice() {
        let mut seen = vec![0u32; 1000];
        for worker in 0..4 {
            let mut workload = Workload::new(mix(0), worker, 4);
            for _ in 0..500 {
                seen[workload.next_get(1000) as usize] += 1;
            }
        }
        assert!(seen.iter().all(|visits| *visits == 2));
    }
}
