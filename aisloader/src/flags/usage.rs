//! The text of `-usage`.

use super::refused::REFUSED;
use super::table::{FLAGS, Flag, Kind};
use std::fmt::Write as _;

const EXAMPLES: &str = "
Examples:
  # fill a bucket with 10,000 objects of 1 MiB and keep it
  aisloader -bucket=ais://bench -pctput=100 -minsize=1MiB -maxsize=1MiB -maxputs=10000 -cleanup=false
  # read them at random for half a minute with 32 workers, straight from the owner cores
  aisloader -bucket=ais://bench -duration=30s -numworkers=32 -direct -cleanup=false
  # sizes of a real data set, then two passes over it in a random order
  find /data -type f -printf '%s\\n' > sizes.txt
  aisloader -bucket=ais://bench -pctput=100 -sizes=file:sizes.txt -maxputs=10000 -cleanup=false
  aisloader -bucket=ais://bench -epochs=2 -numworkers=32 -cleanup=false
  # a skewed load, and eight accelerators that train on what is read
  aisloader -bucket=ais://bench -dist=zipf:0.99 -duration=30s -cleanup=false
  aisloader -bucket=ais://bench -epochs=1 -numworkers=8 -training=batch=64,compute=50ms,prefetch=2 -cleanup=false
  # a mix: 20% PUT, 5% list pages, the rest GET; statistics as JSON
  aisloader -bucket=ais://bench -pctput=20 -pctlist=5 -minsize=4K -maxsize=64K -json -cleanup=true
  # two clients: `aisloader agent -host=0.0.0.0 -port=51090 -token-file=token` runs on each of them
  aisloader -loaders=c1:51090,c2:51090 -token-file=token -bucket=ais://bench -numworkers=64 -duration=30s -cleanup=false
  # S3: fill a bucket of a server that is not AIStore
  AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... aisloader -s3endpoint=http://10.0.0.1:9000 -bucket=s3://bench -pctput=100 -maxputs=1000
  # an open loop: 5,000 arrivals a second as independent users come, whatever the server does
  aisloader -bucket=ais://bench -arrival=poisson -rate=5000 -duration=30s -cleanup=false
  # the highest rate at which 99% are done within 20 ms
  aisloader -bucket=ais://bench -find-max -slo=p99=20ms -cleanup=false
";

const EXIT_CODES: &str = "
Exit codes:
  0  the run is admissible            5  answers with the wrong bytes
  1  operations failed                6  read from memory, not from devices (rule cache)
  2  the command line is wrong        7  an agent failed or was lost (rule agents)
  3  the loader was the limit         8  the clock or the machine was disturbed (clock-step, steal)
  4  not steady, or too short to tell
A run that a rule refuses prints its figures all the same, marked; -allow=RULE waives a rule.
";

const ENVIRONMENT: &str = "
Environment:
  AIS_ENDPOINT
        address of the gateway, http:// or https://host:port, instead of -ip and -port
  AIS_CLIENT_CA
        for https, with S3 too: PEM file with authorities to trust beside those of the system
  AIS_SKIP_VERIFY_CRT
        for https: true takes any certificate
  AIS_CRT, AIS_CRT_KEY
        for https: PEM files with a certificate of ours and its key, where the server wants one; each of -loaders reads all
        these in its own environment
";

/// All flags with their kinds, defaults and meanings, the synopses of `commands`, and a few examples.
#[must_use]
pub fn usage(commands: &str) -> String {
    let (flags, refused) = (flag_lines(FLAGS), refused_lines());
    let commands = format!("\nCommands, about the logs of -ndjson:\n{commands}");
    format!(
        "Usage: aisloader -name=value ...\n\n{flags}{refused}{commands}{ENVIRONMENT}{EXAMPLES}{EXIT_CODES}"
    )
}

fn refused_lines() -> String {
    let mut out =
        "\nFlags of AIStore's loader that are refused, unless they state their default:\n".to_owned();
    for refused in REFUSED {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  -{}\n        {}; {}", refused.flag.name, refused.flag.help, refused.why);
    }
    out
}

/// One entry for each flag of a table.
#[must_use]
pub fn flag_lines(flags: &[Flag]) -> String {
    let mut out = String::new();
    for flag in flags {
        let kind = match flag.kind {
            Kind::Bool => "",
            Kind::Int => " int",
            Kind::Uint => " uint",
            Kind::Size => " size",
            Kind::Duration => " duration",
            Kind::Text => " text",
        };
        let default = if flag.default.is_empty() { String::new() } else { format!(" [{}]", flag.default) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  -{}{kind}{default}\n        {}", flag.name, flag.help);
    }
    out
}
