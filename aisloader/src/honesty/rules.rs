//! The rules that a run must meet for its figures to be quoted. Each is a function of the evidence; the user may allow
//! each by its name, and the result says so.

use super::evidence::Evidence;
use super::limit::{LOADER_BUSY_MAX, limit};
use super::steady::Finding;
use super::verdict::{Refusal, Verdict};
use crate::settings::Terms;

/// Steps of the wall clock beyond this make timelines worthless; slewing stays far below.
const CLOCK_STEP_MAX_S: f64 = 0.05;
/// Processor time that other guests may take.
const STOLEN_MAX: f64 = 0.01;
/// Device bytes for each byte of payload below which memory has served the rest.
const DEVICE_SHARE_LEAST: f64 = 0.90;
/// Lookups that the server's cache may answer.
const HIT_SHARE_MAX: f64 = 0.10;

/// A rule's name, the exit code of a run that breaks it, and its test: what it found, or nothing.
struct Rule {
    name: &'static str,
    exit_code: u8,
    test: fn(&Evidence, &Terms) -> Option<String>,
}

/// In the order of their weight: the first that refuses gives the exit code.
const RULES: [Rule; 9] = [
    Rule { name: "verification", exit_code: 5, test: verification },
    Rule { name: "agents", exit_code: 7, test: agents },
    Rule { name: "errors", exit_code: 1, test: errors },
    Rule { name: "client-saturated", exit_code: 3, test: client_saturated },
    Rule { name: "cache", exit_code: 6, test: cache },
    Rule { name: "not-steady", exit_code: 4, test: not_steady },
    Rule { name: "too-short", exit_code: 4, test: too_short },
    Rule { name: "clock-step", exit_code: 8, test: clock_step },
    Rule { name: "steal", exit_code: 8, test: steal },
];

/// Judges a run: what limited it, which rules it breaks, and the exit code that follows from the rules (0: none).
#[must_use]
pub fn judge(evidence: &Evidence, terms: &Terms) -> (Verdict, u8) {
    let (limit, text) = limit(evidence);
    let mut exit_code = 0;
    let mut refusals = Vec::new();
    for rule in RULES {
        let Some(found) = (rule.test)(evidence, terms) else { continue };
        let is_overridden = terms.allowed.contains(rule.name);
        if !is_overridden && exit_code == 0 {
            exit_code = rule.exit_code;
        }
        refusals.push(Refusal { rule: rule.name.to_owned(), text: found, is_overridden });
    }
    (Verdict { limit, text, is_admissible: exit_code == 0, refusals }, exit_code)
}

fn verification(evidence: &Evidence, _: &Terms) -> Option<String> {
    let count = evidence.verification_errors;
    (count > 0).then(|| format!("{count} answers had the wrong bytes"))
}

fn agents(evidence: &Evidence, _: &Terms) -> Option<String> {
    let lost: Vec<String> = evidence
        .agents
        .iter()
        .filter_map(|agent| Some(format!("{} ({})", agent.address, agent.lost.as_ref()?)))
        .collect();
    (!lost.is_empty()).then(|| {
        let (lost_count, all) = (lost.len(), evidence.agents.len());
        format!("PARTIAL: {lost_count} of {all} agents did not come to their end: {}", lost.join(", "))
    })
}

fn errors(evidence: &Evidence, terms: &Terms) -> Option<String> {
    let share = evidence.error_share();
    (share > terms.errors_max).then(|| {
        let (found, limit) = (share * 100.0, terms.errors_max * 100.0);
        format!("{found:.2} % of the operations failed, more than -max-errors={limit} %")
    })
}

fn client_saturated(evidence: &Evidence, _: &Terms) -> Option<String> {
    let busy = evidence.loader_busy();
    (busy > LOADER_BUSY_MAX).then(|| {
        let ((who, cores), busy_pct, most_pct) = (evidence.loader(), busy * 100.0, LOADER_BUSY_MAX * 100.0);
        format!(
            "{who} used {busy_pct:.0} % of its {cores} cores, more than {most_pct:.0} %: it measured itself"
        )
    })
}

/// Device counters are proof; the cache's own counters come next; sizes only say what could be.
fn cache(evidence: &Evidence, terms: &Terms) -> Option<String> {
    let reads = &evidence.reads;
    if terms.is_hot || reads.payload_bytes == 0 {
        return None;
    }
    if let Some(share) = reads.device_share() {
        let found =
            format!("the devices read {share:.2} bytes for each byte of payload: memory served the rest");
        return (share < DEVICE_SHARE_LEAST).then_some(found);
    }
    if let Some(share) = reads.hit_share().filter(|share| *share > HIT_SHARE_MAX) {
        return Some(format!("the server's cache answered {:.0} % of the lookups", share * 100.0));
    }
    let memory_bytes = reads.server_memory_bytes?;
    (reads.dataset_bytes < memory_bytes).then(|| {
        let mib = |bytes: u64| bytes >> 20;
        format!(
            "the working set ({} MiB) fits the server's memory ({} MiB), and its devices cannot be watched",
            mib(reads.dataset_bytes),
            mib(memory_bytes)
        )
    })
}

fn not_steady(evidence: &Evidence, _: &Terms) -> Option<String> {
    (evidence.steadiness.finding == Finding::NotSteady).then(|| evidence.steadiness.text.clone())
}

fn too_short(evidence: &Evidence, _: &Terms) -> Option<String> {
    (evidence.steadiness.finding == Finding::TooShort).then(|| evidence.steadiness.text.clone())
}

fn clock_step(evidence: &Evidence, _: &Terms) -> Option<String> {
    let step_s = evidence.clock_step_s;
    (step_s > CLOCK_STEP_MAX_S).then(|| format!("the wall clock jumped by {step_s:.3} s"))
}

fn steal(evidence: &Evidence, _: &Terms) -> Option<String> {
    let stolen = evidence.stolen();
    (stolen > STOLEN_MAX)
        .then(|| format!("other guests of the host took {:.1} % of the processors", stolen * 100.0))
}

#[cfg(test)]
mod tests {
    use super::super::agents::AgentFacts;
    use super::super::evidence::Reads;
    use super::super::steady::{find, judge as steady_judge};
    use super::*;

    fn clean() -> Evidence {
        let reads = Reads {
            payload_bytes: 1 << 30,
            device_bytes: Some(1 << 30),
            cache: Some((0, 100)),
            dataset_bytes: 1 << 30,
            server_memory_bytes: Some(8 << 30),
        };
        Evidence {
            window_s: 20.0,
            ops: 10_000,
            loader_cores: 2,
            machine_cores: 2,
            own_cpu_s: 5.0,
            machine_cpu_s: Some(20.0),
            stolen_s: Some(0.1),
            steadiness: find(&[100.0; 20]),
            reads,
            disk_busy: Some(0.5),
            ..Evidence::default()
        }
    }

    fn terms() -> Terms {
        Terms { errors_max: 0.01, ..Terms::default() }
    }

    #[test]
    fn every_rule_has_a_name_that_can_be_allowed() {
        assert_eq!(RULES.map(|rule| rule.name), crate::settings::terms::RULES);
    }

    #[test]
    fn a_clean_run_is_admissible() {
        let (verdict, exit_code) = judge(&clean(), &terms());
        assert!(verdict.is_admissible && verdict.refusals.is_empty() && exit_code == 0, "{verdict:?}");
    }

    #[test]
    fn every_planted_fault_turns_the_verdict_and_can_be_allowed() {
        let cached = |reads: Reads| Evidence { reads, ..clean() };
        let reads = clean().reads;
        let lost = AgentFacts { lost: Some("gone".into()), ..AgentFacts::default() };
        let growing: Vec<f64> = (0..30).map(|at| 100.0 + 10.0 * f64::from(at)).collect();
        let table = [
            (Evidence { verification_errors: 1, errors: 1, ..clean() }, "verification", 5),
            (Evidence { agents: vec![lost], ..clean() }, "agents", 7),
            (Evidence { errors: 200, ..clean() }, "errors", 1),
            (Evidence { own_cpu_s: 33.0, ..clean() }, "client-saturated", 3),
            (cached(Reads { device_bytes: Some(100 << 20), ..reads }), "cache", 6),
            (cached(Reads { device_bytes: None, cache: Some((50, 50)), ..reads }), "cache", 6),
            (cached(Reads { device_bytes: None, cache: None, ..reads }), "cache", 6),
            (Evidence { steadiness: find(&growing), ..clean() }, "not-steady", 4),
            (Evidence { steadiness: steady_judge(&[1.0; 3], 0), ..clean() }, "too-short", 4),
            (Evidence { clock_step_s: 0.5, ..clean() }, "clock-step", 8),
            (Evidence { stolen_s: Some(1.0), ..clean() }, "steal", 8),
        ];
        for (evidence, rule, want_code) in table {
            let (verdict, exit_code) = judge(&evidence, &terms());
            assert_eq!(
                verdict.refusals.iter().map(|r| r.rule.as_str()).collect::<Vec<_>>(),
                [rule],
                "{verdict:?}"
            );
            assert!(!verdict.is_admissible && exit_code == want_code, "{rule}: {exit_code}");
            let allowing = Terms { allowed: Terms::allow(rule).unwrap(), ..terms() };
            let (verdict, exit_code) = judge(&evidence, &allowing);
            assert!(
                verdict.is_admissible && verdict.refusals[0].is_overridden && exit_code == 0,
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn the_gravest_fault_gives_the_exit_code() {
        let evidence = Evidence { own_cpu_s: 33.0, clock_step_s: 1.0, verification_errors: 1, ..clean() };
        assert_eq!(judge(&evidence, &terms()).1, 5);
        let allowing = Terms { allowed: Terms::allow("verification, client-saturated").unwrap(), ..terms() };
        assert_eq!(judge(&evidence, &allowing).1, 8);
    }

    #[test]
    fn a_hot_run_may_be_hot_and_an_unknown_server_is_not_accused() {
        let reads = Reads { device_bytes: Some(0), ..clean().reads };
        let hot = Terms { is_hot: true, ..terms() };
        assert_eq!(judge(&Evidence { reads, ..clean() }, &hot).1, 0);
        let unknown = Reads { device_bytes: None, cache: None, server_memory_bytes: None, ..reads };
        assert_eq!(judge(&Evidence { reads: unknown, ..clean() }, &terms()).1, 0);
    }
}
