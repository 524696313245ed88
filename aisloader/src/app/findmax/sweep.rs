//! Measurement after measurement.

use super::end::SweepEnd;
use super::knee::Knee;
use super::step::Step;
use super::table;
use crate::client::DirectMap;
use crate::engine::{Plan, run};
use crate::settings::{Config, Sweep};
use crate::workload::names::NameList;
use crate::workload::open_loop::{OpenLoop, Rate};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Data that all steps have in common.
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
