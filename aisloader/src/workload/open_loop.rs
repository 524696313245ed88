//! The open loop: the spacing of arrivals, their number, and how many may be in flight.

use crate::flags::units::{parse_size, show_size};
use crate::flags::{FlagError, Parsed};
use serde::Serialize;

/// Beyond this a mistyped number would only exhaust memory.
const INFLIGHT_MAX: u64 = 1 << 20;
/// Where a search begins unless the user knows better.
const SWEEP_START: f64 = 100.0;

/// The spacing of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// At even distances.
    Uniform,
    /// At exponentially distributed distances, as independent users come.
    Poisson,
    /// When a trace says.
    Trace,
}

/// The rate of arrivals, over all cores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Operations a second.
    OpsPerS(f64),
    /// Bytes a second; becomes operations when the mean size of an operation is known.
    BytesPerS(f64),
    /// The arrivals of a trace.
    Traced,
}

/// An open loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OpenLoop {
    /// The spacing of arrivals.
    pub spacing: Spacing,
    /// The rate of arrivals.
    pub rate: Rate,
    /// Arrivals beyond this many in flight are dropped.
    pub inflight_max: usize,
}

impl OpenLoop {
    /// Reads `-arrival`, `-rate` and `-max-inflight`; `None` for a closed loop.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn from_flags(flags: &Parsed) -> Result<Option<Self>, FlagError> {
        let is_sweep = flags.boolean("find-max") || flags.is_given("rates");
        let arrival = if is_sweep && !flags.is_given("arrival") { "poisson" } else { flags.text("arrival") };
        let spacing = match arrival {
            "closed" if is_sweep => {
                return Err(FlagError("-arrival=closed has no rate that could be searched".into()));
            }
            "closed" => {
                let stray = ["rate", "max-inflight"].into_iter().find(|name| flags.is_given(name));
                return stray.map_or(Ok(None), |name| {
                    Err(FlagError(format!("-{name} is for an open loop: give -arrival=uniform or poisson")))
                });
            }
            "uniform" => Spacing::Uniform,
            "poisson" => Spacing::Poisson,
            "trace" if is_sweep || flags.is_given("rate") => {
                return Err(FlagError("-arrival=trace has a rate of its own".into()));
            }
            "trace" => Spacing::Trace,
            other => {
                return Err(FlagError(format!(
                    "-arrival: {other:?} is not closed, uniform, poisson or trace"
                )));
            }
        };
        let inflight_max = flags.uint("max-inflight");
        let fits = (1..=INFLIGHT_MAX).contains(&inflight_max);
        let Some(inflight_max) = usize::try_from(inflight_max).ok().filter(|_| fits) else {
            return Err(FlagError(format!(
                "-max-inflight: {inflight_max} is not within 1 and {INFLIGHT_MAX}"
            )));
        };
        let rate = match flags.text("rate") {
            _ if spacing == Spacing::Trace => Rate::Traced,
            "" if is_sweep => Rate::OpsPerS(SWEEP_START),
            text => Rate::parse(text)?,
        };
        Ok(Some(Self { spacing, rate, inflight_max }))
    }

    /// Operations a second over all cores; 0 as long as only the bytes are known, or where a trace decides.
    #[must_use]
    pub fn ops_per_s(&self) -> f64 {
        match self.rate {
            Rate::OpsPerS(rate) => rate,
            Rate::BytesPerS(_) | Rate::Traced => 0.0,
        }
    }

    /// The same with a rate in operations, for operations that move `mean_bytes` on average. `None` when they move
    /// nothing, so that no rate of bytes can be kept.
    #[must_use]
    pub fn resolved(&self, mean_bytes: f64) -> Option<Self> {
        match self.rate {
            Rate::OpsPerS(_) | Rate::Traced => Some(*self),
            Rate::BytesPerS(rate) if mean_bytes > 0.0 => {
                Some(Self { rate: Rate::OpsPerS(rate / mean_bytes), ..*self })
            }
            Rate::BytesPerS(_) => None,
        }
    }

    /// As people read it.
    #[must_use]
    pub fn shown(&self) -> String {
        let spacing = match self.spacing {
            Spacing::Uniform => "uniform",
            Spacing::Poisson => "Poisson",
            Spacing::Trace => "traced",
        };
        format!(
            "open loop, {spacing} arrivals at {}, at most {} in flight",
            self.rate.shown(),
            self.inflight_max
        )
    }
}

impl Rate {
    /// Reads `5000`, `5000/s` or `500MiB/s`.
    ///
    /// # Errors
    /// The text is no rate; the error says why.
    pub fn parse(text: &str) -> Result<Self, FlagError> {
        let bare = text.strip_suffix("/s").unwrap_or(text).trim();
        let rate = match bare.parse::<f64>() {
            Ok(ops) => Self::OpsPerS(ops),
            Err(_) if bare.is_empty() => {
                return Err(FlagError("-rate: an open loop needs one, such as 5000".into()));
            }
            Err(_) => Self::BytesPerS(parse_size(bare).unwrap_or(0) as f64),
        };
        match rate {
            Self::OpsPerS(value) | Self::BytesPerS(value) if value > 0.0 && value < 1e15 => Ok(rate),
            _ => Err(FlagError(format!("-rate: {text:?} is not a rate such as 5000 or 500MiB/s"))),
        }
    }

    /// As people read it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::OpsPerS(rate) if *rate < 10.0 => format!("{rate:.3} ops/s"),
            Self::OpsPerS(rate) => format!("{rate:.1} ops/s"),
            Self::Traced => "their own times".to_owned(),
            Self::BytesPerS(rate) => format!("{}/s", show_size(*rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(line: &str) -> Result<Option<OpenLoop>, FlagError> {
        OpenLoop::from_flags(&Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap())
    }

    #[test]
    fn rates_are_operations_or_bytes() {
        let table = [
            ("5000", Rate::OpsPerS(5000.0)),
            ("0.5", Rate::OpsPerS(0.5)),
            ("200/s", Rate::OpsPerS(200.0)),
            ("1.5MiB/s", Rate::BytesPerS(1_572_864.0)),
            ("4K", Rate::BytesPerS(4096.0)),
        ];
        for (text, want) in table {
            assert_eq!(Rate::parse(text).unwrap(), want, "{text}");
        }
        for text in ["", "0", "-5", "fast", "nan", "inf", "1e300", "5X/s"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_closed_loop_is_the_default_and_takes_no_rate() {
        assert_eq!(open("").unwrap(), None);
        let got = open("-arrival=poisson -rate=100 -max-inflight=8").unwrap().unwrap();
        assert_eq!((got.spacing, got.ops_per_s(), got.inflight_max), (Spacing::Poisson, 100.0, 8));
        let table = [
            ("-rate=5", "-rate is for an open loop"),
            ("-arrival=uniform", "-rate: an open loop needs one"),
            ("-arrival=sometimes -rate=5", "-arrival: \"sometimes\""),
            ("-arrival=trace -rate=5", "a rate of its own"),
            ("-find-max -arrival=closed", "-arrival=closed has no rate"),
            ("-arrival=uniform -rate=5 -max-inflight=0", "-max-inflight: 0"),
        ];
        for (line, want) in table {
            let error = open(line).unwrap_err();
            assert!(error.0.contains(want), "{line}: {error}");
        }
    }

    #[test]
    fn bytes_become_operations_by_their_mean_size() {
        let open = open("-arrival=uniform -rate=1MiB/s").unwrap().unwrap();
        assert_eq!(open.resolved(4096.0).unwrap().ops_per_s(), 256.0);
        assert_eq!(open.resolved(0.0), None);
    }
}
