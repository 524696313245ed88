//! PUT of 4 KiB objects that are on the disk when the answer comes, beside fio with the same promise.

use super::durability::round;
use super::put_large::in_dir;
use super::{Context, NODE_PORT, Outcome};
use crate::error::Result;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::fio::Fio;
use crate::tools::loader::{Loader, Op};
use crate::tools::node::Node;
use crate::tools::require;

const CONNECTIONS: usize = 64;
const JOBS: usize = 32;
const SIZE: usize = 4096;

/// Measures; every round starts with an empty bucket or directory.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    require(&["fio"])?;
    context.work.require_gib((context.options.seconds * context.options.rounds).min(48) / 4 + 2)?;
    let node = Node::start(context, None, NODE_PORT)?;
    let loader = |level: &str| Loader {
        op: Op::Put,
        workers: CONNECTIONS,
        ..Loader::get(context, &node, &format!("small-{level}"), SIZE)
    };
    let (group, none, fio) = (loader("group"), loader("none"), fio(context));
    let dir = &context.work.path().join("fio");
    let contenders = vec![
        Contender { name: "fio", command: fio.line(), round: Box::new(|| in_dir(dir, || fio.round())) },
        Contender { name: "group", command: group.line(), round: Box::new(|| round(&node, &group, "group")) },
        Contender { name: "none", command: none.line(), round: Box::new(|| round(&node, &none, "none")) },
    ];
    let series = alternate(contenders, context.options.rounds)?;
    let compared = ["ops_per_s", "server_cpu_us_per_op", "machine_cpu_us_per_op"];
    Ok(Outcome {
        scenario: "put-small",
        what: format!(
            "PUT of 4 KiB, {CONNECTIONS} connections, durability group and none; fio: {JOBS} jobs of random write and \
             fsync, whose latency is that of the write, flush_p50_us and flush_p99_us that of the fsync after it"
        ),
        servers: vec![node.line.clone()],
        ratios: ratios(&series, &[("group", "fio"), ("group", "none")], &compared),
        series,
        columns: &[
            "ops_per_s",
            "flushes_per_put",
            "server_cpu_us_per_op",
            "machine_cpu_us_per_op",
            "machine_busy_share",
            "p50_us",
            "p99_us",
            "flush_p99_us",
        ],
    })
}

/// Each job writes at random to a file of its own, flushed after every write.
fn fio(context: &Context) -> Fio<'_> {
    let dir = context.work.path().join("fio");
    let common = ["--rw=randwrite", "--bs=4k", "--size=8m", "--direct=1", "--ioengine=psync", "--fsync=1"];
    let args = common.into_iter().map(str::to_owned).chain([
        format!("--numjobs={JOBS}"),
        "--group_reporting".to_owned(),
        format!("--directory={}", dir.display()),
    ]);
    Fio { context, args: args.collect(), op_bytes: SIZE as f64 }
}
