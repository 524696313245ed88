//! PUT of 1 MiB objects that are on the disk when the answer comes, beside fio with the same promise.

use super::{Context, NODE_PORT, Outcome};
use crate::error::Result;
use crate::figures::Figures;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::fio::Fio;
use crate::tools::loader::{Loader, Op};
use crate::tools::node::Node;
use crate::tools::{files, require};
use crate::work::MIB;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const WORKERS: usize = 8;
/// The highest rate in GiB/s that PUT is taken to write at, to ask for enough room.
const WRITE_GIB_PER_S_MAX: u64 = 2;

/// Measures; every round starts with an empty bucket or directory.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    require(&["fio"])?;
    let seconds = context.options.seconds * (context.options.rounds + 1);
    context.work.require_gib((seconds * WRITE_GIB_PER_S_MAX).min(48) + 2)?;
    let node = Node::start(context, None, NODE_PORT)?;
    let loader = Loader { op: Op::Put, workers: WORKERS, ..Loader::get(context, &node, "put", MIB) };

    let [whole, eighths, each] =
        [("1M", 1), ("128k", 8), ("128k", 1)].map(|(block, sync)| fio(context, block, sync));
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
        Contender {
            name: "fio 128k, sync each",
            command: each.line(),
            round: Box::new(|| in_dir(dir, || each.round())),
        },
        Contender { name: "new 1M files", command: told, round: Box::new(|| in_dir(dir, files)) },
        Contender {
            name: "aisnode, loader",
            command: loader.line(),
            round: Box::new(|| in_new_bucket(&node, &loader, "group")),
        },
    ];
    let series = alternate(contenders, context.options.rounds)?;
    let of = "aisnode, loader";
    let pairs =
        [(of, "fio 1M"), (of, "fio 128k, sync each 8"), (of, "fio 128k, sync each"), (of, "new 1M files")];
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
pub(super) fn in_dir(dir: &Path, round: impl FnOnce() -> Result<Figures>) -> Result<Figures> {
    std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let figures = round();
    std::fs::remove_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    settle();
    figures
}

/// A round of PUT into a new bucket. It stays until the end of the run: for minutes ext4 steps over every inode that was
/// freed where it looks for a new one, and the next round would measure that.
pub(super) fn in_new_bucket(node: &Node, loader: &Loader<'_>, durability: &str) -> Result<Figures> {
    static BUCKETS: AtomicUsize = AtomicUsize::new(0);
    let bucket = format!("{}-{}", loader.bucket, BUCKETS.fetch_add(1, Ordering::Relaxed));
    node.create_bucket(&bucket, durability)?;
    let figures = Loader { bucket, ..loader.clone() }.round();
    settle();
    figures
}

/// Removing files leaves work for the journal; the next round should not pay for it.
fn settle() {
    rustix::fs::sync();
}
