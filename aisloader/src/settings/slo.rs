//! The promise that a server shall keep.

use crate::flags::units::{parse_duration, show_duration_ns};
use serde::Serialize;

/// Limits of quantiles and of failures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slo {
    /// Limits of latency, counted from when operations were due.
    pub latency: Vec<Limit>,
    /// The share of arrivals that may fail or be dropped.
    pub error_share_max: f64,
}

/// The latency that a share of the operations shall not exceed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// Its name, such as `p99`.
    pub name: String,
    /// The share.
    pub quantile: f64,
    /// The latency.
    pub limit_ns: u64,
}

impl Slo {
    /// Reads `p99=20ms,p999=100ms,err=0.1%`.
    ///
    /// # Errors
    /// The part that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut slo = Self { latency: Vec::new(), error_share_max: 0.0 };
        for part in text.split(',') {
            let bad = || format!("{part:?} is neither a limit such as p99=20ms nor err=0.1%");
            let (name, value) = part.trim().split_once('=').ok_or_else(bad)?;
            if name == "err" {
                slo.error_share_max = parse_share(value).ok_or_else(bad)?;
                continue;
            }
            let quantile = parse_quantile(name).ok_or_else(bad)?;
            let limit = parse_duration(value).filter(|limit| !limit.is_zero()).ok_or_else(bad)?;
            let limit_ns = u64::try_from(limit.as_nanos()).map_err(|_| bad())?;
            slo.latency.push(Limit { name: name.to_owned(), quantile, limit_ns });
        }
        if slo.latency.is_empty() {
            return Err(format!("{text:?} limits no latency"));
        }
        Ok(slo)
    }

    /// The promise as people read it.
    #[must_use]
    pub fn shown(&self) -> String {
        let limits = self
            .latency
            .iter()
            .map(|limit| format!("{} <= {}", limit.name, show_duration_ns(limit.limit_ns)));
        let errors = format!("failed or dropped <= {}%", self.error_share_max * 100.0);
        limits.chain([errors]).collect::<Vec<_>>().join(", ")
    }
}

/// `p50`, `p99`, `p999` and `p99.9`.
fn parse_quantile(name: &str) -> Option<f64> {
    let digits = name.strip_prefix('p').filter(|digits| digits.len() >= 2)?;
    let (whole, more) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(more) || (digits.contains('.') && whole.len() != 2) {
        return None;
    }
    let share = format!("0.{whole}{more}").parse::<f64>().ok()?;
    (share > 0.0 && share < 1.0).then_some(share)
}

fn parse_share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok()? / 100.0,
        None => text.parse::<f64>().ok()?,
    };
    (0.0..1.0).contains(&share).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_read_or_refused() {
        let slo = Slo::parse("p99=20ms, p999=1s,p99.9=2s,err=0.1%").unwrap();
        let got: Vec<(f64, u64)> = slo.latency.iter().map(|limit| (limit.quantile, limit.limit_ns)).collect();
        assert_eq!(got, [(0.99, 20_000_000), (0.999, 1_000_000_000), (0.999, 2_000_000_000)]);
        assert!((slo.error_share_max - 0.001).abs() < 1e-12);
        for text in
            ["", "p99", "p99=fast", "p9=1s", "q99=1s", "p100.0=1s", "err=1%", "p99=1s,err=100%", "p-9=1s"]
        {
            assert!(Slo::parse(text).is_err(), "{text}");
        }
    }
}
