//! `-find-max`, `-rates` and what belongs to them.

use super::slo::Slo;
use crate::flags::{FlagError, Parsed};
use crate::workload::open_loop::Rate;
use serde::Serialize;
use std::time::Duration;

/// The sweep that the user asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// These rates, in operations a second; empty: search for the highest that keeps the promise.
    pub rates: Vec<f64>,
    /// The promise; a search has one.
    pub slo: Option<Slo>,
    /// The time for which one rate is measured.
    pub step: Duration,
}

impl Sweep {
    /// Reads `-find-max`, `-rates`, `-slo` and `-find-step`; `None` for an ordinary run.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn from_flags(flags: &Parsed) -> Result<Option<Self>, FlagError> {
        let refuse = |why: String| Err(FlagError(why));
        let (is_search, list) = (flags.boolean("find-max"), flags.text("rates"));
        if !is_search && list.is_empty() {
            let stray = ["slo", "find-step"].into_iter().find(|name| flags.is_given(name));
            return stray.map_or(Ok(None), |name| refuse(format!("-{name} is for -find-max or -rates")));
        }
        let slo = Some(flags.text("slo")).filter(|text| !text.is_empty()).map(Slo::parse).transpose();
        let slo = slo.map_err(|why| FlagError(format!("-slo: {why}")))?;
        let step = flags.duration("find-step");
        let stray = ["duration", "maxops", "maxputs", "totalputsize", "ndjson", "record-trace"];
        if let Some(name) = stray.into_iter().find(|name| flags.is_given(name)) {
            return refuse(format!("-{name} is for one run; -find-step is how long each rate is measured"));
        }
        if is_search && (slo.is_none() || !list.is_empty()) {
            return refuse("-find-max needs a promise, such as -slo=p99=20ms, and no -rates".to_owned());
        }
        if step.is_zero() {
            return refuse("-find-step: a measurement must last".to_owned());
        }
        Ok(Some(Self { rates: rates(list)?, slo, step }))
    }
}

fn rates(list: &str) -> Result<Vec<f64>, FlagError> {
    let one = |text: &str| match Rate::parse(text.trim()) {
        Ok(Rate::OpsPerS(rate)) => Ok(rate),
        _ => Err(FlagError(format!("-rates: {text:?} is not a number of operations a second"))),
    };
    list.split(',').filter(|_| !list.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Sweep>, FlagError> {
        Sweep::from_flags(&Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap())
    }

    #[test]
    fn sweeps_are_read_or_refused() {
        assert_eq!(read("-pctput=5").unwrap(), None);
        let list = read("-rates=1000,2000,4e3 -find-step=2s").unwrap().unwrap();
        assert_eq!((list.rates, list.step), (vec![1000.0, 2000.0, 4000.0], Duration::from_secs(2)));
        assert!(read("-find-max -slo=p99=20ms").unwrap().unwrap().rates.is_empty());
        let table = [
            ("-find-max", "needs a promise"),
            ("-find-max -slo=p99", "-slo: \"p99\""),
            ("-slo=p99=1s", "-slo is for"),
            ("-rates=1,x", "-rates: \"x\""),
            ("-rates=1MiB/s", "-rates: \"1MiB/s\""),
            ("-rates=1 -duration=5s", "-duration is for one run"),
            ("-rates=1 -find-step=0", "-find-step"),
        ];
        for (line, want) in table {
            let error = read(line).unwrap_err();
            assert!(error.0.contains(want), "{line}: {error}");
        }
    }
}
