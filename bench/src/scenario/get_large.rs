//! Random GET of 1 MiB objects from disk, past the page cache: fio, nginx and ours side by side.

use super::{Context, NGINX_PORT, NODE_PORT, Outcome, SMALL_MEMORY};
use crate::error::Result;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::fio::Fio;
use crate::tools::loader::{Loader, Op};
use crate::tools::nginx::{Mode, Nginx};
use crate::tools::node::{Node, Setup};
use crate::tools::{require, wrk};
use crate::work::{MIB, noise, write_file, write_files};

const DEPTH: usize = 16;
const BUCKET: &str = "large";

/// Prepares the three data sets, then measures.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    require(&["fio", "nginx", "wrk"])?;
    let objects = context.options.size_gib << 10;
    context.work.require_gib(context.options.size_gib * 3 + 2)?;
    // The server keeps what it has read, also of large objects; with little memory nearly all of the set comes from disk.
    let memory = Some(SMALL_MEMORY.to_owned());
    let node = Node::start_as(context, &Setup { cores: None, memory, dir: "ais", port: NODE_PORT })?;
    node.create_bucket(BUCKET, "none")?;
    let loader = Loader { workers: DEPTH, ..Loader::get(context, &node, BUCKET, MIB) };
    eprintln!("writing three data sets of {} GiB", context.options.size_gib);
    Loader { op: Op::Put, is_direct: false, ..loader.clone() }.fill(objects)?;
    let names = node.names(BUCKET)?;
    if names.len() as u64 != objects {
        return Err(format!("{} objects listed of {objects} written", names.len()));
    }
    let block = noise();
    write_files(&context.work.path().join("nginx/files"), &names, &block)?;
    write_file(&context.work.path().join("fio.data"), &block, objects)?;
    wrk::prepare(context, &names)?;
    let nginx = Nginx::start(context, Mode::Direct, NGINX_PORT)?;
    measure(context, &node, &nginx, &loader)
}

/// The disk itself, at the same depth.
fn random_read(context: &Context) -> Fio<'_> {
    let data = context.work.path().join("fio.data");
    Fio {
        context,
        args: ["--rw=randread", "--bs=1M", "--direct=1", "--ioengine=io_uring", "--norandommap"]
            .into_iter()
            .map(str::to_owned)
            .chain([format!("--iodepth={DEPTH}"), format!("--filename={}", data.display())])
            .collect(),
        op_bytes: MIB as f64,
    }
}

fn measure(context: &Context, node: &Node, nginx: &Nginx, loader: &Loader<'_>) -> Result<Outcome> {
    let ours = wrk::Wrk {
        context,
        port: node.port,
        server: node.group(),
        connections: DEPTH,
        before: format!("/v1/objects/{BUCKET}/"),
        after: "?provider=ais".to_owned(),
        op_bytes: MIB,
        cpus: String::new(),
    };
    let (before, after) = ("/".to_owned(), String::new());
    let theirs = wrk::Wrk { port: nginx.port, server: nginx.group(), before, after, ..ours.clone() };
    let direct = Loader { is_direct: true, ..loader.clone() };
    let dropped = Loader { is_dropped: true, ..direct.clone() };
    let disk = random_read(context);
    ours.warm_up()?;
    theirs.warm_up()?;
    let contenders = vec![
        Contender { name: "fio", command: disk.line(), round: Box::new(|| disk.round()) },
        Contender { name: "nginx, wrk", command: theirs.line(), round: Box::new(|| theirs.round()) },
        Contender { name: "aisnode, wrk", command: ours.line(), round: Box::new(|| ours.round()) },
        Contender { name: "aisnode, loader", command: loader.line(), round: Box::new(|| loader.round()) },
        Contender {
            name: "aisnode, loader -direct",
            command: direct.line(),
            round: Box::new(|| direct.round()),
        },
        Contender {
            name: "aisnode, loader -direct -drop",
            command: dropped.line(),
            round: Box::new(|| dropped.round()),
        },
    ];
    let series = alternate(contenders, context.options.rounds)?;
    let pairs = [
        ("aisnode, wrk", "nginx, wrk"),
        ("aisnode, wrk", "fio"),
        ("aisnode, loader", "fio"),
        ("aisnode, loader -direct", "fio"),
        ("aisnode, loader -direct -drop", "fio"),
        ("nginx, wrk", "fio"),
    ];
    let compared = ["gib_per_s", "server_cpu_s_per_gib", "machine_cpu_s_per_gib"];
    Ok(Outcome {
        scenario: "get-large",
        what: format!("random GET of 1 MiB from {} GiB on disk, {DEPTH} at a time", context.options.size_gib),
        servers: vec![
            node.line.clone(),
            format!("nginx: {} {}", Mode::Direct.workers(), Mode::Direct.directives()),
        ],
        ratios: ratios(&series, &pairs, &compared),
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
