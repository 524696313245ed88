//! The judgement for people: below the table, refusals last, where they are seen.

use super::evidence::Reads;
use super::judgement::Judgement;
use crate::flags::units::show_size;
use std::fmt::Write as _;

/// Lines to print below the table.
#[must_use]
pub fn text(judgement: &Judgement) -> String {
    let (evidence, verdict) = (&judgement.evidence, &judgement.verdict);
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    if !evidence.steadiness.text.is_empty() {
        let left_out = match evidence.steadiness.warmup_s {
            0 => "all of the run counts".to_owned(),
            seconds => format!("the first {seconds} s do not count"),
        };
        let _ = writeln!(out, "STATE {}; {left_out}", evidence.steadiness.text);
    }
    if evidence.reads.payload_bytes > 0 {
        let _ = writeln!(out, "READS {}", reads(&evidence.reads));
    }
    let _ = writeln!(out, "LIMIT {}", verdict.text);
    for refusal in &verdict.refusals {
        let word = if refusal.is_overridden { "allowed" } else { "REFUSED" };
        let _ = writeln!(out, "{word} {}: {}", refusal.rule, refusal.text);
    }
    if !verdict.is_admissible {
        out.push_str(
            "These figures are not admissible. A rule can be waived by its name: -allow=RULE,RULE\n",
        );
    }
    out
}

fn reads(reads: &Reads) -> String {
    let served = show_size(reads.payload_bytes as f64);
    let device = match (reads.device_bytes, reads.device_share()) {
        (Some(bytes), Some(share)) => {
            format!("devices read {} for {served} of payload ({share:.2})", show_size(bytes as f64))
        }
        _ => format!("{served} of payload; what the devices read is not known"),
    };
    let cache = match (reads.cache, reads.hit_share()) {
        (Some((hits, misses)), Some(share)) => {
            format!("server cache: {hits} hits, {misses} misses ({:.0} %)", share * 100.0)
        }
        (Some(_), None) => "server cache: not asked".to_owned(),
        (None, _) => "server cache: not told".to_owned(),
    };
    format!("{device}; {cache}; objects known: about {}", show_size(reads.dataset_bytes as f64))
}
