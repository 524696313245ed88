//! The cost of the three levels of durability: PUT of 64 KiB, and how many flushes a PUT takes.

use super::put_large::in_new_bucket;
use super::{Context, NODE_PORT, Outcome};
use crate::error::Result;
use crate::figures::Figures;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::loader::{Loader, Op};
use crate::tools::node::Node;

const WORKERS: usize = 32;
const SIZE: usize = 64 << 10;
const LEVELS: [&str; 3] = ["none", "group", "always"];

/// Measures; every round starts with an empty bucket.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    context.work.require_gib((context.options.seconds * context.options.rounds).min(48) + 2)?;
    let node = Node::start(context, None, NODE_PORT)?;
    let loader =
        |level: &str| Loader { op: Op::Put, workers: WORKERS, ..Loader::get(context, &node, level, SIZE) };
    let node = &node;
    let contender = |level: &'static str| {
        let loader = loader(level);
        Contender {
            name: level,
            command: loader.line(),
            round: Box::new(move || round(node, &loader, level)),
        }
    };
    let series = alternate(LEVELS.into_iter().map(contender).collect(), context.options.rounds)?;
    let compared = ["ops_per_s", "server_cpu_us_per_op", "p99_us"];
    Ok(Outcome {
        scenario: "durability",
        what: format!("PUT of 64 KiB, {WORKERS} at a time, at each level of durability"),
        servers: vec![node.line.clone()],
        ratios: ratios(&series, &[("group", "none"), ("always", "none"), ("group", "always")], &compared),
        series,
        columns: &[
            "ops_per_s",
            "gib_per_s",
            "server_cpu_us_per_op",
            "flushes_per_put",
            "commits_per_put",
            "p50_us",
            "p99_us",
        ],
    })
}

/// A round of PUT into a new bucket, with the flushes and commits that it takes.
pub(super) fn round(node: &Node, loader: &Loader<'_>, level: &str) -> Result<Figures> {
    const COUNTERS: [&str; 2] = ["straightline_flushes_total", "straightline_commits_total"];
    let [flushes, commits] = COUNTERS.map(|name| node.counter(name));
    let (flushes, commits) = (flushes?, commits?);
    let result = in_new_bucket(node, loader, level);
    let [flushes_after, commits_after] = COUNTERS.map(|name| node.counter(name));
    let mut figures = result?;
    let puts = figures.get("ops").copied().unwrap_or_default().max(1.0);
    figures.insert("flushes_per_put", (flushes_after? - flushes) / puts);
    figures.insert("commits_per_put", (commits_after? - commits) / puts);
    Ok(figures)
}
