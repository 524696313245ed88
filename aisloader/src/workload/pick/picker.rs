//! Names for one worker, as places in the list of those that are known.

use super::draws::Draws;
use super::epochs::place_in_pass;
use super::popularity::Popularity;
use crate::workload::random::{Stream, draw, permute, scale};
use rand_distr::{Distribution, Zipf};

/// One worker's choices: a counter and the distribution.
#[derive(Clone, Debug)]
pub struct Picker {
    popularity: Popularity,
    seed: u64,
    /// Seed of what all loaders agree on.
    shared_seed: u64,
    worker: u64,
    workers: u64,
    taken: u64,
    zipf: Option<(u64, Zipf<f64>)>,
}

impl Picker {
    /// The choices of `worker`, one of `workers`; `popularity` is [resolved](Popularity::resolved).
    #[must_use]
    pub fn new(popularity: Popularity, seed: u64, worker: u64, workers: u64) -> Self {
        let workers = workers.max(1);
        Self { popularity, seed, shared_seed: seed, worker, workers, taken: 0, zipf: None }
    }

    /// The same with the hot names that all loaders with this seed have.
    #[must_use]
    pub fn sharing(self, shared_seed: u64) -> Self {
        Self { shared_seed, ..self }
    }

    /// The next name, as a place in `0..known`; 0 when nothing is known. The first `listed` names were there at the
    /// start: hot ones are scattered over these, and stay hot when `known` grows from call to call.
    pub fn next(&mut self, listed: u64, known: u64) -> u64 {
        let count = self.taken;
        self.taken = count.wrapping_add(1);
        let place = count.wrapping_mul(self.workers).wrapping_add(self.worker);
        let random = draw(self.seed, Stream::Pick, self.worker, count);
        match self.popularity {
            Popularity::Auto | Popularity::Uniform => scale(random, known),
            Popularity::Shuffle => place_in_pass(self.seed, place, known),
            Popularity::Seq => place.wrapping_add(self.start(known)).checked_rem(known).unwrap_or(0),
            Popularity::Zipf { theta } => {
                let rank = self.zipf_rank(theta, random, known);
                self.scatter(rank, listed.min(known))
            }
            Popularity::Latest { theta } => {
                let rank = self.zipf_rank(theta, random, known);
                known.saturating_sub(1).saturating_sub(rank)
            }
            Popularity::Hot { ops_pct, names_pct } => {
                let rank = hot_rank(ops_pct, names_pct, random, known);
                self.scatter(rank, listed.min(known))
            }
        }
    }

    /// Where a walk in the order of the list begins: for loaders that share a seed at places of their own.
    fn start(&self, known: u64) -> u64 {
        if self.seed == self.shared_seed { 0 } else { scale(self.seed, known) }
    }

    /// A rank in `0..known`, by rejection from an integrable hat: exact for every exponent, without a table.
    fn zipf_rank(&mut self, theta: f64, random: u64, known: u64) -> u64 {
        if known < 2 {
            return 0;
        }
        let fits = self.zipf.filter(|(len, _)| *len == known);
        // The exponent is above 0 and there is a name, so there is a distribution.
        let Some((_, zipf)) = fits.or_else(|| Some((known, Zipf::new(known as f64, theta).ok()?))) else {
            return 0;
        };
        self.zipf = Some((known, zipf));
        let rank = zipf.sample(&mut Draws::new(random)) as u64;
        rank.clamp(1, known).saturating_sub(1)
    }

    /// The name of a rank. The same for all workers and loaders, so that they agree on what is hot; neighbours in rank are no
    /// neighbours in the list, so that hot names do not share a prefix. Names added later take the ranks after those.
    fn scatter(&self, rank: u64, listed: u64) -> u64 {
        if rank < listed {
            permute(draw(self.shared_seed, Stream::Scatter, 0, 0), rank, listed)
        } else {
            rank
        }
    }
}

fn hot_rank(ops_pct: f64, names_pct: f64, random: u64, known: u64) -> u64 {
    if known < 2 {
        return 0;
    }
    let hot = ((known as f64 * names_pct / 100.0).ceil() as u64).clamp(1, known);
    let cold = known.saturating_sub(hot);
    let random_within = placement::mix(random);
    let is_hot = (random >> 11) as f64 / (1u64 << 53) as f64 * 100.0 < ops_pct;
    if is_hot || cold == 0 {
        scale(random_within, hot)
    } else {
        hot.saturating_add(scale(random_within, cold))
    }
}

#[cfg(test)]
#[path = "picker_tests.rs"]
mod tests;
