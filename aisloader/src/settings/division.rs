//! Which flags of a run are the agents', which the coordinator's, and what becomes of those that say how much.
//!
//! The command line says what the **whole** run does: workers, rates and bounds are divided among the agents. No flag
//! makes an agent read or write a file: that is refused here, and once more by the agent.

use super::config::Config;
use crate::flags::{FlagError, Parsed};
use crate::workload::open_loop::Rate;

/// Whose a flag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Sent to every agent as it stands.
    Agents,
    /// Every agent gets its own.
    Each,
    /// Of no concern to an agent.
    Coordinator,
    /// Not with several loaders, and why.
    Nobody(&'static str),
}

use Whose::{Agents, Coordinator, Each, Nobody};

const A_FILE: &str = "agents read and write no files for others";
const AN_ID: &str = "the coordinator numbers the agents";
const A_SWEEP: &str = "rate after rate is measured by one loader; give -arrival=poisson and -rate";

/// Every flag that there is.
const FLAGS: &[(&str, Whose)] = &[
    ("bucket", Each),
    ("provider", Coordinator),
    ("ip", Coordinator),
    ("port", Coordinator),
    ("direct", Agents),
    ("randomproxy", Agents),
    ("tokenfile", Coordinator),
    ("bprops", Coordinator),
    ("s3endpoint", Agents),
    ("s3profile", Agents),
    ("s3-use-path-style", Agents),
    ("s3region", Agents),
    ("s3-payload", Agents),
    ("timeout", Agents),
    ("numworkers", Each),
    ("arrival", Agents),
    ("rate", Each),
    ("max-inflight", Each),
    ("duration", Agents),
    ("trace", Nobody(A_FILE)),
    ("trace-speed", Nobody(A_FILE)),
    ("record-trace", Nobody(A_FILE)),
    ("find-max", Nobody(A_SWEEP)),
    ("slo", Nobody(A_SWEEP)),
    ("find-step", Nobody(A_SWEEP)),
    ("rates", Nobody(A_SWEEP)),
    ("maxputs", Each),
    ("maxops", Each),
    ("totalputsize", Each),
    ("pctmultipart", Agents),
    ("multipart-chunks", Agents),
    ("pctput", Agents),
    ("pctupdate", Agents),
    ("pcthead", Agents),
    ("pctdel", Agents),
    ("pctlist", Agents),
    ("list-pagesize", Agents),
    ("minsize", Agents),
    ("maxsize", Agents),
    ("sizes", Agents),
    ("readertype", Agents),
    ("tmpdir", Nobody(A_FILE)),
    ("arch.pct", Agents),
    ("arch.format", Agents),
    ("arch.num-files", Agents),
    ("arch.minsize", Agents),
    ("arch.maxsize", Agents),
    ("arch.prefix", Agents),
    ("arch.list", Agents),
    ("compress-pct", Agents),
    ("dedupe-pct", Agents),
    ("verify", Agents),
    ("cksum-type", Agents),
    ("verifyhash", Agents),
    ("drop", Agents),
    ("seed", Each),
    ("randomname", Agents),
    ("subdir", Agents),
    ("num-subdirs", Agents),
    ("loaderid", Each),
    ("loadernum", Each),
    ("loaderidhashlen", Nobody(AN_ID)),
    ("getloaderid", Coordinator),
    ("loaders", Coordinator),
    ("token-file", Coordinator),
    ("readoff", Agents),
    ("readlen", Agents),
    ("range-mode", Agents),
    ("dist", Agents),
    ("epochs", Agents),
    (
        "epoch-start",
        Nobody("each agent walks over names of its own, and no number says where all of them are"),
    ),
    ("perm-shuffle-max", Agents),
    ("read-partition", Each),
    ("filelist", Nobody(A_FILE)),
    ("training", Agents),
    ("skiplist", Agents),
    ("cleanup", Each),
    ("stoppable", Coordinator),
    ("statsinterval", Coordinator),
    ("stats-output", Coordinator),
    ("trace-http", Agents),
    ("json", Coordinator),
    ("ndjson", Coordinator),
    ("csv", Coordinator),
    ("hdr-out", Coordinator),
    ("prom-listen", Coordinator),
    ("warmup", Coordinator),
    ("hot", Coordinator),
    ("max-errors", Coordinator),
    ("allow", Coordinator),
    ("quiet", Coordinator),
    ("dry-run", Coordinator),
    ("version", Coordinator),
    ("usage", Coordinator),
    ("help", Coordinator),
    ("h", Coordinator),
];

/// Checks a command line that names so many agents.
///
/// # Errors
/// The flag that does not go along with agents, or says too little for all of them.
pub(crate) fn check_fleet(flags: &Parsed, agents: usize) -> Result<(), FlagError> {
    let given = FLAGS.iter().filter(|(name, _)| flags.is_given(name));
    for (name, whose) in given {
        match whose {
            Nobody(why) => return refuse(format!("-{name} and -loaders exclude each other: {why}")),
            Each if matches!(*name, "loaderid" | "loadernum") => {
                return refuse(format!("-{name} and -loaders exclude each other: {AN_ID}"));
            }
            _ => {}
        }
    }
    check_files(flags)?;
    // An open loop makes workers as it needs them.
    let workers = if flags.text("arrival") == "closed" { flags.uint("numworkers") } else { 0 };
    let amounts = [
        ("numworkers", workers),
        ("max-inflight", flags.uint("max-inflight")),
        ("maxputs", flags.uint("maxputs")),
        ("maxops", flags.uint("maxops")),
        ("totalputsize", flags.size("totalputsize").unwrap_or(0)),
    ];
    match amounts.into_iter().find(|(_, amount)| (1..agents as u64).contains(amount)) {
        Some((name, amount)) => refuse(format!("-{name}={amount} is not even 1 for each of {agents} agents")),
        None => Ok(()),
    }
}

/// Checks the words that an agent has got.
///
/// # Errors
/// The flag that an agent does not take.
pub(crate) fn check_words(flags: &Parsed) -> Result<(), FlagError> {
    let is_foreign = |whose: Whose| !matches!(whose, Agents | Each);
    let stray = FLAGS.iter().find(|(name, whose)| flags.is_given(name) && is_foreign(*whose));
    match stray {
        Some((name, _)) => refuse(format!("-{name} is not taken from a coordinator")),
        None => check_files(flags),
    }
}

/// Values that mean a file.
fn check_files(flags: &Parsed) -> Result<(), FlagError> {
    if flags.text("sizes").starts_with("file:") {
        return refuse(format!("-sizes=file: and -loaders exclude each other: {A_FILE}"));
    }
    if flags.text("readertype") == "file" {
        return refuse(format!("-readertype=file and -loaders exclude each other: {A_FILE}"));
    }
    Ok(())
}

/// The words for the agent with this number, of so many; `config` is that of the whole run, its rate in operations.
pub(crate) fn words_of(flags: &Parsed, config: &Config, id: u64, agents: u64) -> Vec<String> {
    let sent = FLAGS.iter().filter(|(name, whose)| *whose == Agents && flags.is_given(name));
    let mut words: Vec<String> = sent.map(|(name, _)| format!("-{name}={}", flags.text(name))).collect();
    let part = |whole: u64| whole.checked_div(agents).unwrap_or(0) + u64::from(id < whole % agents.max(1));
    words.extend([
        format!("-bucket={}", config.bucket.uri()),
        "-cleanup=false".to_owned(),
        format!("-seed={}", config.mix.seed.cast_signed()),
        format!("-loaderid={id}"),
        format!("-loadernum={agents}"),
        format!("-numworkers={}", part(config.workers as u64).max(1)),
    ]);
    let bounds = [
        ("maxputs", config.bounds.puts_max),
        ("maxops", config.bounds.ops_max),
        ("totalputsize", config.bounds.put_bytes_max),
    ];
    let bounds = bounds.into_iter().filter(|(_, most)| *most > 0);
    words.extend(bounds.map(|(name, most)| format!("-{name}={}", part(most))));
    if let Some(open) = &config.open {
        words.push(format!("-max-inflight={}", part(open.inflight_max as u64)));
        if let Rate::OpsPerS(rate) = open.rate {
            words.push(format!("-rate={}", rate / agents.max(1) as f64));
        }
    }
    // Every name once a pass, and not once for each agent.
    if config.choices.epochs > 0 || flags.boolean("read-partition") {
        words.push("-read-partition=true".to_owned());
    }
    words
}

fn refuse<T>(why: String) -> Result<T, FlagError> {
    Err(FlagError(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn parse(line: &str) -> Parsed {
        Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap()
    }

    fn words(line: &str, agents: u64) -> Vec<Parsed> {
        let flags = parse(line);
        check_fleet(&flags, agents as usize).unwrap();
        let config = Config::new(&flags, Some("h:1"), 77).unwrap();
        (0..agents).map(|id| Parsed::parse(&words_of(&flags, &config, id, agents)).unwrap()).collect()
    }

    #[test]
    fn every_flag_is_somebodys() {
        let all: BTreeSet<&str> = crate::flags::FLAGS.iter().map(|flag| flag.name).collect();
        let decided: BTreeSet<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
        assert_eq!(all, decided);
        assert_eq!(decided.len(), FLAGS.len());
    }

    #[test]
    fn agents_together_do_what_the_line_says() {
        let all = words(
            "-bucket=b -cleanup=true -pctput=50 -minsize=4K -maxsize=4K -numworkers=7 -maxops=11 -json",
            3,
        );
        let sum = |name: &str| all.iter().map(|flags| flags.uint(name)).sum::<u64>();
        assert_eq!((sum("numworkers"), sum("maxops"), sum("pctput")), (7, 11, 150));
        for (id, flags) in all.iter().enumerate() {
            check_words(flags).unwrap();
            assert_eq!((flags.uint("loaderid"), flags.uint("loadernum")), (id as u64, 3));
            assert!(
                flags.text("bucket") == "ais://b" && flags.int("seed") == 77 && !flags.boolean("cleanup")
            );
            let config = Config::new(flags, Some("h:1"), 5).unwrap();
            assert_eq!((config.bounds.duration, config.bucket.is_ais()), (None, true));
        }
        let open = words("-bucket=b -cleanup=false -arrival=poisson -rate=1000 -max-inflight=9", 4);
        assert!(open.iter().all(|flags| flags.text("rate") == "250" && flags.text("arrival") == "poisson"));
        assert_eq!(open.iter().map(|flags| flags.uint("max-inflight")).sum::<u64>(), 9);
    }

    #[test]
    fn passes_are_shared() {
        assert!(
            words("-bucket=b -cleanup=false -epochs=2", 2)
                .iter()
                .all(|flags| flags.boolean("read-partition"))
        );
        assert!(!words("-bucket=b -cleanup=false", 2).iter().any(|flags| flags.boolean("read-partition")));
    }

    #[test]
    fn what_does_not_go_along_is_named() {
        let table = [
            ("-filelist=f", "-filelist"),
            ("-record-trace=f", "-record-trace"),
            ("-sizes=file:f", "-sizes=file:"),
            ("-readertype=file", "-readertype=file"),
            ("-find-max", "-find-max"),
            ("-loaderid=1", "-loaderid"),
            ("-epoch-start=1", "-epoch-start"),
            ("-numworkers=2", "-numworkers=2 is not even 1 for each of 3"),
            ("-maxputs=1", "-maxputs=1"),
        ];
        for (line, want) in table {
            let error = check_fleet(&parse(line), 3).unwrap_err();
            assert!(error.0.contains(want), "{line}: {error}");
        }
        for line in
            ["-ndjson=f", "-tokenfile=f", "-sizes=file:/etc/passwd", "-ip=x", "-hdr-out=f", "-trace=f"]
        {
            assert!(check_words(&parse(line)).is_err(), "{line}");
        }
    }
}
