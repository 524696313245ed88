//! Many objects of 1 KiB: loading, listing, memory and disk of the index, and starting again.

use super::{Context, NODE_PORT, SMALL_MEMORY};
use crate::child::check_interrupted;
use crate::device::{Device, with_reads};
use crate::error::Result;
use crate::figures::{Figures, median, medians, quantile};
use crate::findings::Findings;
use crate::tools::lister::{Lister, Walk};
use crate::tools::loader::{Loader, Op};
use crate::tools::node::{Node, Setup};
use crate::usage::{Usage, runner_s};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const OBJECTS: u64 = 1_000_000;
const SIZE: usize = 1024;
const BUCKET: &str = "many";
const CONNECTIONS: usize = 64;
const PAGE_NAMES: u64 = 10_000;
const FEW_NAMES: u64 = 1000;
const RANDOM_PAGES: u64 = 1000;
const NAME: &str = "name";
const WIDE: &str = "name,size,checksum,version,atime";
/// The index is at rest when its bytes on disk have not changed for so many looks, one a second.
const QUIET_LOOKS: u32 = 3;
const REST_MAX: Duration = Duration::from_secs(180);

/// The figures of the table that depend on what the node holds.
struct Many<'a> {
    context: &'a Context,
    setup: Setup,
    objects: u64,
    /// Resident before there were objects.
    empty_bytes: f64,
    findings: Findings,
}

/// Does all parts, one after the other.
pub(crate) fn run(context: &Context) -> Result<Findings> {
    let objects = context.options.objects.unwrap_or(OBJECTS);
    // A record of a segment takes 2.5 KiB, the index, its merges and the names for the loader the rest.
    context.work.require_gib(((objects * 4096) >> 30) + 4)?;
    let setup = Setup { cores: None, memory: context.options.memory.clone(), dir: "ais", port: NODE_PORT };
    let node = Node::start_as(context, &setup)?;
    let findings = Findings {
        scenario: "list",
        what: format!(
            "{objects} objects of 1 KiB: loading, listing in pages, starting again; lists over one connection"
        ),
        servers: vec![node.line.clone()],
        parts: vec![],
    };
    let empty_bytes = node.resident_bytes()?;
    let mut many = Many { context, setup, objects, empty_bytes, findings };
    many.findings.add("start, empty", String::new(), started(&node)?);
    many.load(&node)?;
    many.lists(&node)?;
    let node = many.again("start after SIGKILL", node, Signal::KILL)?;
    let node = many.again("start after SIGTERM", node, Signal::TERM)?;
    let first = Walked::of(&node, NAME, PAGE_NAMES)?;
    many.findings.add("first list after the start, name", first.command(NAME), first.figures());
    node.end(Signal::TERM)?;
    many.cold_gets()?;
    Ok(many.findings)
}

fn started(node: &Node) -> Result<Figures> {
    Ok(Figures::from([("ready_s", node.ready_s), ("resident_bytes", node.resident_bytes()?)]))
}

impl Many<'_> {
    fn load(&mut self, node: &Node) -> Result<()> {
        node.create_bucket(BUCKET, "group")?;
        eprintln!("loading {} objects", self.objects);
        let get = Loader::get(self.context, node, BUCKET, SIZE);
        let put = Loader { op: Op::Put, workers: CONNECTIONS, ..get };
        let start = Instant::now();
        let mut figures = put.fill(self.objects)?;
        figures.insert("seconds", start.elapsed().as_secs_f64());
        figures.extend(self.held(node)?);
        self.findings.add("load", put.fill_line(self.objects), figures);
        let start = Instant::now();
        rest(node)?;
        let mut figures = self.held(node)?;
        figures.insert("seconds", start.elapsed().as_secs_f64());
        self.findings.add("at rest", String::new(), figures);
        Ok(())
    }

    /// The node's memory and disk space in use.
    fn held(&self, node: &Node) -> Result<Figures> {
        let [objects, memory, disk] = node.counters([
            "straightline_objects",
            "straightline_index_bytes",
            "straightline_index_disk_bytes",
        ])?;
        if objects < self.objects as f64 {
            return Err(format!("the node has {objects} objects of {}", self.objects));
        }
        let resident = node.resident_bytes()?;
        let each = |bytes: f64| bytes / objects.max(1.0);
        Ok(Figures::from([
            ("resident_bytes", resident),
            ("resident_bytes_per_object", each(resident - self.empty_bytes)),
            ("index_bytes_per_object", each(memory)),
            ("index_disk_bytes_per_object", each(disk)),
        ]))
    }

    /// Full lists in turn, then pages from anywhere.
    fn lists(&mut self, node: &Node) -> Result<()> {
        let mut rounds = [(NAME, vec![]), (WIDE, vec![])];
        let mut command = String::new();
        for number in 1..=self.context.options.rounds {
            for (props, done) in &mut rounds {
                let walked = Walked::of(node, props, PAGE_NAMES)?;
                if walked.walk.names != self.objects {
                    return Err(format!("{} names listed of {}", walked.walk.names, self.objects));
                }
                let names_per_s = walked.walk.names as f64 / walked.walk.seconds;
                eprintln!("list {number}/{} {props}: {names_per_s:.0} names/s", self.context.options.rounds);
                command = walked.command("PROPS");
                done.push(walked.figures());
            }
        }
        let [(_, name), (_, wide)] = rounds;
        self.findings.add("list, name", command.replace("PROPS", NAME), medians(&name));
        self.findings.add(
            "list, name size checksum version atime",
            command.replace("PROPS", WIDE),
            medians(&wide),
        );
        let figures = self.random_pages(node)?;
        let told = format!("{RANDOM_PAGES} pages of {FEW_NAMES} names, each after a name from anywhere");
        self.findings.add("random pages", told, figures);
        let figures = self.held(node)?;
        self.findings.add("after the lists", String::new(), figures);
        Ok(())
    }

    fn random_pages(&self, node: &Node) -> Result<Figures> {
        let mut lister = Lister::connect(node.port, BUCKET)?;
        let mut millis = Vec::new();
        for at in 0..RANDOM_PAGES {
            // Multiples of the golden ratio: no two alike, no order to follow.
            let number = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.objects;
            let page = lister.page(NAME, FEW_NAMES, &format!("{number:016x}"))?;
            if page.names < FEW_NAMES && !page.token.is_empty() {
                return Err(format!("a page of {} names before the end", page.names));
            }
            millis.push(page.seconds * 1e3);
        }
        Ok(page_figures(millis))
    }

    /// Ends the node by the signal and starts it again on its data.
    fn again(&mut self, name: &'static str, node: Node, signal: Signal) -> Result<Node> {
        let end_s = node.end(signal)?;
        let node = Node::start_as(self.context, &self.setup)?;
        let mut figures = self.held(&node)?;
        figures.insert("end_s", end_s);
        figures.insert("ready_s", node.ready_s);
        self.findings.add(name, node.line.clone(), figures);
        Ok(node)
    }

    /// On a node with little memory, started for it.
    fn cold_gets(&mut self) -> Result<()> {
        let setup = Setup { memory: Some(SMALL_MEMORY.to_owned()), ..self.setup.clone() };
        let node = Node::start_as(self.context, &setup)?;
        let get = Loader::get(self.context, &node, BUCKET, SIZE);
        let get = Loader { workers: CONNECTIONS, ..get }.of_names(self.objects)?;
        let device = Device::of(self.context.work.path())?;
        let figures = with_reads(device.as_ref(), SIZE, || get.round())?;
        self.findings.servers.push(node.line.clone());
        self.findings.add("cold random GET, little memory", get.line(), figures);
        Ok(())
    }
}

/// Waits until the index has merged what it will merge.
fn rest(node: &Node) -> Result<()> {
    let (start, mut last, mut looks) = (Instant::now(), f64::NAN, 0);
    while looks < QUIET_LOOKS && start.elapsed() < REST_MAX {
        check_interrupted()?;
        std::thread::sleep(Duration::from_secs(1));
        let now = node.counter("straightline_index_disk_bytes")?;
        looks = if now.total_cmp(&last).is_eq() { looks + 1 } else { 0 };
        last = now;
    }
    Ok(())
}

/// A full list and what it used.
struct Walked {
    walk: Walk,
    usage: Usage,
    /// Processor seconds of the lister.
    own_s: f64,
}

impl Walked {
    fn of(node: &Node, props: &str, page_names: u64) -> Result<Self> {
        let mut lister = Lister::connect(node.port, BUCKET)?;
        let (before, own) = (Usage::now(Some(node.group()))?, runner_s()?);
        let walk = lister.all(props, page_names)?;
        let own_s = runner_s()? - own;
        Ok(Self { walk, usage: Usage::now(Some(node.group()))?.since(&before), own_s })
    }

    fn command(&self, props: &str) -> String {
        format!("{} pages of {PAGE_NAMES} names as application/msgpack, props {props}", self.walk.pages.len())
    }

    fn figures(&self) -> Figures {
        let (walk, usage) = (&self.walk, &self.usage);
        let names = walk.names as f64;
        let millis: Vec<f64> = walk.pages.iter().map(|seconds| seconds * 1e3).collect();
        let first = millis.first().copied().unwrap_or(f64::NAN);
        let mut figures = Figures::from([
            ("names", names),
            ("seconds", walk.seconds),
            ("names_per_s", names / walk.seconds),
            ("server_cpu_s", usage.server_s),
            ("names_per_server_cpu_s", names / usage.server_s.max(1e-9)),
            ("client_cpu_s", self.own_s),
            ("client_cpu_share_of_a_core", self.own_s / walk.seconds),
            ("machine_busy_share", usage.busy_share()),
            ("first_page_ms", first),
        ]);
        if let Some(middle) = median(millis.iter().copied()) {
            figures.insert("first_page_over_median", first / middle);
        }
        figures.extend(page_figures(millis));
        figures
    }
}

fn page_figures(mut millis: Vec<f64>) -> Figures {
    millis.sort_by(f64::total_cmp);
    let given = [
        ("page_p50_ms", quantile(&millis, 50)),
        ("page_p99_ms", quantile(&millis, 99)),
        ("page_max_ms", millis.last().copied()),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_walk() {
        let walk = Walk { names: 300, seconds: 2.0, pages: vec![0.004, 0.001, 0.002] };
        let usage = Usage { server_s: 0.5, wall_s: 2.0, ..Usage::default() };
        let figures = Walked { walk, usage, own_s: 0.2 }.figures();
        let get = |name| figures.get(name).copied();
        assert_eq!((get("names_per_s"), get("names_per_server_cpu_s")), (Some(150.0), Some(600.0)));
        assert_eq!((get("first_page_over_median"), get("page_max_ms")), (Some(2.0), Some(4.0)));
        assert_eq!(get("client_cpu_share_of_a_core"), Some(0.1));
        assert_eq!(page_figures(vec![]), Figures::new());
    }
}
