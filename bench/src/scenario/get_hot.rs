//! Random GET of 1 MiB objects that are in the server's memory, beside the disk and beside a server without the memory.

use super::{Context, NODE_PORT, Outcome, SECOND_NODE_PORT, SMALL_MEMORY};
use crate::device::{Device, with_reads};
use crate::error::Result;
use crate::figures::Figures;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::fio::Fio;
use crate::tools::loader::{Loader, Op};
use crate::tools::node::{Node, Setup};
use crate::tools::require;
use crate::work::{MIB, noise, write_file};

const DEPTH: usize = 16;
const BUCKET: &str = "hot";
const MEMORY: &str = "3GiB";
const OBJECTS: u64 = 512;
const PASSES_MAX: u32 = 8;
/// The set counts as cached from this share of hits in a pass on.
const HITS_ENOUGH: f64 = 0.99;

/// Prepares the three data sets, then measures.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    require(&["fio"])?;
    let objects = context.options.objects.unwrap_or(OBJECTS);
    context.work.require_gib((objects >> 10) * 3 + 4)?;
    let start = |memory: &str, dir, port| {
        Node::start_as(context, &Setup { cores: None, memory: Some(memory.to_owned()), dir, port })
    };
    let hot = start(MEMORY, "hot", NODE_PORT)?;
    let cold = start(SMALL_MEMORY, "cold", SECOND_NODE_PORT)?;
    let [ours, theirs] =
        [&hot, &cold].map(|node| Loader { workers: DEPTH, ..Loader::get(context, node, BUCKET, MIB) });
    eprintln!("writing three data sets of {objects} MiB");
    for (node, loader) in [(&hot, &ours), (&cold, &theirs)] {
        node.create_bucket(BUCKET, "none")?;
        Loader { op: Op::Put, ..loader.clone() }.fill(objects)?;
    }
    write_file(&context.work.path().join("fio.data"), &noise(), objects)?;
    let (passes, share) = warm_up(&hot, &ours, objects)?;
    let what = format!(
        "random GET of 1 MiB from {objects} objects, {DEPTH} at a time; after {passes} warm-up passes {:.1} % of the \
         last one's reads were hits of the cache",
        share * 100.0
    );
    measure(context, [&hot, &cold], [&ours, &theirs], what)
}

/// Reads all until the cache has all; gives the passes that took, and the share of hits in the last one.
fn warm_up(node: &Node, loader: &Loader<'_>, objects: u64) -> Result<(u32, f64)> {
    let mut share = 0.0;
    for pass in 1..=PASSES_MAX {
        let figures = with_hits(node, || loader.pass(objects))?;
        share = figures.get("cache_hit_share").copied().unwrap_or_default();
        if share >= HITS_ENOUGH {
            return Ok((pass, share));
        }
    }
    eprintln!("bench: the cache does not hold the set: {:.1} % hits", share * 100.0);
    Ok((PASSES_MAX, share))
}

/// Adds the share of hits among the look-ups in the object cache; 0 when nothing was looked up.
fn with_hits(node: &Node, round: impl FnOnce() -> Result<Figures>) -> Result<Figures> {
    const COUNTERS: [&str; 2] = ["straightline_cache_hits_total", "straightline_cache_misses_total"];
    let [hits, misses] = node.counters(COUNTERS)?;
    let mut figures = round()?;
    let [hits_after, misses_after] = node.counters(COUNTERS)?;
    let looked_up = hits_after - hits + misses_after - misses;
    figures.insert("cache_hit_share", (hits_after - hits) / looked_up.max(1.0));
    Ok(figures)
}

fn fio(context: &Context) -> Fio<'_> {
    let common = ["--rw=randread", "--bs=1M", "--direct=1", "--ioengine=io_uring", "--norandommap"];
    let data = context.work.path().join("fio.data");
    let args = common
        .into_iter()
        .map(str::to_owned)
        .chain([format!("--iodepth={DEPTH}"), format!("--filename={}", data.display())]);
    Fio { context, args: args.collect(), op_bytes: MIB as f64 }
}

fn measure(context: &Context, nodes: [&Node; 2], loaders: [&Loader<'_>; 2], what: String) -> Result<Outcome> {
    let device = Device::of(context.work.path())?;
    let device = device.as_ref();
    let disk = fio(context);
    let ours = |node, loader: &Loader<'_>| with_reads(device, MIB, || with_hits(node, || loader.round()));
    let ([hot, cold], [hot_loader, cold_loader]) = (nodes, loaders);
    let through = |is_cached| {
        cold.set_read_cache(BUCKET, is_cached)?;
        ours(cold, cold_loader)
    };
    let contenders = vec![
        Contender {
            name: "fio",
            command: disk.line(),
            round: Box::new(|| with_reads(device, MIB, || disk.round())),
        },
        Contender { name: "cold", command: cold_loader.line(), round: Box::new(|| through(true)) },
        Contender {
            name: "cold, read_cache off",
            command: cold_loader.line(),
            round: Box::new(|| through(false)),
        },
        Contender { name: "hot", command: hot_loader.line(), round: Box::new(|| ours(hot, hot_loader)) },
    ];
    let series = alternate(contenders, context.options.rounds)?;
    let compared = ["gib_per_s", "server_cpu_s_per_gib", "machine_cpu_s_per_gib"];
    Ok(Outcome {
        scenario: "get-hot",
        what,
        servers: nodes.map(|node| node.line.clone()).to_vec(),
        ratios: ratios(
            &series,
            &[("hot", "fio"), ("hot", "cold"), ("cold", "cold, read_cache off")],
            &compared,
        ),
        series,
        columns: &[
            "gib_per_s",
            "ops_per_s",
            "server_cpu_s_per_gib",
            "machine_cpu_s_per_gib",
            "machine_busy_share",
            "device_bytes_per_byte",
            "cache_hit_share",
            "p99_us",
        ],
    })
}
