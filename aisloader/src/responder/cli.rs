//! `aisloader respond`: the responder by hand.

use super::delay::{Delay, Stall};
use super::server::Responder;
use super::spec::Spec;
use crate::flags::units::parse_size;
use std::net::SocketAddr;
use std::process::ExitCode;

const USAGE: &str = "Usage: aisloader respond [-port=51080] [-cores=1] [-size=4KiB] [-objects=1000]
                         [-latency=2ms|uniform:1ms:3ms|exp:2ms] [-stall=1s/10s]
Answers GET, PUT, HEAD, DELETE and listings from memory, to measure a loader with.";
/// The answer is one piece of memory on each core.
const OBJECT_BYTES_MAX: u64 = 1 << 30;
const OBJECTS_MAX: u64 = 1 << 20;

/// Serves until it is killed; `words` are the arguments after `respond`.
#[must_use]
pub fn main(words: &[String]) -> ExitCode {
    let spec = match spec(words) {
        Ok(spec) => spec,
        Err(why) => {
            eprintln!("aisloader respond: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let outcome = Responder::start(&spec).and_then(|responder| {
        println!("answering at http://{}", responder.address);
        responder.wait()
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("aisloader respond: {e}");
            ExitCode::FAILURE
        }
    }
}

fn spec(words: &[String]) -> Result<Spec, String> {
    let mut spec = Spec { address: SocketAddr::from(([127, 0, 0, 1], 51_080)), ..Spec::default() };
    for word in words {
        let Some((name, value)) = word.trim_start_matches('-').split_once('=') else {
            return Err(format!("{word:?} is not -name=value"));
        };
        apply(&mut spec, name, value).ok_or_else(|| format!("{word:?} is not understood"))?;
    }
    Ok(spec)
}

fn apply(spec: &mut Spec, name: &str, value: &str) -> Option<()> {
    match name {
        "port" => spec.address.set_port(value.parse().ok()?),
        "cores" => spec.cores = value.parse().ok().filter(|cores| *cores > 0)?,
        "size" => {
            let bytes = parse_size(value).filter(|bytes| *bytes <= OBJECT_BYTES_MAX)?;
            spec.object_bytes = usize::try_from(bytes).ok()?;
        }
        "objects" => spec.objects = value.parse().ok().filter(|objects| *objects <= OBJECTS_MAX)?,
        "latency" => spec.delay = Delay::parse(value)?,
        "stall" => spec.stall = Some(Stall::parse(value)?),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(line: &str) -> Result<Spec, String> {
        spec(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_read_or_refused() {
        let got = parse("-port=99 -cores=2 -size=1MiB --objects=5 -latency=2ms -stall=1s/10s").unwrap();
        assert_eq!((got.address.port(), got.cores, got.object_bytes, got.objects), (99, 2, 1 << 20, 5));
        assert_eq!(got.delay, Delay::Fixed(Duration::from_millis(2)));
        assert_eq!(got.stall.unwrap().period, Duration::from_secs(10));
        for line in ["-port", "-port=x", "-size=2TiB", "-cores=0", "-what=1", "-stall=5s/1s"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
