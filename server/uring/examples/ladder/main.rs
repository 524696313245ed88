//! The cost of each rung between a system call and our driver, measured alternately in one run.
//!
//! `cargo run --release -p uring --example ladder -- [--json] [--dir DIR] [--size-mib N] [--seconds S] [--rounds N]`
//!
//! The file is made in DIR (which must be on a disk, not in memory) and removed at the end. Random 1 MiB reads with 16
//! in flight and random 4 KiB reads with 64 in flight; the former sent on over loopback, the same from memory, the latter
//! asked for over loopback; then one-byte and 4 KiB ping-pong over loopback against a thread that uses blocking calls and
//! sits on another core. The rungs are plain blocking calls (one thread for each read in flight), a bare ring with
//! registered memory, and the driver with its futures.

mod ask;
mod disk;
mod host;
mod loopback;
mod serve;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The runs that are asked for.
pub(crate) struct Options {
    json: bool,
    dir: PathBuf,
    size_bytes: u64,
    span: Duration,
    rounds: usize,
}

impl Options {
    fn parse() -> io::Result<Self> {
        let mut options = Self {
            json: false,
            dir: PathBuf::from("."),
            size_bytes: 1 << 30,
            span: Duration::from_secs(2),
            rounds: 5,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--json" {
                options.json = true;
                continue;
            }
            let value = words.next().ok_or_else(|| bad(&word))?;
            let number = || value.parse::<u64>().map_err(|_| bad(&value));
            match word.as_str() {
                "--dir" => options.dir = PathBuf::from(value),
                "--size-mib" => options.size_bytes = number()? << 20,
                "--seconds" => options.span = Duration::from_secs(number()?),
                "--rounds" => options.rounds = number()? as usize,
                _ => return Err(bad(&word)),
            }
        }
        Ok(options)
    }
}

fn bad(word: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("not understood: {word}"))
}

/// One measurement.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) ops: u64,
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
}

/// A stopwatch for both kinds of time.
pub(crate) struct Watch {
    started: Instant,
    clock: rustix::time::ClockId,
    cpu_before_s: f64,
}

impl Watch {
    /// Counts the processor time of the whole process (with its kernel workers), or of this thread only.
    pub(crate) fn start(whole_process: bool) -> Self {
        use rustix::time::ClockId::{ProcessCPUTime, ThreadCPUTime};
        let clock = if whole_process { ProcessCPUTime } else { ThreadCPUTime };
        Self { started: Instant::now(), clock, cpu_before_s: seconds_on(clock) }
    }

    pub(crate) fn is_over(&self, span: Duration) -> bool {
        self.started.elapsed() >= span
    }

    pub(crate) fn stop(self, ops: u64) -> Sample {
        Sample {
            ops,
            wall_s: self.started.elapsed().as_secs_f64(),
            cpu_s: seconds_on(self.clock) - self.cpu_before_s,
        }
    }
}

fn seconds_on(clock: rustix::time::ClockId) -> f64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// All rounds of one rung of one load.
struct Rung {
    load: &'static str,
    name: &'static str,
    op_bytes: u64,
    samples: Vec<Sample>,
}

impl Rung {
    /// The sample with the median rate.
    fn median(&self) -> Sample {
        let mut sorted = self.samples.clone();
        sorted.sort_by(|a, b| (a.ops as f64 / a.wall_s).total_cmp(&(b.ops as f64 / b.wall_s)));
        sorted[sorted.len() / 2]
    }

    fn json(&self) -> String {
        let s = self.median();
        let bytes = (s.ops * self.op_bytes) as f64 / (1u64 << 30) as f64;
        let rates: Vec<String> =
            self.samples.iter().map(|s| format!("{:.0}", s.ops as f64 / s.wall_s)).collect();
        let cpu: Vec<String> =
            self.samples.iter().map(|s| format!("{:.2}", s.cpu_s * 1e6 / s.ops as f64)).collect();
        format!(
            "{{\"load\": \"{}\", \"rung\": \"{}\", \"ops_per_s\": {:.0}, \"gib_per_s\": {:.4}, \"cpu_us_per_op\": {:.2}, \
             \"cpu_s_per_gib\": {:.4}, \"ops_per_s_of_rounds\": [{}], \"cpu_us_per_op_of_rounds\": [{}]}}",
            self.load,
            self.name,
            s.ops as f64 / s.wall_s,
            bytes / s.wall_s,
            s.cpu_s * 1e6 / s.ops as f64,
            s.cpu_s / bytes,
            rates.join(", "),
            cpu.join(", ")
        )
    }

    fn line(&self) -> String {
        let s = self.median();
        format!(
            "{:<22} {:<14} {:>9.0} ops/s {:>8.3} GiB/s {:>8.2} CPU us/op",
            self.load,
            self.name,
            s.ops as f64 / s.wall_s,
            (s.ops * self.op_bytes) as f64 / s.wall_s / (1u64 << 30) as f64,
            s.cpu_s * 1e6 / s.ops as f64
        )
    }
}

type Measure<'a> = Box<dyn FnMut() -> io::Result<Sample> + 'a>;

/// Runs the rungs of one load in turn, round after round.
fn climb(
    load: &'static str,
    op_bytes: u64,
    rounds: usize,
    mut rungs: Vec<(&'static str, Measure<'_>)>,
) -> io::Result<Vec<Rung>> {
    let mut results: Vec<Rung> =
        rungs.iter().map(|(name, _)| Rung { load, name, op_bytes, samples: Vec::new() }).collect();
    for _ in 0..rounds {
        for ((_, measure), rung) in rungs.iter_mut().zip(&mut results) {
            rung.samples.push(measure()?);
        }
    }
    Ok(results)
}

fn main() -> io::Result<()> {
    let options = Options::parse()?;
    let mut results = Vec::new();
    let file = disk::TestFile::make(&options.dir, options.size_bytes)?;
    let span = options.span;
    for (load, block, depth) in [("read 1 MiB, 16 deep", 1 << 20, 16), ("read 4 KiB, 64 deep", 4096, 64)] {
        let job = disk::Job { file: &file, block, depth, span };
        let rungs: Vec<(_, Measure<'_>)> = vec![
            ("blocking", Box::new(|| job.blocking_threads())),
            ("bare ring", Box::new(|| job.bare_ring())),
            ("driver", Box::new(|| job.driver())),
        ];
        results.extend(climb(load, block as u64, options.rounds, rungs)?);
    }
    let job = disk::Job { file: &file, block: 1 << 20, depth: 16, span };
    let rungs: Vec<(_, Measure<'_>)> = vec![
        ("blocking", Box::new(|| job.serve_blocking())),
        ("driver", Box::new(|| job.serve_driver(serve::Work::Read))),
        ("driver, CRC", Box::new(|| job.serve_driver(serve::Work::ReadAndCheck))),
        ("driver, memory", Box::new(|| job.serve_driver(serve::Work::Send))),
    ];
    results.extend(climb("1 MiB to sockets", 1 << 20, options.rounds, rungs)?);
    let job = disk::Job { file: &file, block: 4096, depth: 64, span };
    let rungs: Vec<(_, Measure<'_>)> = vec![
        ("driver", Box::new(|| job.answer_driver(ask::Source::Disk))),
        ("driver, memory", Box::new(|| job.answer_driver(ask::Source::Memory))),
    ];
    results.extend(climb("4 KiB asked for", 4096, options.rounds, rungs)?);
    for (load, size) in [("ping-pong 1 B", 1), ("ping-pong 4 KiB", 4096)] {
        let rungs: Vec<(_, Measure<'_>)> = vec![
            ("blocking", Box::new(move || loopback::blocking(size, span))),
            ("bare ring", Box::new(move || loopback::bare_ring(size, span))),
            ("driver", Box::new(move || loopback::driver(size, span))),
        ];
        results.extend(climb(load, size as u64, options.rounds, rungs)?);
    }
    if options.json {
        let rungs: Vec<String> = results.iter().map(Rung::json).collect();
        let command = format!(
            "cargo run --release -p uring --example ladder -- --json --dir DIR --size-mib {} --seconds {} --rounds {}",
            options.size_bytes >> 20,
            span.as_secs(),
            options.rounds
        );
        let host = host::facts_json(&options.dir)?;
        println!(
            "{{\n  \"command\": \"{command}\",\n  \"host\": {host},\n  \"note\": \"medians of alternating rounds; ping-pong between cores 0 and 1; CPU \
             of disk loads is the process's (without the receiving thread's; of 4 KiB asked for: with it), of ping-pong that of the asking thread\",\n  \"rungs\": [\n    {}\n  ]\n}}",
            rungs.join(",\n    ")
        );
    } else {
        results.iter().for_each(|r| println!("{}", r.line()));
    }
    Ok(())
}
