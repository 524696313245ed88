//! The sizes of the objects that are written.

use super::draws::Draws;
use super::histogram;
use crate::flags::units::{parse_size, show_size};
use crate::workload::random::scale;
use placement::mix;
use rand_distr::weighted::WeightedAliasIndex;
use rand_distr::{Distribution, LogNormal};
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// Bounds of a log-normal distribution that are not given.
const LOGNORMAL_MIN_BYTES: u64 = 1;
const LOGNORMAL_MAX_BYTES: u64 = 1 << 40;
/// A log-normal distribution with less than this part of its sizes within the bounds is a mistake.
const INSIDE_LEAST: f64 = 0.01;
const TRIALS: u64 = 10_000;
/// At one size in a hundred within the bounds, this many fail together once in 10^17 times.
const TRIES_MAX: u64 = 4096;

/// A distribution of sizes. Cheap to clone.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Sizes {
    /// Each size from the least to the greatest equally likely.
    Uniform {
        /// The least.
        min_bytes: u64,
        /// The greatest.
        max_bytes: u64,
    },
    /// The logarithm of the size is normally distributed; sizes out of bounds are drawn again.
    Lognormal {
        /// Half of the sizes are below, before the bounds cut.
        median_bytes: u64,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
        /// The least.
        min_bytes: u64,
        /// The greatest.
        max_bytes: u64,
        /// Mean within the bounds, from a sample.
        mean_bytes: f64,
        /// The distribution itself.
        #[serde(skip)]
        law: LogNormal<f64>,
    },
    /// Some sizes, each with a weight.
    Weighted(#[serde(serialize_with = "summary")] Arc<Weighted>),
}

/// Sizes and their weights.
#[derive(Debug)]
pub struct Weighted {
    sizes_bytes: Vec<u64>,
    index: WeightedAliasIndex<f64>,
    mean_bytes: f64,
}

impl Weighted {
    /// Makes it of pairs of a size in bytes and a weight.
    fn new(pairs: &[(u64, f64)]) -> Result<Self, String> {
        let index = WeightedAliasIndex::new(pairs.iter().map(|(_, weight)| *weight).collect());
        let index = index.map_err(|e| format!("the weights make no distribution: {e}"))?;
        let total: f64 = pairs.iter().map(|(_, weight)| weight).sum();
        let mean_bytes = pairs.iter().map(|(size, weight)| *size as f64 * (weight / total)).sum();
        Ok(Self { sizes_bytes: pairs.iter().map(|(size, _)| *size).collect(), index, mean_bytes })
    }
}

impl Sizes {
    /// Reads `SIZE:WEIGHT,SIZE:WEIGHT,...`, `lognormal:MEDIAN,SIGMA` or `file:PATH`; the file is read at once.
    /// `min_bytes` and `max_bytes` are bounds that were given beside it.
    ///
    /// # Errors
    /// The text or the file is wrong; the error says why, and of a file names the line too.
    pub fn parse(text: &str, min_bytes: Option<u64>, max_bytes: Option<u64>) -> Result<Self, String> {
        if let Some(law) = text.strip_prefix("lognormal:") {
            let (min, max) =
                (min_bytes.unwrap_or(LOGNORMAL_MIN_BYTES), max_bytes.unwrap_or(LOGNORMAL_MAX_BYTES));
            return lognormal(law, min, max);
        }
        if min_bytes.is_some() || max_bytes.is_some() {
            return Err("minsize and maxsize bound lognormal sizes only; all others are given exactly".into());
        }
        let pairs = match text.strip_prefix("file:") {
            Some(path) => histogram::read(path)?.into_iter().map(|(size, n)| (size, n as f64)).collect(),
            None => text.split(',').map(weighted_size).collect::<Result<Vec<_>, _>>()?,
        };
        Ok(Self::Weighted(Arc::new(Weighted::new(&pairs)?)))
    }

    /// The size that belongs to a number that is uniform over 64 bits, in bytes.
    #[must_use]
    pub fn pick_bytes(&self, random: u64) -> u64 {
        match self {
            Self::Uniform { min_bytes, max_bytes } => {
                let span = max_bytes.saturating_sub(*min_bytes).saturating_add(1);
                min_bytes.saturating_add(scale(random, span))
            }
            Self::Lognormal { min_bytes, max_bytes, law, .. } => {
                let mut draws = Draws::new(random);
                let tries = (0..TRIES_MAX).map(|_| law.sample(&mut draws).round() as u64);
                let inside = tries.into_iter().find(|size| (*min_bytes..=*max_bytes).contains(size));
                inside.unwrap_or(*min_bytes)
            }
            Self::Weighted(weighted) => {
                let at = weighted.index.sample(&mut Draws::new(random));
                weighted.sizes_bytes.get(at).copied().unwrap_or(0)
            }
        }
    }

    /// The greatest size.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        match self {
            Self::Uniform { max_bytes, .. } | Self::Lognormal { max_bytes, .. } => *max_bytes,
            Self::Weighted(weighted) => weighted.sizes_bytes.iter().copied().max().unwrap_or(0),
        }
    }

    /// The mean.
    #[must_use]
    pub fn mean_bytes(&self) -> f64 {
        match self {
            Self::Uniform { min_bytes, max_bytes } => f64::midpoint(*min_bytes as f64, *max_bytes as f64),
            Self::Lognormal { mean_bytes, .. } => *mean_bytes,
            Self::Weighted(weighted) => weighted.mean_bytes,
        }
    }

    /// For people: `1.00MiB to 8.00MiB`.
    #[must_use]
    pub fn describe(&self) -> String {
        let range = |min: u64, max: u64| format!("{} to {}", show_size(min as f64), show_size(max as f64));
        match self {
            Self::Uniform { min_bytes, max_bytes } => range(*min_bytes, *max_bytes),
            Self::Lognormal { median_bytes, sigma, min_bytes, max_bytes, .. } => format!(
                "log-normal with a median of {} and a sigma of {sigma}, {}",
                show_size(*median_bytes as f64),
                range(*min_bytes, *max_bytes)
            ),
            Self::Weighted(weighted) => {
                let (min, max) = (weighted.sizes_bytes.iter().min(), weighted.sizes_bytes.iter().max());
                let range = range(min.copied().unwrap_or(0), max.copied().unwrap_or(0));
                let count = weighted.sizes_bytes.len();
                format!("{count} weighted sizes, {range}, mean {}", show_size(weighted.mean_bytes))
            }
        }
    }
}

/// The few facts of a histogram that are worth printing: it may have a million lines.
fn summary<S: Serializer>(weighted: &Arc<Weighted>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Summary {
        sizes: usize,
        min_bytes: u64,
        max_bytes: u64,
        mean_bytes: f64,
    }
    let sizes = &weighted.sizes_bytes;
    let (min, max) = (sizes.iter().min(), sizes.iter().max());
    Summary {
        sizes: sizes.len(),
        min_bytes: min.copied().unwrap_or(0),
        max_bytes: max.copied().unwrap_or(0),
        mean_bytes: weighted.mean_bytes,
    }
    .serialize(to)
}

/// `SIZE:WEIGHT`; a size alone weighs 1.
fn weighted_size(item: &str) -> Result<(u64, f64), String> {
    let (size, weight) = item.split_once(':').unwrap_or((item, "1"));
    let bytes = Some(size.trim()).filter(|size| !size.is_empty()).and_then(parse_size);
    let Some(bytes) = bytes else { return Err(format!("{size:?} of {item:?} is not a size")) };
    let weight = weight.trim().parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
    weight.map(|weight| (bytes, weight)).ok_or_else(|| format!("{item:?} is not SIZE:WEIGHT, as in 4KiB:70"))
}

fn lognormal(text: &str, min_bytes: u64, max_bytes: u64) -> Result<Sizes, String> {
    let wrong = || format!("lognormal:{text} is not lognormal:MEDIAN,SIGMA, as in lognormal:64KiB,1.5");
    let (median, sigma) = text.split_once(',').ok_or_else(wrong)?;
    let median_bytes = parse_size(median).filter(|bytes| *bytes > 0).ok_or_else(wrong)?;
    let sigma = sigma.trim().parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0).ok_or_else(wrong)?;
    let law = LogNormal::new((median_bytes as f64).ln(), sigma).map_err(|_| wrong())?;
    let tries = (0..TRIALS).map(|trial| law.sample(&mut Draws::new(mix(trial))).round() as u64);
    let inside: Vec<u64> = tries.filter(|size| (min_bytes..=max_bytes).contains(size)).collect();
    if (inside.len() as f64) < INSIDE_LEAST * TRIALS as f64 {
        return Err(format!(
            "lognormal:{text}: hardly any size is between minsize ({min_bytes} bytes) and maxsize ({max_bytes} bytes)"
        ));
    }
    let mean_bytes = inside.iter().map(|size| *size as f64).sum::<f64>() / inside.len() as f64;
    Ok(Sizes::Lognormal { median_bytes, sigma, min_bytes, max_bytes, mean_bytes, law })
}

#[cfg(test)]
#[path = "sizes_tests.rs"]
mod tests;
