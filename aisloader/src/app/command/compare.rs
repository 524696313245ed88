//! `aisloader compare`: is B faster than A?

use super::words::{Known, Words};
use crate::flags::units::{show_duration_ns, show_size};
use crate::report::analysis::compare::{Comparison, Verdict, compare};
use crate::report::analysis::log::RunLog;
use crate::report::analysis::quantity::{Metric, Quantity, Unit};
use crate::report::analysis::settings::differences;
use std::fmt::Write as _;
use std::process::ExitCode;

/// The usage text of the command.
pub(super) const SYNOPSIS: &str = "aisloader compare A.ndjson[,A2.ndjson...] B.ndjson[,B2.ndjson...] \
     [-metric throughput,p50,p99,p999,cpu] [-margin 2%] [-gate]
        is B faster than A? prints both values, B/A with its 95% interval and a verdict for each metric; with -gate,
        ends with 1 when B is slower in one of them (name one metric for a gate: each has its own chance to err)";

const KNOWN: [Known; 3] = [
    Known { name: "metric", has_value: true },
    Known { name: "margin", has_value: true },
    Known { name: "gate", has_value: false },
];
/// Something is slower, and the user wants to know.
const EXIT_SLOWER: u8 = 1;
/// Any number will do, as long as it is the same tomorrow.
const SEED: u64 = 0x5eed;
const GIB: f64 = (1u64 << 30) as f64;

/// Reads the files, prints the comparison.
pub(super) fn run(words: &[String]) -> Result<ExitCode, String> {
    let words = Words::parse(words, &KNOWN)?;
    let [a, b] = words.files.as_slice() else {
        return Err(format!("two groups of files are needed, not {}\n{SYNOPSIS}", words.files.len()));
    };
    let metrics = metrics(words.value("metric"))?;
    let margin = margin(words.value("margin").unwrap_or("2%"))?;
    let (a, b) = (read(a)?, read(b)?);
    let (a, b): (Vec<&RunLog>, Vec<&RunLog>) = (a.iter().collect(), b.iter().collect());
    let both: Vec<&RunLog> = a.iter().chain(&b).copied().collect();
    let quantities = Quantity::common(&both, &metrics);
    let found: Vec<Comparison> =
        quantities.iter().filter_map(|quantity| compare(&a, &b, quantity, margin, SEED)).collect();
    if found.is_empty() {
        return Err("the runs have no steady seconds with the same kind of operation".to_owned());
    }
    print!("{}{}{}", head(&a, &b), remarks(&a, &b), table(&found));
    let is_slower = found.iter().any(|comparison| comparison.verdict == Verdict::Slower);
    let is_gate = words.value("gate").is_some();
    Ok(if is_gate && is_slower { ExitCode::from(EXIT_SLOWER) } else { ExitCode::SUCCESS })
}

fn read(paths: &str) -> Result<Vec<RunLog>, String> {
    paths.split(',').map(|path| RunLog::read(path).map_err(|e| e.to_string())).collect()
}

fn metrics(names: Option<&str>) -> Result<Vec<Metric>, String> {
    let Some(names) = names else { return Ok(Metric::ALL.to_vec()) };
    let known = |name| Metric::parse(name).ok_or_else(|| format!("-metric: {name:?} is not {}", all_names()));
    names.split(',').map(|name| known(name.trim())).collect()
}

fn all_names() -> String {
    Metric::ALL.map(Metric::name).join(", ")
}

/// `2%` or `0.02`.
fn margin(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let value = number.trim().parse::<f64>().ok().map(|value| value * scale);
    value
        .filter(|margin| (0.0..10.0).contains(margin))
        .ok_or_else(|| format!("-margin: {text:?} is not a share such as 2% or 0.02, from 0 to 10 (1000%)"))
}

fn head(a: &[&RunLog], b: &[&RunLog]) -> String {
    let mut out = String::new();
    for (name, group) in [("A", a), ("B", b)] {
        let seconds: f64 = group.iter().flat_map(|log| log.steady()).map(|interval| interval.span_s).sum();
        let runs = if group.len() == 1 { "1 run".to_owned() } else { format!("{} runs", group.len()) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}: {} ({runs}, {seconds:.0} steady seconds)", paths(group));
    }
    out
}

fn paths(group: &[&RunLog]) -> String {
    group.iter().map(|log| log.path.as_str()).collect::<Vec<_>>().join(", ")
}

/// Warnings and notes that a reader needs before believing the table.
fn remarks(a: &[&RunLog], b: &[&RunLog]) -> String {
    let mut out = String::new();
    let both: Vec<&RunLog> = a.iter().chain(b).copied().collect();
    let mut say = |text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{text}");
    };
    for log in &both {
        log.warnings.iter().for_each(|warning| say(format!("warning: {}: {warning}", log.path)));
        let verdict = log.end.as_ref().map(|end| &end.verdict);
        if let Some(verdict) = verdict.filter(|verdict| !verdict.is_admissible) {
            say(format!("warning: {} is not admissible: {}", log.path, verdict.text));
        }
        for refusal in verdict.iter().flat_map(|verdict| &verdict.refusals) {
            let mark = if refusal.is_overridden { " (allowed by the user)" } else { "" };
            say(format!("warning: {}: {}: {}{mark}", log.path, refusal.rule, refusal.text));
        }
    }
    for difference in differences(&both).iter().filter(|difference| !difference.is_harmless()) {
        say(format!("warning: {} differs: {}", difference.name, difference.values.join(" | ")));
    }
    if both.iter().any(|log| log.run.version != both.first().map_or("", |first| &first.run.version)) {
        say("warning: the versions of the loader differ".to_owned());
    }
    if a.len() + b.len() == 2 {
        say("note: one run on each side: what changes from run to run is not seen; repeat, in turns"
            .to_owned());
    }
    out
}

fn table(found: &[Comparison]) -> String {
    let mut out = format!(
        "\n{:<22} {:>13} {:>13} {:>8}  {:<17} {}\n",
        "METRIC", "A", "B", "B/A", "95% interval", "verdict on B"
    );
    for comparison in found {
        let interval = match &comparison.interval {
            Ok((low, high)) => format!("{low:.3} .. {high:.3}"),
            Err(_) => "none".to_owned(),
        };
        let remark = match comparison.remark.as_str() {
            "" => String::new(),
            remark => format!(": {remark}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:<22} {:>13} {:>13} {:>8.3}  {interval:<17} {}{remark}",
            comparison.quantity.name(),
            shown(&comparison.quantity, comparison.a),
            shown(&comparison.quantity, comparison.b),
            comparison.ratio(),
            comparison.verdict.text(),
        );
    }
    out
}

/// A value with its unit.
fn shown(quantity: &Quantity, value: f64) -> String {
    match quantity {
        Quantity::Throughput { unit: Unit::Bytes, .. } => format!("{}/s", show_size(value)),
        Quantity::Throughput { unit: Unit::Names, .. } => format!("{value:.0} names/s"),
        Quantity::Throughput { unit: Unit::Ops, .. } => format!("{value:.0} ops/s"),
        // Nanoseconds of a log fit 64 bits; the cast saturates.
        Quantity::Latency { .. } => show_duration_ns(value as u64),
        Quantity::Cpu { unit: Unit::Bytes, .. } => format!("{:.3} s/GiB", value * GIB),
        Quantity::Cpu { .. } => format!("{:.1} us/op", value * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_shares() {
        assert_eq!(margin("2%"), Ok(0.02));
        assert_eq!(margin("0.05"), Ok(0.05));
        for text in ["", "%", "-1%", "x", "nan", "inf", "2000%"] {
            assert!(margin(text).unwrap_err().contains("-margin"), "{text}");
        }
    }

    #[test]
    fn metrics_are_listed() {
        assert_eq!(metrics(None).unwrap().len(), 5);
        assert_eq!(metrics(Some("p99, cpu")), Ok(vec![Metric::P99, Metric::Cpu]));
        assert!(metrics(Some("p98")).unwrap_err().contains("throughput, p50, p99, p999, cpu"));
    }
}
