//! `aisnode`: a Straightline node. Without arguments it is a whole cluster in one process.
//!
//! The one design decision: **every core owns its share of everything.** A lane of a disk, a listener, a ring, a piece
//! of registered memory belong to exactly one core; what another core wants done is sent there as a message. So there
//! is one writer for each name and no lock on the way of a request. `ARCHITECTURE.md` tells the rest.
//!
//! The way of a request through the modules: `shard` (bytes) → `front` (whom it is for) → `native` (what is asked) → `object` (what is
//! done) → `store` (where it lies) → the `uring` crate. `cluster` publishes what all of them look at; `tools` are the operator's.

mod banner;
mod boot;
mod clock;
mod cluster;
mod config;
mod disks;
mod durable;
mod error;
mod fault;
mod front;
mod identity;
mod ids;
mod jobs;
mod limits;
mod message_budget;
mod metrics;
mod native;
mod node;
mod object;
mod plan;
mod reply;
mod shard;
mod store;
mod tools;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::process::ExitCode;

// Small allocations of every request: 20 ns instead of the system allocator's 50, and memory goes back when idle.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = tools::Cli::parse();
    // A tool says itself what it finds.
    let level = if cli.tool.is_some() { "error" } else { "info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("AISNODE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).init();
    if let Some(tool) = cli.tool {
        return tools::run(tool);
    }
    match run(cli.node) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("aisnode: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: config::Args) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let running = boot::start(config::Config::load(args).map_err(io::Error::other)?)?;
    banner::print(&running);
    signals.forever().next();
    eprintln!("aisnode: stopping");
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        signals.forever().next();
        eprintln!("aisnode: told to stop twice, ending at once");
        std::process::exit(1);
    })?;
    running.stop()
}
