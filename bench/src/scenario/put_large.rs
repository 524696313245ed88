//! PUT of 1 MiB objects that are on the disk when the answer comes, beside fio with the same promise.

use super::{Context, NODE_PORT, Outcome};
use crate::Result;
use crate::figures::Figures;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::fio::Fio;
use crate::tools::loader::{Loader, Op};
use crate::tools::node::Node;
use crate::tools::{files, require};
use crate::work::MIB;
use std::path::Path;

const WORKERS: usize = 8;
const BUCKET: &str = "put";
/// What the fastest disk is taken to write at most, to ask for enough room: GiB/s.
const WRITE_GIB_PER_S_MAX: u64 = 3;

/// Measures; every round starts with an empty bucket or directory.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    require(&["fio"])?;
    context.work.require_gib((context.options.seconds * WRITE_GIB_PER_S_MAX).min(32) + 2)?;
    let node = Node::start(context, None, NODE_PORT)?;
    let loader = Loader {
        context,
        port: node.port,
        server: node.group(),
        bucket: BUCKET,
        op: Op::Put,
        op_bytes: MIB,
        workers: WORKERS,
        is_direct: false,
        cpus: String::new(),
    };
    let [whole, eighths] = [("1M", 1), ("128k", 8)].map(|(block, sync)| fio(context, block, sync));
    let dir = &context.work.path().join("fio");
    let files = || files::round(context, dir, WORKERS);
    let told = format!(
        "{WORKERS} threads of the runner: open O_CREAT|O_EXCL|O_DIRECT, write 1 MiB, fdatasync, close"
    );
    let contenders = vec![
        Contender {
            name: "fio 1M",
            command: whole.line(),
            round: Box::new(|| in_dir(dir, || whole.round())),
        },
        Contender {
            name: "fio 128k, sync each 8",
            command: eighths.line(),
            round: Box::new(|| in_dir(dir, || eighths.round())),
        },
        Contender { name: "new 1M files", command: told, round: Box::new(|| in_dir(dir, files)) },
        Contender {
            name: "aisnode, loader",
            command: loader.line(),
            round: Box::new(|| put_round(&node, &loader)),
        },
    ];
    let series = alternate(contenders, context.options.rounds)?;
    let of = "aisnode, loader";
    let pairs = [(of, "fio 1M"), (of, "fio 128k, sync each 8"), (of, "new 1M files")];
    Ok(Outcome {
        scenario: "put-large",
        what: format!(
            "PUT of 1 MiB, durability group, {WORKERS} at a time; fio's latency is that of a write, without the flush"
        ),
        servers: vec![node.line],
        ratios: ratios(&series, &pairs, &["gib_per_s", "server_cpu_s_per_gib", "machine_cpu_s_per_gib"]),
        series,
        columns: &[
            "gib_per_s",
            "ops_per_s",
            "server_cpu_s_per_gib",
            "machine_cpu_s_per_gib",
            "p50_us",
            "p99_us",
        ],
    })
}

/// Eight jobs, each appending to a new file of its own and flushing after every `sync` writes.
fn fio<'a>(context: &'a Context, block: &str, sync: u32) -> Fio<'a> {
    let dir = context.work.path().join("fio");
    let common =
        ["--rw=write", "--direct=1", "--ioengine=psync", "--fallocate=none", "--size=4g"].map(str::to_owned);
    let mut args = Vec::from(common);
    args.extend([format!("--bs={block}"), format!("--numjobs={WORKERS}"), format!("--fdatasync={sync}")]);
    args.push(format!("--directory={}", dir.display()));
    Fio { context, args, op_bytes: MIB as f64 }
}

/// A round in a new directory, which is removed afterwards.
fn in_dir(dir: &Path, round: impl FnOnce() -> Result<Figures>) -> Result<Figures> {
    std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let figures = round();
    std::fs::remove_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    settle();
    figures
}

fn put_round(node: &Node, loader: &Loader<'_>) -> Result<Figures> {
    node.create_bucket(BUCKET, "group")?;
    let figures = loader.round();
    node.destroy_bucket(BUCKET)?;
    settle();
    figures
}

/// Removing files leaves work for the journal; the next round should not pay for it.
pub(super) fn settle() {
    rustix::fs::sync();
}
