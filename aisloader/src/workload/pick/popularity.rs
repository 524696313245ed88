//! `-dist`: how often each name is used.

use serde::Serialize;

/// YCSB's skew: a common picture of caches and web traffic.
const LATEST_THETA: f64 = 0.99;

/// The way in which names are chosen for GET, and for all other operations on what exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Popularity {
    /// [`Shuffle`](Self::Shuffle) in a run that writes nothing, else [`Uniform`](Self::Uniform).
    #[default]
    Auto,
    /// Every name equally likely, each time anew.
    Uniform,
    /// One pseudo-random order after another: every name once before any twice, as far as the workers keep pace.
    Shuffle,
    /// The name of rank r (from 1) with a weight of r to the power of minus theta, ranks scattered over the names.
    Zipf {
        /// The exponent, above 0.
        theta: f64,
    },
    /// A part of the operations goes to a part of the names, the rest to the others; both evenly.
    Hot {
        /// Percentage of operations that go to hot names.
        ops_pct: f64,
        /// Percentage of names that are hot.
        names_pct: f64,
    },
    /// As Zipf, but the newest name has the first rank, the one before it the second, and so on.
    Latest {
        /// The exponent, above 0.
        theta: f64,
    },
    /// In the order of the list, from its start to its end and again; the workers share one walk.
    Seq,
}

impl Popularity {
    /// Reads `auto`, `uniform`, `shuffle`, `zipf:THETA`, `hot:A/B`, `latest`, `latest:THETA` or `seq`.
    ///
    /// # Errors
    /// The text is none of these; the error says why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, argument) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, argument) {
            ("auto", None) => Ok(Self::Auto),
            ("uniform", None) => Ok(Self::Uniform),
            ("shuffle", None) => Ok(Self::Shuffle),
            ("seq", None) => Ok(Self::Seq),
            ("latest", None) => Ok(Self::Latest { theta: LATEST_THETA }),
            ("latest", Some(theta)) => Ok(Self::Latest { theta: exponent(theta)? }),
            ("zipf", Some(theta)) => Ok(Self::Zipf { theta: exponent(theta)? }),
            ("hot", Some(shares)) => hot(shares),
            ("zipf", None) => Err("zipf needs an exponent, as in zipf:0.99".to_owned()),
            ("hot", None) => Err("hot needs two percentages, as in hot:90/10".to_owned()),
            _ => Err(format!(
                "{text:?} is not auto, uniform, shuffle, zipf:THETA, hot:A/B, latest, latest:THETA or seq"
            )),
        }
    }

    /// For people.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Auto | Self::Uniform => "all alike".to_owned(),
            Self::Shuffle => "each once before any twice".to_owned(),
            Self::Zipf { theta } => format!("Zipf with exponent {theta}"),
            Self::Latest { theta } => format!("the newest most, Zipf with exponent {theta}"),
            Self::Hot { ops_pct, names_pct } => format!("{ops_pct}% of operations on {names_pct}% of them"),
            Self::Seq => "in order".to_owned(),
        }
    }

    /// The choice that [`Auto`](Self::Auto) makes; every other one stays.
    #[must_use]
    pub fn resolved(self, is_writing: bool) -> Self {
        match self {
            Self::Auto if is_writing => Self::Uniform,
            Self::Auto => Self::Shuffle,
            other => other,
        }
    }
}

fn exponent(text: &str) -> Result<f64, String> {
    let theta = text.parse::<f64>().ok().filter(|theta| theta.is_finite() && *theta > 0.0);
    theta.ok_or_else(|| format!("{text:?} is not an exponent above 0"))
}

fn hot(shares: &str) -> Result<Popularity, String> {
    let pct = |text: &str| text.parse::<f64>().ok().filter(|pct| (0.0..=100.0).contains(pct));
    let pair = shares.split_once('/').and_then(|(ops, names)| Some((pct(ops)?, pct(names)?)));
    match pair {
        Some((ops_pct, names_pct)) if names_pct > 0.0 => Ok(Popularity::Hot { ops_pct, names_pct }),
        _ => Err(format!(
            "{shares:?} is not two percentages: hot:90/10 sends 90% of operations to 10% of names"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        let table = [
            ("auto", Popularity::Auto),
            ("uniform", Popularity::Uniform),
            ("shuffle", Popularity::Shuffle),
            ("seq", Popularity::Seq),
            ("zipf:1", Popularity::Zipf { theta: 1.0 }),
            ("zipf:0.99", Popularity::Zipf { theta: 0.99 }),
            ("latest", Popularity::Latest { theta: 0.99 }),
            ("latest:1.2", Popularity::Latest { theta: 1.2 }),
            ("hot:90/10", Popularity::Hot { ops_pct: 90.0, names_pct: 10.0 }),
            ("hot:0/0.5", Popularity::Hot { ops_pct: 0.0, names_pct: 0.5 }),
        ];
        for (text, want) in table {
            assert_eq!(Popularity::parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_text() {
        let table = [
            ("", "\"\""),
            ("normal", "\"normal\""),
            ("uniform:1", "\"uniform:1\""),
            ("zipf", "zipf:0.99"),
            ("zipf:0", "\"0\""),
            ("zipf:-1", "\"-1\""),
            ("zipf:nan", "\"nan\""),
            ("zipf:inf", "\"inf\""),
            ("hot", "hot:90/10"),
            ("hot:90", "\"90\""),
            ("hot:90/0", "\"90/0\""),
            ("hot:101/10", "\"101/10\""),
            ("hot:nan/10", "\"nan/10\""),
        ];
        for (text, want) in table {
            let error = Popularity::parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn only_auto_depends_on_writing() {
        assert_eq!(Popularity::Auto.resolved(true), Popularity::Uniform);
        assert_eq!(Popularity::Auto.resolved(false), Popularity::Shuffle);
        assert_eq!(Popularity::Seq.resolved(true), Popularity::Seq);
    }
}
