//! A proof must be able to fail: each fault, planted in data, must turn the verdict, and the sound machine must pass.

use super::figures::{points, rows};
use super::model::Experiment;
use super::simulated::{Machine, experiment};
use super::usl::{Law, Point, estimate};
use super::verdict::{Bars, Cause, Evidence, Verdict, judge};

fn verdict_of(experiment: &Experiment) -> Verdict {
    let rows = rows(experiment);
    let estimate = estimate(&points(experiment), 500, 1);
    let evidence = Evidence {
        rows: &rows,
        estimate: estimate.as_ref(),
        solo_bytes_per_s: &experiment.solo_bytes_per_s,
        client_ceiling_bytes_per_s: experiment.client_ceiling_bytes_per_s,
    };
    judge(&evidence, &Bars::default())
}

fn causes(verdict: &Verdict) -> Vec<Cause> {
    verdict.findings.iter().map(|finding| finding.cause).collect()
}

fn refuted(machine: &Machine, cause: Cause, limit: &str, words: &str) -> Verdict {
    let verdict = verdict_of(&experiment(machine));
    assert!(!verdict.is_linear && causes(&verdict).contains(&cause), "{verdict:#?}");
    assert_eq!(verdict.limit, limit, "{verdict:#?}");
    assert!(verdict.text.contains(words), "{words}: {}", verdict.text);
    verdict
}

#[test]
fn a_straight_line_is_believed_and_bounded() {
    let verdict = verdict_of(&experiment(&Machine::default()));
    assert!(verdict.is_linear && verdict.limit == "disk", "{verdict:#?}");
    assert!(verdict.text.starts_with("no detectable contention up to N=8, sigma <= 0.0"), "{}", verdict.text);
}

#[test]
fn fault_1_a_halved_disk_governs_as_the_model_says() {
    let machine = Machine { last_disk: 0.5, ..Machine::default() };
    refuted(&machine, Cause::SlowDisk, "slow-disk", "disk 1 gives 0.50");
    let experiment = experiment(&machine);
    let row = rows(&experiment).pop().unwrap();
    // In the long run the total is N R / 2; in a round so short the deep queues still lend the others some work.
    assert!((row.ceiling.place * row.fio_bytes_per_s / (8.0 * 64e6 / 2.0) - 1.0).abs() < 1e-9, "{row:?}");
    assert!(row.ceiling.place < row.eta && row.eta < 0.7, "{row:?}");
    assert!((row.eta_server - 1.0).abs() < 0.05, "the model explains it: {row:?}");
}

#[test]
fn fault_2_directories_on_one_disk_do_not_scale() {
    let machine = Machine { is_one_disk: true, ..Machine::default() };
    let verdict = refuted(&machine, Cause::SharedDisk, "shared-disk", "they are not 8 disks");
    assert!(verdict.text.starts_with("the measurement is void"), "{}", verdict.text);
    assert!(causes(&verdict).contains(&Cause::Contention), "S(N) = 1 is sigma = 1: {verdict:#?}");
}

#[test]
fn fault_3_a_cache_is_refused() {
    let machine = Machine { cached: 0.3, ..Machine::default() };
    let verdict = refuted(&machine, Cause::Cache, "cache", "read only 0.700 bytes");
    assert!(verdict.text.starts_with("the measurement is void"), "{}", verdict.text);
}

#[test]
fn fault_4_a_starved_server_is_not_a_slow_disk() {
    let machine = Machine { server_quota: 150e6, ..Machine::default() };
    refuted(&machine, Cause::ServerCpu, "server-cpu", "CPU-limited, not disk-limited");
}

#[test]
fn fault_5_a_starved_loader_is_not_a_slow_server() {
    let machine = Machine { client_quota: 150e6, ..Machine::default() };
    refuted(&machine, Cause::ClientCpu, "client-cpu", "client-limited");
}

#[test]
fn fault_6_a_lock_makes_sigma_significant() {
    let locked = Machine { sigma: 0.05, ..Machine::default() };
    refuted(&locked, Cause::Contention, "server-contention", "contention sigma is 0.0");
    let serial = Machine { serial: 3.0 * 64e6, ..Machine::default() };
    let verdict = verdict_of(&experiment(&serial));
    assert!(matches!(verdict.limit, "server-contention"), "{verdict:#?}");
    assert!(causes(&verdict).contains(&Cause::Efficiency));
}

#[test]
fn what_cancels_out_is_no_contention() {
    let evidence = |law: Law| {
        let points = [1.0, 2.0, 4.0, 8.0, 1.0, 2.0, 4.0, 8.0];
        // Far less noise than a machine has: whatever is there is significant.
        let noise = [1.0, 1.0, 1.0, 1.0, 1.00001, 0.99999, 1.00001, 0.99999];
        let points = points.into_iter().zip(noise);
        let points: Vec<Point> =
            points.map(|(disks, noise)| Point { disks, throughput: law.at(disks) * noise }).collect();
        let (experiment, estimate) = (experiment(&Machine::default()), estimate(&points, 500, 1));
        let rows = rows(&experiment);
        let evidence = Evidence {
            rows: &rows,
            estimate: estimate.as_ref(),
            solo_bytes_per_s: &experiment.solo_bytes_per_s,
            client_ceiling_bytes_per_s: experiment.client_ceiling_bytes_per_s,
        };
        causes(&judge(&evidence, &Bars::default()))
    };
    assert_eq!(evidence(Law { gamma: 64.0, sigma: -0.001, kappa: 0.000_12 }), []);
    assert_eq!(evidence(Law { gamma: 64.0, sigma: 0.0, kappa: 0.0005 }), [Cause::Coherence]);
}

#[test]
fn fault_7_a_loader_without_headroom_proves_nothing() {
    let machine = Machine { client_ceiling: 1.5 * 8.0 * 64e6, ..Machine::default() };
    refuted(&machine, Cause::ClientCpu, "client-cpu", "only 1.5");
}

#[test]
fn fault_8_a_dead_disk_shows_in_the_errors() {
    let machine = Machine { is_last_dead: true, ..Machine::default() };
    let verdict = refuted(&machine, Cause::Errors, "unknown", "5000 requests failed at N=8");
    assert_eq!(causes(&verdict), [Cause::Errors], "the others keep their rate");
}

#[test]
fn imbalance_waste_and_growing_cost_are_found() {
    let uneven = Machine { surplus: 0.06, ..Machine::default() };
    refuted(&uneven, Cause::Imbalance, "unknown", "busiest disk moved 1.06");
    let dear = Machine { cost: (1.0, 0.1), ..Machine::default() };
    refuted(&dear, Cause::CostGrows, "unknown", "a GiB costs 1.00 CPU-s at N=1 and 1.30 at N=4");
    let cheaper = Machine { cost: (2.0, -0.1), ..Machine::default() };
    assert!(verdict_of(&experiment(&cheaper)).is_linear, "shared fixed costs are no fault");
}

#[test]
fn meters_that_disagree_stolen_time_and_a_full_machine_void_it() {
    let sound = experiment(&Machine::default());
    type Plant = fn(&mut super::model::LoadRound);
    let cases: [(Cause, Plant); 4] = [
        (Cause::Meters, |round| round.group_bytes.iter_mut().for_each(|bytes| *bytes *= 0.9)),
        (Cause::Stolen, |round| round.stolen = 0.02),
        (Cause::MachineCpu, |round| round.machine_busy = 0.95),
        (Cause::Amplification, |round| round.device_bytes.iter_mut().for_each(|bytes| *bytes *= 1.04)),
    ];
    for (cause, plant) in cases {
        let mut experiment = sound.clone();
        experiment.levels.iter_mut().flat_map(|level| &mut level.load).for_each(plant);
        let verdict = verdict_of(&experiment);
        assert!(causes(&verdict).contains(&cause), "{cause:?}: {verdict:#?}");
        assert_eq!(verdict.text.starts_with("the measurement is void"), verdict.findings[0].cause.is_void());
    }
}

#[test]
fn two_numbers_of_disks_are_no_proof() {
    let mut experiment = experiment(&Machine::default());
    experiment.levels.truncate(2);
    let verdict = verdict_of(&experiment);
    assert_eq!(causes(&verdict), [Cause::SharedDisk, Cause::TooFewPoints], "{verdict:#?}");
    experiment.levels.clear();
    assert!(!verdict_of(&experiment).is_linear, "nothing measured, nothing claimed");
}
