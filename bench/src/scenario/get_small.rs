//! GET of 4 KiB from memory on one core: nginx and ours with the same client.

use super::{Context, NGINX_PORT, NODE_PORT, Outcome, other_cpus};
use crate::error::Result;
use crate::rounds::{Contender, alternate, ratios};
use crate::tools::loader::{Loader, Op};
use crate::tools::nginx::{Mode, Nginx};
use crate::tools::node::Node;
use crate::tools::{require, wrk};
use crate::work::{noise, write_files};

const CONNECTIONS: usize = 64;
const OBJECTS: u64 = 256;
const SIZE: usize = 4096;
const BUCKET: &str = "small";

/// Writes the hot set for both, then measures.
pub(crate) fn run(context: &Context) -> Result<Outcome> {
    require(&["nginx", "wrk", "taskset"])?;
    context.work.require_gib(1)?;
    let node = Node::start(context, Some(1), NODE_PORT)?;
    node.create_bucket(BUCKET, "group")?;
    let loader =
        Loader { workers: CONNECTIONS, cpus: other_cpus(), ..Loader::get(context, &node, BUCKET, SIZE) };
    Loader { op: Op::Put, workers: 4, ..loader.clone() }.fill(OBJECTS)?;
    let names = node.names(BUCKET)?;
    let block = noise();
    let small = block.get(..SIZE).unwrap_or_default();
    write_files(&context.work.path().join("nginx/files"), &names, small)?;
    wrk::prepare(context, &names)?;
    let nginx = Nginx::start(context, Mode::Cached, NGINX_PORT)?;
    measure(context, &node, &nginx, &loader)
}

fn measure(context: &Context, node: &Node, nginx: &Nginx, loader: &Loader<'_>) -> Result<Outcome> {
    let ours = wrk::Wrk {
        context,
        port: node.port,
        server: node.group(),
        connections: CONNECTIONS,
        before: format!("/v1/objects/{BUCKET}/"),
        after: "?provider=ais".to_owned(),
        op_bytes: SIZE,
        cpus: other_cpus(),
    };
    let (before, after) = ("/".to_owned(), String::new());
    let theirs = wrk::Wrk { port: nginx.port, server: nginx.group(), before, after, ..ours.clone() };
    ours.warm_up()?;
    theirs.warm_up()?;
    let contenders = vec![
        Contender { name: "nginx, wrk", command: theirs.line(), round: Box::new(|| theirs.round()) },
        Contender { name: "aisnode, wrk", command: ours.line(), round: Box::new(|| ours.round()) },
        Contender { name: "aisnode, loader", command: loader.line(), round: Box::new(|| loader.round()) },
    ];
    let series = alternate(contenders, context.options.rounds)?;
    let pairs = [("aisnode, wrk", "nginx, wrk"), ("aisnode, loader", "nginx, wrk")];
    let compared = ["ops_per_s", "ops_per_server_cpu_s", "machine_cpu_us_per_op"];
    Ok(Outcome {
        scenario: "get-small",
        what: format!(
            "GET of 4 KiB, {OBJECTS} objects in memory, {CONNECTIONS} connections, server on one core"
        ),
        servers: vec![
            node.line.clone(),
            format!("nginx: {} {}", Mode::Cached.workers(), Mode::Cached.directives()),
        ],
        ratios: ratios(&series, &pairs, &compared),
        series,
        columns: &[
            "ops_per_s",
            "server_cpu_us_per_op",
            "client_cpu_us_per_op",
            "machine_cpu_us_per_op",
            "p50_us",
            "p99_us",
        ],
    })
}
