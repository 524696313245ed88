//! The flags of `aisloader scale`, and the experiment that they ask for.

use super::failure::{Failure, Result};
use super::faults::Fault;
use crate::flags::units::show_size;
use crate::flags::{Flag, Kind, Parsed, flag, flag_lines};
use serde::Serialize;
use std::path::PathBuf;

const FLAGS: &[Flag] = &[
    flag("n", Kind::Text, "1,2,4,8", "numbers of disks, separated by commas; at least three for a verdict"),
    flag("quick", Kind::Bool, "false", "two short rounds at each N: about two minutes"),
    flag("rounds", Kind::Uint, "5", "rounds of fio and as many of load at each N, in the order A B B A"),
    flag("measure", Kind::Uint, "4", "seconds of a round that count; not under 2"),
    flag("warmup", Kind::Uint, "1", "seconds of a round before them"),
    flag("disksize", Kind::Size, "1GiB", "size of each disk's file, at least 512MiB; fully written"),
    flag("cap", Kind::Size, "64MiB", "bytes a second that each disk is throttled to"),
    flag("iops", Kind::Uint, "2000", "reads a second that each disk is throttled to"),
    flag(
        "objsize",
        Kind::Size,
        "128KiB",
        "size of every object, and of fio's reads; at most 512KiB, because the kernel charges larger reads twice",
    ),
    flag("depth", Kind::Uint, "64", "requests outstanding for each disk, ours and fio's"),
    flag("seed", Kind::Uint, "1", "seed of the order of N and of the bootstrap"),
    flag(
        "dir",
        Kind::Text,
        "",
        "where the disks' files go, on a file system with direct I/O; empty: the temporary directory",
    ),
    flag("aisnode", Kind::Text, "", "the server's program; empty: beside this one"),
    flag("loader", Kind::Text, "", "the loader's program; empty: this one"),
    flag("out", Kind::Text, "", "write FILE.json and FILE.svg"),
    flag(
        "fault",
        Kind::Text,
        "",
        "plant a fault and see to it that the verdict turns: halved-cap, one-disk, cached, server-cpu, client-cpu, serial, noop, dead-disk",
    ),
    flag("usage", Kind::Bool, "false", "print this text and end"),
    flag("help", Kind::Bool, "false", "print this text and end"),
];

/// Reads above this become two in the block layer, and the throttle charges the second half twice.
const OBJECT_BYTES_MAX: u64 = 512 << 10;
/// The objects, the log of the file system, and what the server keeps free.
const DISK_BYTES_MIN: u64 = 512 << 20;
const DISKS_MAX: usize = 64;

/// The experiment.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// Numbers of disks, growing.
    pub disks: Vec<usize>,
    /// Rounds of each kind at each N.
    pub rounds: usize,
    /// Seconds that count.
    pub measure_s: u64,
    /// Seconds before them.
    pub warmup_s: u64,
    /// Bytes of each disk's file.
    pub disk_bytes: u64,
    /// Each disk's limit.
    pub cap_bytes_per_s: u64,
    /// Each disk's limit in reads.
    pub cap_iops: u64,
    /// Bytes of every object.
    pub object_bytes: u64,
    /// Requests outstanding for each disk.
    pub depth: usize,
    /// Seed of the order and the bootstrap.
    pub seed: u64,
    /// The fault that is planted.
    pub fault: Option<Fault>,
    /// Where the disks' files go.
    #[serde(skip)]
    pub dir: PathBuf,
    /// The server's program.
    #[serde(skip)]
    pub aisnode: PathBuf,
    /// The loader's program.
    #[serde(skip)]
    pub loader: PathBuf,
    /// Results, without the ending.
    #[serde(skip)]
    pub out: Option<PathBuf>,
}

/// The text of `aisloader scale -usage`.
#[must_use]
pub fn usage() -> String {
    format!(
        "Usage: aisloader scale -name=value ...\n\n\
         Builds N throttled disks from files, runs a server on them, and compares what the loader gets from it with what\n\
         fio gets from the same disks, for several N, in turns. Needs root, fio, mkfs.xfs and control groups version 1.\n\n{}",
        flag_lines(FLAGS)
    )
}

impl Options {
    /// Reads the words after `scale`; `None` when only the usage is wanted.
    ///
    /// # Errors
    /// The flag and value that cannot be.
    pub fn parse(words: &[String]) -> Result<Option<Self>> {
        let flags = Parsed::parse_table(FLAGS, words).map_err(|e| Failure(e.to_string()))?;
        if flags.wants_usage() {
            return Ok(None);
        }
        let own = std::env::current_exe().map_err(|e| Failure(format!("this program: {e}")))?;
        let path = |name: &str, default: PathBuf| match flags.text(name) {
            "" => default,
            given => PathBuf::from(given),
        };
        let is_quick = flags.boolean("quick");
        let quick =
            |name: &str, value: u64| if is_quick && !flags.is_given(name) { value } else { flags.uint(name) };
        let size = |name: &str| flags.size(name).unwrap_or(0);
        let disk_bytes = if is_quick && !flags.is_given("disksize") { 512 << 20 } else { size("disksize") };
        let fault = match flags.text("fault") {
            "" => None,
            name => Some(
                Fault::parse(name).ok_or_else(|| refuse("fault", name, "a fault of the list in -usage"))?,
            ),
        };
        let options = Self {
            disks: disks(flags.text("n"))?,
            rounds: usize::try_from(quick("rounds", 2)).unwrap_or(usize::MAX),
            measure_s: quick("measure", 3),
            warmup_s: flags.uint("warmup"),
            disk_bytes,
            cap_bytes_per_s: size("cap"),
            cap_iops: flags.uint("iops"),
            object_bytes: size("objsize"),
            depth: usize::try_from(flags.uint("depth")).unwrap_or(usize::MAX),
            seed: flags.uint("seed"),
            dir: path("dir", std::env::temp_dir()).join("straightline-scale"),
            aisnode: path("aisnode", own.with_file_name("aisnode")),
            loader: path("loader", own),
            out: Some(flags.text("out")).filter(|out| !out.is_empty()).map(PathBuf::from),
            fault,
        };
        let options = match fault {
            Some(fault) => options.shaped(fault),
            None => options,
        };
        options.check().map(Some)
    }

    /// A smaller experiment is enough for a fault: faults are coarse. The number of loop devices matters too.
    fn shaped(self, fault: Fault) -> Self {
        let disks = vec![1, 2, 4];
        let small = Self { disks, rounds: 2, measure_s: 2, disk_bytes: DISK_BYTES_MIN, ..self };
        match fault {
            Fault::Cached => Self { disk_bytes: 704 << 20, ..small },
            // Shallow queues and long rounds: the slow disk soon holds all requests, as it would in the long run.
            Fault::HalvedCap => Self { depth: 16, measure_s: 4, ..small },
            // A quarter of a processor cannot serve this load.
            Fault::ServerCpu | Fault::ClientCpu => {
                Self { cap_bytes_per_s: 128 << 20, cap_iops: 8000, object_bytes: 68 << 10, ..small }
            }
            _ => small,
        }
    }

    fn check(self) -> Result<Self> {
        let within = |name: &str, value: u64, least: u64, most: u64| {
            let range = format!("within {least} and {most}");
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(refuse(name, &value.to_string(), &range))
            }
        };
        within("rounds", self.rounds as u64, 2, 1000)?;
        within("measure", self.measure_s, 2, 3600)?;
        within("warmup", self.warmup_s, 1, 3600)?;
        within("disksize", self.disk_bytes, DISK_BYTES_MIN, 1 << 40)?;
        within("cap", self.cap_bytes_per_s, 1 << 20, 1 << 40)?;
        within("iops", self.cap_iops, 10, 1 << 31)?;
        within("objsize", self.object_bytes, 4096, OBJECT_BYTES_MAX)?;
        within("depth", self.depth as u64, 1, 4096)?;
        if !self.object_bytes.is_multiple_of(4096) {
            let bytes = show_size(self.object_bytes as f64);
            return Err(refuse(
                "objsize",
                &bytes,
                "a multiple of 4 KiB: payload and device bytes could not be compared",
            ));
        }
        Ok(self)
    }

    /// The largest N.
    #[must_use]
    pub fn disks_max(&self) -> usize {
        self.disks.last().copied().unwrap_or(0)
    }
}

fn refuse(name: &str, value: &str, wanted: &str) -> Failure {
    Failure(format!("-{name}: {value:?} is not {wanted}"))
}

fn disks(text: &str) -> Result<Vec<usize>> {
    let parsed: Option<Vec<usize>> = text
        .split(',')
        .map(|word| word.trim().parse().ok().filter(|n| (1..=DISKS_MAX).contains(n)))
        .collect();
    let mut disks = parsed.ok_or_else(|| refuse("n", text, "numbers from 1 to 64, separated by commas"))?;
    disks.sort_unstable();
    disks.dedup();
    Ok(disks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn defaults_quick_and_overrides() {
        let full = parse("").unwrap().unwrap();
        assert_eq!(
            (full.disks.as_slice(), full.rounds, full.disk_bytes),
            ([1, 2, 4, 8].as_slice(), 5, 1 << 30)
        );
        let quick = parse("-quick -n 8,1,1,3 -rounds=3 -cap 96MiB").unwrap().unwrap();
        assert_eq!((quick.disks.as_slice(), quick.rounds, quick.measure_s), ([1, 3, 8].as_slice(), 3, 3));
        assert_eq!((quick.disk_bytes, quick.cap_bytes_per_s), (512 << 20, 96 << 20));
        assert!(parse("-usage").unwrap().is_none() && usage().contains("-objsize"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (line, want) in [
            ("-n 0", "-n: \"0\""),
            ("-n 1,x", "-n: \"1,x\""),
            ("-objsize 1MiB", "-objsize"),
            ("-objsize 5000", "multiple of 4 KiB"),
            ("-disksize 100MiB", "-disksize"),
            ("-rounds 1", "-rounds"),
            ("-fault sabotage", "-fault: \"sabotage\""),
            ("-round 3", "did you mean -rounds"),
            ("-bucket b", "no such flag"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
