//! The names of new objects: neither workers nor loaders ever write the same one.

use super::random::{Stream, draw};
use placement::mix;
use serde::Serialize;

/// Most virtual directories: five hexadecimal digits, as AIStore bounds them.
pub const SUBDIRS_MAX: u64 = 100_000;
const RANDOM_PARTS: u64 = 4;

/// The place of this loader among several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoaderId {
    /// The number of this loader.
    pub id: u64,
    /// Low bits of numbered names that carry `id`; 0: names do not carry it.
    pub bits: u32,
    /// The number of loaders; 0: nobody says.
    pub loaders: u64,
}

/// The rule by which names are made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Naming {
    /// Virtual directory that all names are in; empty: none.
    pub subdir: String,
    /// Numbered virtual directories below it; 0: none.
    pub subdirs: u64,
    /// 32 random characters instead of a number.
    pub is_random: bool,
    /// The loader whose number is added to names, or to the chance that makes them.
    pub loader: LoaderId,
}

/// Who names what for the how-manieth time.
#[derive(Clone, Copy, Debug)]
pub struct NewName {
    /// The run's seed.
    pub seed: u64,
    /// The worker.
    pub worker: u64,
    /// All workers of the run.
    pub workers: u64,
    /// Names that this worker has made before.
    pub count: u64,
}

impl Naming {
    /// Writes a name.
    pub fn write(&self, new: NewName, out: &mut String) {
        let number = new.count.wrapping_mul(new.workers).wrapping_add(new.worker);
        out.clear();
        if !self.subdir.is_empty() {
            out.push_str(&self.subdir);
            out.push('/');
        }
        if let Some(directory) = number.checked_rem(self.subdirs) {
            push_hex(out, directory, 5);
            out.push('/');
        }
        if self.is_random {
            let seed = if self.loader.id == 0 { new.seed } else { new.seed ^ mix(self.loader.id) };
            for part in 0..RANDOM_PARTS {
                let at = new.count.wrapping_mul(RANDOM_PARTS).wrapping_add(part);
                push_random(out, draw(seed, Stream::Name, new.worker, at), 8);
            }
        } else {
            push_hex(out, number.wrapping_shl(self.loader.bits) | self.loader.id_bits(), 16);
        }
    }
}

impl LoaderId {
    /// This loader's place among all, from 0 to below 1: so that what comes at even distances comes so from all together.
    #[must_use]
    pub fn phase(self) -> f64 {
        if self.loaders == 0 { 0.0 } else { self.id as f64 / self.loaders as f64 }
    }

    /// The seed of this loader's own decisions, in a run that was given `seed`. Loaders that were given the same one
    /// must not read the same names at the same time: the server would have each of them cached for the others.
    #[must_use]
    pub fn seed(self, seed: u64) -> u64 {
        if self.id == 0 { seed } else { mix(seed ^ mix(self.id)) }
    }

    /// The part of the id that goes into names.
    fn id_bits(self) -> u64 {
        1u64.checked_shl(self.bits).map_or(self.id, |end| self.id & end.wrapping_sub(1))
    }
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

fn push_hex(out: &mut String, number: u64, digits: u32) {
    for shift in (0..digits.saturating_mul(4)).step_by(4).rev() {
        let digit = u32::try_from((number >> shift) & 15).unwrap_or(0);
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn names(naming: &Naming) -> Vec<String> {
        let mut all = Vec::new();
        for worker in 0..3 {
            for count in 0..100 {
                let mut name = String::new();
                naming.write(NewName { seed: 7, worker, workers: 3, count }, &mut name);
                all.push(name);
            }
        }
        all
    }

    #[test]
    fn loaders_never_write_the_same_name() {
        let numbered = |id, bits| Naming { loader: LoaderId { id, bits, loaders: 0 }, ..Naming::default() };
        let random = |id| Naming { is_random: true, ..numbered(id, 0) };
        let mut seen = HashSet::new();
        let all =
            (0..20).flat_map(|id| names(&numbered(id, 8))).chain((0..20).flat_map(|id| names(&random(id))));
        assert!(all.into_iter().all(|name| seen.insert(name)));
        // AIStore's layout: the count above, the loader's id below.
        assert!(seen.contains("000000000000020b") && !seen.contains("0000000000000014"));
    }

    #[test]
    fn loaders_draw_differently_from_the_same_seed() {
        let seeds: HashSet<u64> =
            (0..1000).map(|id| LoaderId { id, ..LoaderId::default() }.seed(7)).collect();
        assert_eq!(seeds.len(), 1000);
        assert_eq!(LoaderId::default().seed(7), 7);
    }

    #[test]
    fn names_lie_in_their_directories() {
        let naming = Naming { subdir: "a/b".into(), subdirs: 7, ..Naming::default() };
        let all = names(&naming);
        let directories: HashSet<&str> = all.iter().filter_map(|name| name.get(..10)).collect();
        assert_eq!(directories.len(), 7);
        assert!(all.iter().all(|name| name.starts_with("a/b/0000") && name.len() == 26));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 300);
    }
}
