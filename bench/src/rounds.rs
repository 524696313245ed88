//! Alternating rounds: A B C, C B A, ...; so that what the machine does meanwhile, and what each leaves to the next, meets
//! all contenders alike.

use crate::child::check_interrupted;
use crate::error::Result;
use crate::figures::{Figures, median, medians};

/// One of those that are compared.
pub(crate) struct Contender<'a> {
    /// Unique in the scenario.
    pub(crate) name: &'static str,
    /// The command that is run, for the record.
    pub(crate) command: String,
    /// Does one round.
    pub(crate) round: Box<dyn FnMut() -> Result<Figures> + 'a>,
}

/// The results of a contender.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) command: String,
    pub(crate) rounds: Vec<Figures>,
    pub(crate) medians: Figures,
}

/// Does all rounds of all contenders in turn.
pub(crate) fn alternate(contenders: Vec<Contender<'_>>, rounds: u64) -> Result<Vec<Series>> {
    let mut series: Vec<(Contender<'_>, Vec<Figures>)> =
        contenders.into_iter().map(|c| (c, vec![])).collect();
    for number in 1..=rounds {
        let in_turn = series.iter_mut();
        let in_turn: Vec<_> = if number % 2 == 1 { in_turn.collect() } else { in_turn.rev().collect() };
        for (contender, done) in in_turn {
            check_interrupted()?;
            let figures = (contender.round)().map_err(|e| format!("{}: {e}", contender.name))?;
            let get = |name| figures.get(name).copied().unwrap_or_default();
            eprintln!(
                "round {number}/{rounds} {:<24} {:>10.0} ops/s {:>8.3} GiB/s",
                contender.name,
                get("ops_per_s"),
                get("gib_per_s")
            );
            done.push(figures);
        }
    }
    let finish = |(contender, rounds): (Contender<'_>, Vec<Figures>)| {
        let medians = medians(&rounds);
        Series { name: contender.name, command: contender.command, rounds, medians }
    };
    Ok(series.into_iter().map(finish).collect())
}

/// One contender's figure over another's.
pub(crate) struct Ratio {
    pub(crate) figure: &'static str,
    pub(crate) of: &'static str,
    pub(crate) to: &'static str,
    /// Ratio of the medians.
    pub(crate) of_medians: f64,
    /// Ratio within each round.
    pub(crate) of_rounds: Vec<f64>,
    /// Median of the latter.
    pub(crate) median_of_rounds: f64,
}

/// The ratios of `figures` between the pairs `(of, to)`; those that cannot be formed are left out.
pub(crate) fn ratios(
    series: &[Series],
    pairs: &[(&'static str, &'static str)],
    figures: &[&'static str],
) -> Vec<Ratio> {
    let find = |name: &str| series.iter().find(|one| one.name == name);
    let mut all = Vec::new();
    for (of, to) in pairs {
        let (Some(ours), Some(theirs)) = (find(of), find(to)) else { continue };
        for figure in figures {
            let (Some(a), Some(b)) = (ours.medians.get(figure), theirs.medians.get(figure)) else { continue };
            let rounds = ours.rounds.iter().zip(&theirs.rounds);
            let of_rounds: Vec<f64> =
                rounds.filter_map(|(a, b)| Some(a.get(figure)? / b.get(figure)?)).collect();
            let median_of_rounds = median(of_rounds.iter().copied()).unwrap_or(f64::NAN);
            all.push(Ratio { figure, of, to, of_medians: a / b, of_rounds, median_of_rounds });
        }
    }
    all
}
