//! Measurement after measurement.

use super::knee::Knee;
use super::slo::Slo;
use super::step::Step;
use super::table;
use crate::config::Config;
use crate::engine::{DirectMap, Plan, run};
use crate::flags::{FlagError, Parsed};
use crate::names::NameList;
use crate::open_loop::{OpenLoop, Rate};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// These rates, in operations a second; empty: search for the highest that keeps the promise.
    pub rates: Vec<f64>,
    /// The promise; a search has one.
    pub slo: Option<Slo>,
    /// How long one rate is measured.
    pub step: Duration,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct SweepEnd {
    /// In the order of the measurements.
    pub steps: Vec<Step>,
    /// The highest rate that kept the promise.
    pub best: Option<f64>,
    /// True when the user ended it.
    pub is_interrupted: bool,
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

/// What all steps have in common.
pub struct Ground {
    /// The flags, resolved.
    pub config: Arc<Config>,
    /// Names to read.
    pub names: NameList,
    /// Where objects live, for `-direct`.
    pub direct: Option<DirectMap>,
    /// Set by Ctrl-C.
    pub interrupted: Arc<AtomicBool>,
}

/// Measures rate after rate and writes about it.
///
/// # Errors
/// When a measurement cannot be made, or nothing can be written. Failed operations are no error here.
pub fn sweep(ground: &Ground, open: &OpenLoop, sweep: &Sweep, out: &mut dyn Write) -> io::Result<SweepEnd> {
    let is_json = ground.config.output.is_json;
    if !is_json {
        out.write_all(table::head(sweep, &open.shown()).as_bytes())?;
    }
    let mut end = SweepEnd { steps: Vec::new(), best: None, is_interrupted: false };
    let (mut knee, mut listed) = (Knee::default(), sweep.rates.iter());
    let mut next = |knee: &Knee| match listed.len() {
        0 if sweep.rates.is_empty() => knee.next(open.ops_per_s()),
        _ => listed.next().copied(),
    };
    while let Some(rate) = next(&knee) {
        let Some(step) = measure(ground, open, sweep, rate)? else {
            end.is_interrupted = true;
            break;
        };
        knee.learn(rate, step.is_met == Some(true));
        if step.is_met == Some(true) {
            end.best = Some(end.best.map_or(rate, |best| best.max(rate)));
        }
        if !is_json {
            out.write_all(table::row(&step).as_bytes())?;
            out.flush()?;
        }
        end.steps.push(step);
    }
    let text = if is_json { format!("{}\n", json(ground, sweep, &end)) } else { table::foot(sweep, &end) };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(end)
}

fn json(ground: &Ground, sweep: &Sweep, end: &SweepEnd) -> serde_json::Value {
    serde_json::json!({
        "type": "sweep",
        "sweep": sweep,
        "steps": end.steps,
        "best": end.best,
        "interrupted": end.is_interrupted,
        "config": *ground.config,
    })
}

/// A run of its own at one rate; `None` when the user has ended it.
fn measure(ground: &Ground, open: &OpenLoop, sweep: &Sweep, rate: f64) -> io::Result<Option<Step>> {
    let mut config = (*ground.config).clone();
    config.open = Some(OpenLoop { rate: Rate::OpsPerS(rate), ..*open });
    config.bounds.duration = Some(sweep.step);
    // Every step draws anew; the same step of the same seed draws the same.
    config.mix.own_seed = placement::mix(config.mix.own_seed ^ rate.to_bits());
    let plan = Plan {
        config: Arc::new(config),
        names: ground.names.clone(),
        direct: ground.direct.clone(),
        interrupted: Arc::clone(&ground.interrupted),
    };
    let end = run(plan, &mut |_| {})?;
    let is_whole = !ground.interrupted.load(Ordering::Relaxed);
    Ok(is_whole.then(|| Step::new(rate, &end, sweep.slo.as_ref())))
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
