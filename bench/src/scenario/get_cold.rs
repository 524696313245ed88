//! Random GET of 4 KiB objects from a set that is many times the server's caches, beside fio at the same depth.

use super::{Context, NODE_PORT, Outcome, SMALL_MEMORY};
use crate::device::{Device, with_reads};
use crate::error::Result;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::fio::Fio;
use crate::tools::loader::{Loader, Op};
use crate::tools::node::{Node, Setup, Shares};
use crate::tools::require;
use crate::work::{MIB, noise, write_file};

const SIZE: usize = 4096;
const BUCKET: &str = "cold";
/// The set is this many times as large as the caches, those of the index included.
const TIMES: u64 = 20;
const DEPTHS: [usize; 2] = [64, 16];
/// So many connections keep the processors busy: they set the rate then.
const CONNECTIONS_FULL: usize = 256;
const JOBS: usize = 2;

/// Prepares both data sets, then measures.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    require(&["fio"])?;
    context.work.require_gib(context.options.size_gib * 3 + 2)?;
    let memory = context.options.memory.clone().or(Some(SMALL_MEMORY.to_owned()));
    let node = Node::start_as(context, &Setup { cores: None, memory, dir: "ais", port: NODE_PORT })?;
    let shares = node.shares.ok_or("the node does not say how much memory its caches have")?;
    let objects = objects(context, &shares);
    let caches = shares.cores * (shares.cache + shares.index);
    let times = (objects * SIZE as u64) as f64 / caches.max(1) as f64;
    eprintln!("writing two data sets of {objects} times 4 KiB: {times:.1} times the caches");
    node.create_bucket(BUCKET, "none")?;
    let loader = Loader::get(context, &node, BUCKET, SIZE);
    Loader { op: Op::Put, ..loader.clone() }.fill(objects)?;
    let blocks = (objects * SIZE as u64).div_ceil(MIB as u64);
    write_file(&context.work.path().join("fio.data"), &noise(), blocks)?;
    let what = format!(
        "random GET of 4 KiB from {objects} objects, {times:.1} times the server's caches of {} MiB; fio: 4 KiB \
         O_DIRECT from one file of the same size",
        caches >> 20
    );
    measure(context, &node, &loader.of_names(objects)?, what)
}

/// The number of objects that this takes, bounded by the options.
fn objects(context: &Context, shares: &Shares) -> u64 {
    let caches = shares.cores * (shares.cache + shares.index);
    let wanted = (TIMES * caches).min(context.options.size_gib << 30) / SIZE as u64;
    context.options.objects.unwrap_or(wanted).max(1000)
}

fn fio(context: &Context, depth: usize) -> Fio<'_> {
    let common = ["--rw=randread", "--bs=4k", "--direct=1", "--ioengine=io_uring", "--norandommap"];
    let args = common.into_iter().map(str::to_owned).chain([
        format!("--numjobs={JOBS}"),
        format!("--iodepth={}", depth / JOBS),
        "--group_reporting".to_owned(),
        format!("--filename={}", context.work.path().join("fio.data").display()),
    ]);
    Fio { context, args: args.collect(), op_bytes: SIZE as f64 }
}

fn measure(context: &Context, node: &Node, loader: &Loader<'_>, what: String) -> Result<Outcome> {
    let device = Device::of(context.work.path())?;
    let device = device.as_ref();
    let [disk, disk_few] = DEPTHS.map(|depth| fio(context, depth));
    let [ours, ours_few] = DEPTHS.map(|workers| Loader { workers, ..loader.clone() });
    let direct = Loader { is_direct: true, ..ours.clone() };
    let full = Loader { workers: CONNECTIONS_FULL, ..direct.clone() };
    let raw = |name, fio| served_by_fio(name, fio, device);
    let served = |name, loader, is_cached| served_by_node(name, loader, node, is_cached, device);
    let contenders = vec![
        raw("fio, 64", &disk),
        served("aisnode, 64", &ours, true),
        served("aisnode, 64, read_cache off", &ours, false),
        served("aisnode, 64, -direct", &direct, true),
        served("aisnode, 256, -direct", &full, true),
        raw("fio, 16", &disk_few),
        served("aisnode, 16", &ours_few, true),
    ];
    let series = alternate(contenders, context.options.rounds)?;
    let compared = ["ops_per_s", "p99_us", "machine_cpu_us_per_op"];
    Ok(Outcome {
        scenario: "get-cold",
        what,
        servers: vec![node.line.clone()],
        ratios: ratios(
            &series,
            &[
                ("aisnode, 64", "fio, 64"),
                ("aisnode, 64", "aisnode, 64, read_cache off"),
                ("aisnode, 64, -direct", "fio, 64"),
                ("aisnode, 256, -direct", "fio, 64"),
                ("aisnode, 16", "fio, 16"),
            ],
            &compared,
        ),
        series,
        columns: &[
            "ops_per_s",
            "p50_us",
            "p99_us",
            "p999_us",
            "server_cpu_us_per_op",
            "machine_cpu_us_per_op",
            "machine_busy_share",
            "device_bytes_per_byte",
        ],
    })
}

fn served_by_fio<'r>(name: &'static str, fio: &'r Fio<'_>, device: Option<&'r Device>) -> Contender<'r> {
    Contender { name, command: fio.line(), round: Box::new(move || with_reads(device, SIZE, || fio.round())) }
}

fn served_by_node<'r>(
    name: &'static str,
    loader: &'r Loader<'_>,
    node: &'r Node,
    is_cached: bool,
    device: Option<&'r Device>,
) -> Contender<'r> {
    let round = move || {
        node.set_read_cache(BUCKET, is_cached)?;
        with_reads(device, SIZE, || loader.round())
    };
    Contender { name, command: loader.line(), round: Box::new(round) }
}
