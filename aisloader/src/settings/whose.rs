//! The split of a run's flags between the agents and the coordinator.
//!
//! The command line says what the **whole** run does: workers, rates and bounds are divided among the agents. No flag
//! makes an agent read or write a file: that is refused here, and once more by the agent.

use crate::flags::{FlagError, Parsed};

/// Whose a flag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Sent to every agent as it stands.
    Agents,
    /// Every agent gets its own.
    Each,
    /// The flag does not concern an agent.
    Coordinator,
    /// The flag has no meaning with several loaders; the text says why.
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

/// The words that every agent gets as they stand.
pub(crate) fn sent(flags: &Parsed) -> Vec<String> {
    let sent = FLAGS.iter().filter(|(name, whose)| *whose == Agents && flags.is_given(name));
    sent.map(|(name, _)| format!("-{name}={}", flags.text(name))).collect()
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

    #[test]
    fn every_flag_is_somebodys() {
        let all: BTreeSet<&str> = crate::flags::FLAGS.iter().map(|flag| flag.name).collect();
        let decided: BTreeSet<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
        assert_eq!(all, decided);
        assert_eq!(decided.len(), FLAGS.len());
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
