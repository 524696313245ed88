//! The table, and the files.

use super::failure::{Failure, Result, at};
use super::faults::Outcome;
use super::figures::{Cost, Row};
use super::model::Experiment;
use super::options::Options;
use super::process::run;
use super::usl::Estimate;
use super::verdict::{Bars, Verdict};
use crate::honesty::host::this_host;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MIB: f64 = (1u64 << 20) as f64;

/// Everything that came out.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    /// The options of the run.
    pub options: &'a Options,
    /// The measurements.
    pub experiment: &'a Experiment,
    /// The figures of each N.
    pub rows: &'a [Row],
    /// The law.
    pub estimate: Option<&'a Estimate>,
    /// The verdict on them.
    pub verdict: &'a Verdict,
    /// The outcome of the planted fault.
    pub outcome: Option<&'a Outcome>,
}

/// The table for people.
#[must_use]
pub fn table(results: &Results<'_>) -> String {
    let mut out = format!(
        "{:>3} {:>9} {:>9} {:>6} {:>6} {:>6} {:>6} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7} {:>6} {:>6} {:>7}\n",
        "N",
        "fio",
        "ours",
        "eta",
        "place",
        "queue",
        "reach",
        "server",
        "max/min",
        "Jain",
        "dev/pay",
        "grp/pay",
        "CPU/GiB",
        "p99x",
        "busy",
        "errors"
    );
    for row in results.rows {
        let balance = |value: Option<f64>, width: usize, digits: usize| {
            value.map_or(format!("{:>width$}", "-"), |value| format!("{value:>width$.digits$}"))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:>3} {:>9.1} {:>9.1} {:>6.3} {:>6.3} {:>6.3} {:>6.3} {:>7.3} {} {} {:>7.3} {:>7.3} {:>7.2} {:>6.2} {:>5.0}% {:>7}",
            row.disks,
            row.fio_bytes_per_s / MIB,
            row.bytes_per_s / MIB,
            row.eta,
            row.ceiling.place,
            row.ceiling.queue,
            row.ceiling.reach,
            row.eta_server,
            balance(row.balance.map(|balance| balance.max_over_min), 8, 3),
            balance(row.balance.map(|balance| balance.jain), 7, 4),
            row.device_ratio,
            row.group_ratio,
            row.cpu_s_per_gib,
            row.p99_ratio,
            row.machine_busy * 100.0,
            row.errors,
        );
    }
    out.push_str(
        "fio, ours: MiB/s. eta = ours/fio. What is possible: place, in the long run with this skew; queue, in such a round\n\
         without skew; reach, in such a round with it. server = eta/reach.\n\
         max/min, Jain: device bytes, skew apart. dev, grp: bytes the block layer and the control group count for a byte of payload.\n",
    );
    out.push_str(&law(results));
    let _ = writeln!(out, "verdict: {}", results.verdict.text);
    if let Some(outcome) = results.outcome {
        let word = if outcome.is_caught { "caught" } else { "NOT CAUGHT" };
        let _ = writeln!(out, "fault {word}: {}", outcome.text);
    }
    out
}

fn law(results: &Results<'_>) -> String {
    let mut out = String::new();
    if let Some(estimate) = results.estimate {
        let (law, sigma, kappa) = (estimate.law, estimate.sigma, estimate.kappa);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "law: one disk {:.1} MiB/s, sigma {:.5} [{:.5}, {:.5}], kappa {:.6} [{:.6}, {:.6}] (95 %, {} points)",
            law.gamma / MIB,
            law.sigma,
            sigma.low,
            sigma.high,
            law.kappa,
            kappa.low,
            kappa.high,
            estimate.points
        );
    }
    if let Some(cost) = Cost::of(results.rows) {
        let _ = writeln!(
            out,
            "cost: {:.2} processors whatever the load, and {:.2} CPU-s for each GiB",
            cost.standing_cpus, cost.cpu_s_per_gib
        );
    }
    let solo: f64 = results.experiment.solo_bytes_per_s.iter().sum();
    if let Some(last) = results.rows.last().filter(|_| solo > 0.0) {
        let _ = writeln!(out, "disks one by one over all at once, fio: {:.3}", solo / last.fio_bytes_per_s);
        if let Some(ceiling) = results.experiment.client_ceiling_bytes_per_s {
            let _ = writeln!(
                out,
                "loader against a server that does nothing: {:.0} MiB/s, {:.1} times the largest throughput",
                ceiling / MIB,
                ceiling / last.bytes_per_s
            );
        }
    }
    out
}

/// The same as data, with what is needed to judge and to repeat it.
#[must_use]
pub fn document(results: &Results<'_>, words: &[String]) -> Value {
    let host = this_host();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json!({
        "command": command_line(words),
        "commit": said(Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=40"])),
        "ended_unix_s": seconds,
        "host": {
            "kernel": host.kernel,
            "cpu": host.cpu,
            "cores": host.cores,
            "memory_bytes": host.memory_bytes,
            "fio": said(Command::new("fio").arg("--version")),
        },
        "options": results.options,
        "bars": Bars::default(),
        "rows": results.rows,
        "cost": Cost::of(results.rows),
        "law": results.estimate,
        "verdict": results.verdict,
        "fault": results.outcome,
        "experiment": results.experiment,
    })
}

/// Writes `OUT.json` and `OUT.svg`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(results: &Results<'_>, words: &[String], out: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(&document(results, words)).map_err(|e| Failure(e.to_string()))?;
    let svg = super::picture::draw(results.experiment, results.rows, results.estimate, results.verdict);
    for (ending, content) in [("json", text + "\n"), ("svg", svg)] {
        let file = out.with_extension(ending);
        fs::write(&file, content).map_err(at(&file))?;
    }
    Ok(())
}

/// The arguments; absolute paths say nothing to others and are left out.
fn command_line(words: &[String]) -> String {
    let shown = words.iter().map(|word| match word.split_once('=') {
        Some((name, value)) if value.starts_with('/') => format!("{name}=PATH"),
        _ if word.starts_with('/') => "PATH".to_owned(),
        _ => word.clone(),
    });
    ["aisloader".to_owned(), "scale".to_owned()].into_iter().chain(shown).collect::<Vec<_>>().join(" ")
}

fn said(command: &mut Command) -> Option<String> {
    run(command, Duration::from_secs(10), None).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::figures::{points, rows};
    use super::super::simulated::{Machine, experiment};
    use super::super::usl::estimate;
    use super::super::verdict::{Evidence, judge};
    use super::*;

    #[test]
    fn the_table_and_the_document_hold_the_verdict() {
        let experiment = experiment(&Machine::default());
        let rows = rows(&experiment);
        let estimate = estimate(&points(&experiment), 200, 1);
        let evidence = Evidence {
            rows: &rows,
            estimate: estimate.as_ref(),
            solo_bytes_per_s: &experiment.solo_bytes_per_s,
            client_ceiling_bytes_per_s: experiment.client_ceiling_bytes_per_s,
        };
        let verdict = judge(&evidence, &Bars::default());
        let options = Options::parse(&["-quick".to_owned()]).unwrap().unwrap();
        let outcome = Outcome { is_caught: false, text: "text".into() };
        let results = Results {
            options: &options,
            experiment: &experiment,
            rows: &rows,
            estimate: estimate.as_ref(),
            verdict: &verdict,
            outcome: Some(&outcome),
        };
        let text = table(&results);
        assert!(text.contains("verdict: no detectable contention up to N=8"), "{text}");
        assert!(text.contains("sigma") && text.contains("fault NOT CAUGHT: text"), "{text}");
        let words = ["-quick", "-dir", "/somewhere/else", "-out=/x/y"].map(str::to_owned);
        let document = document(&results, &words);
        assert_eq!(document["command"], "aisloader scale -quick -dir PATH -out=PATH");
        assert_eq!(document["rows"].as_array().unwrap().len(), 4);
        assert_eq!(document["verdict"]["is_linear"], true);
        assert!(document["options"].get("dir").is_none());
    }
}
