//! Two builds of the loader in turns against the same node: does a change of its connections cost it anything?

use super::{Context, NODE_PORT, Outcome};
use crate::Result;
use crate::figures::Figures;
use crate::http::request;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::loader::{Loader, Op};
use crate::tools::node::Node;
use crate::work::MIB;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const SMALL: usize = 4096;
/// PUT is taken to write so much at most in one round, to ask for enough room: GiB/s.
const WRITE_GIB_PER_S_MAX: u64 = 2;

/// One comparison: the names of both builds' series, and the load.
struct Work {
    names: [&'static str; 2],
    op: Op,
    op_bytes: usize,
    workers: usize,
    /// Objects to read; all of them stay in the server's memory.
    objects: u64,
}

const WORKS: [Work; 4] = [
    Work {
        names: ["get 4 KiB, old", "get 4 KiB, new"],
        op: Op::Get,
        op_bytes: SMALL,
        workers: 64,
        objects: 256,
    },
    Work {
        names: ["get 1 MiB, old", "get 1 MiB, new"],
        op: Op::Get,
        op_bytes: MIB,
        workers: 16,
        objects: 64,
    },
    Work {
        names: ["put 4 KiB, old", "put 4 KiB, new"],
        op: Op::Put,
        op_bytes: SMALL,
        workers: 64,
        objects: 0,
    },
    Work { names: ["put 1 MiB, old", "put 1 MiB, new"], op: Op::Put, op_bytes: MIB, workers: 8, objects: 0 },
];

/// Fills what is read, then measures. Every round of PUT has a bucket of its own, which is destroyed after it.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    let old =
        context.options.old_loader.as_ref().ok_or("loaders needs --old-loader, the build to compare with")?;
    let old = old.canonicalize().map_err(|e| format!("{}: {e}", old.display()))?;
    context.work.require_gib(context.options.seconds * WRITE_GIB_PER_S_MAX + 2)?;
    let node = Node::start(context, None, NODE_PORT)?;
    let mut contenders = Vec::new();
    for work in &WORKS {
        let new = load(context, &node, work)?;
        let other = Loader { program: old.clone(), ..new.clone() };
        let [of_old, of_new] = work.names;
        contenders.extend([contender(&node, of_old, other, &old), contender(&node, of_new, new, &old)]);
    }
    let series = alternate(contenders, context.options.rounds)?;
    let pairs = WORKS.map(|Work { names: [of_old, of_new], .. }| (of_new, of_old));
    let compared = ["ops_per_s", "client_cpu_us_per_op", "client_cpu_s_per_gib"];
    Ok(Outcome {
        scenario: "loaders",
        what: "two builds of the loader in turns against one node: GET from its memory, PUT with durability none".to_owned(),
        servers: vec![node.line.clone()],
        ratios: ratios(&series, &pairs, &compared),
        series,
        columns: &["ops_per_s", "gib_per_s", "client_cpu_us_per_op", "client_cpu_s_per_gib", "server_cpu_us_per_op", "p99_us"],
    })
}

fn load<'a>(context: &'a Context, node: &Node, work: &Work) -> Result<Loader<'a>> {
    let kind = if work.op == Op::Get { "get" } else { "put" };
    let bucket = format!("{kind}-{}", work.op_bytes);
    let loader =
        Loader { op: work.op, workers: work.workers, ..Loader::get(context, node, &bucket, work.op_bytes) };
    if work.op == Op::Get {
        node.create_bucket(&bucket, "none")?;
        Loader { op: Op::Put, workers: 4, ..loader.clone() }.fill(work.objects)?;
    }
    Ok(loader)
}

fn contender<'a>(node: &'a Node, name: &'static str, loader: Loader<'a>, old: &Path) -> Contender<'a> {
    let command = loader.line().replace(&*old.to_string_lossy(), "OLD/aisloader");
    let round = move || if loader.op == Op::Get { loader.round() } else { put_round(node, &loader) };
    Contender { name, command, round: Box::new(round) }
}

fn put_round(node: &Node, loader: &Loader<'_>) -> Result<Figures> {
    static BUCKETS: AtomicUsize = AtomicUsize::new(0);
    let bucket = format!("{}-{}", loader.bucket, BUCKETS.fetch_add(1, Ordering::Relaxed));
    node.create_bucket(&bucket, "none")?;
    let figures = Loader { bucket: bucket.clone(), ..loader.clone() }.round();
    request(
        node.port,
        "DELETE",
        &format!("/v1/buckets/{bucket}?provider=ais"),
        r#"{"action":"destroy-bck"}"#,
    )?;
    // Bytes that were written and removed are work for the disk, for which the next round should not pay.
    rustix::fs::sync();
    figures
}
