//! The configuration of a run: the flags, checked against each other, with every default resolved.

use super::archives::archives;
use super::bucket_props::bucket_props;
use super::choices::{Choices, popularity, sizes};
use super::fleet::Fleet;
use super::gateway::gateway;
use super::naming::naming;
use super::range::range;
use super::sweep::Sweep;
use super::terms::Terms;
use super::token::token;
use super::trace::TraceFile;
use crate::client::s3::{Lookup, S3Config};
use crate::content::{Settings, Verify};
use crate::flags::units::parse_duration;
use crate::flags::{FlagError, Parsed};
use crate::workload::archive::Archives;
use crate::workload::names::BucketName;
use crate::workload::naming::Naming;
use crate::workload::open_loop::OpenLoop;
use crate::workload::range::RangeRead;
use crate::workload::{Mix, OpKind};
use link::Tls;
use link::address::is_secure;
use serde::Serialize;
use std::time::Duration;
use wire::cksum::CksumType;

/// S3 numbers parts up to this.
const PARTS_MAX: u64 = 10_000;
/// Beyond this a mistyped number would only exhaust memory.
const WORKERS_MAX: i64 = 1 << 16;

/// A validated run.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// Where the gateway is, or the S3 server: `host:port`, or with TLS `https://host:port`.
    pub gateway: String,
    /// TLS settings, here and where redirects lead. The files of certificates are each program's own, as keys are.
    #[serde(skip)]
    pub tls: Tls,
    /// The S3 server, when the run is about one.
    pub s3: Option<S3Config>,
    /// The gateways to choose from for each request; empty: only `gateway`.
    pub gateways: Vec<String>,
    /// Each request goes to a random gateway of the cluster map.
    pub is_gateway_random: bool,
    /// The bearer token of every request.
    #[serde(skip)]
    pub token: Option<String>,
    /// The bucket that is worked on.
    pub bucket: BucketName,
    /// The properties that a bucket is created with; `None`: none.
    pub bucket_props: Option<serde_json::Value>,
    /// True when the bucket's name was made up and it must be created.
    pub is_bucket_random: bool,
    /// Kinds, sizes and names.
    pub mix: Mix,
    /// The choice of the names that are read.
    pub choices: Choices,
    /// Parts of a multipart PUT.
    pub multipart_parts: u32,
    /// Workers over all cores.
    pub workers: usize,
    /// The agents that make the load; `None`: this program does.
    pub fleet: Option<Fleet>,
    /// When operations begin if not one after another; `None`: a closed loop.
    pub open: Option<OpenLoop>,
    /// The trace that says when to do what.
    pub trace: Option<TraceFile>,
    /// File to write a trace of the run to; empty: none.
    pub record_trace: String,
    /// Measurements at rate after rate instead of one run.
    pub sweep: Option<Sweep>,
    /// When to stop.
    pub bounds: Bounds,
    /// Limit of one operation; `None`: none.
    pub timeout: Option<Duration>,
    /// Go to the owner core by the cluster map.
    pub is_direct: bool,
    /// Names per listed page; 0: the server's choice.
    pub list_page_names: u64,
    /// Checksum computed for PUT.
    #[serde(serialize_with = "cksum_name")]
    pub cksum: CksumType,
    /// Have the kernel drop what GET returns, uncopied.
    pub is_dropped: bool,
    /// The content of the objects.
    pub content: Settings,
    /// Prefix of GET and LIST, directory of PUT.
    pub subdir: String,
    /// Where the payload goes through a file; `None`: it stays in memory.
    pub payload_directory: Option<String>,
    /// The naming of new objects.
    pub naming: Naming,
    /// The settings for writing and reading shards.
    pub archives: Archives,
    /// The parts of objects that GET reads; `None`: all of each.
    pub range: Option<RangeRead>,
    /// Operations are traced from the start.
    pub is_traced: bool,
    /// No listing at the start.
    pub is_list_skipped: bool,
    /// Destroy the bucket at the end.
    pub is_cleaned_up: bool,
    /// Nothing but that.
    pub is_cleanup_only: bool,
    /// The part that is left out at the begin.
    pub warmup: Warmup,
    /// The user's terms on the rules of admissible runs.
    pub terms: Terms,
    /// Where and how results go.
    pub output: Output,
}

/// The part of a run's begin that does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Warmup {
    /// A test over the seconds finds it.
    #[default]
    Auto,
    /// The user sets it.
    Fixed {
        /// Rounded up.
        seconds: u64,
    },
}

/// When a run ends; the first bound that is reached counts.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Bounds {
    /// Time; `None`: unlimited.
    pub duration: Option<Duration>,
    /// PUTs; 0: unlimited.
    pub puts_max: u64,
    /// Operations of any kind; 0: unlimited.
    pub ops_max: u64,
    /// Bytes of PUT; 0: unlimited.
    pub put_bytes_max: u64,
}

/// Where and how results go.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Output {
    /// Time between rows; `None`: no rows.
    pub interval: Option<Duration>,
    /// File instead of the standard output; empty: none.
    pub file: String,
    /// JSON instead of tables.
    pub is_json: bool,
    /// NDJSON log; empty: none.
    pub ndjson: String,
    /// Table of seconds; empty: none.
    pub csv: String,
    /// Begin of the names of HdrHistogram logs; empty: none.
    pub hdr_prefix: String,
    /// `host:port` for Prometheus; empty: none.
    pub prom_listen: String,
    /// No parameters at the start.
    pub is_quiet: bool,
    /// Print the parameters and end.
    pub is_dry_run: bool,
}

impl Config {
    /// Checks and completes the flags. `env_endpoint` is `AIS_ENDPOINT`; `clock_seed` is used when no seed is given.
    ///
    /// # Errors
    /// The rule that is broken, with the flags and values that break it.
    pub fn new(flags: &Parsed, env_endpoint: Option<&str>, clock_seed: u64) -> Result<Self, FlagError> {
        Self::with_lookup(flags, env_endpoint, clock_seed, &Lookup::of_process())
    }

    /// As [`Config::new`], with S3 credentials and what is said about TLS from where the caller says.
    ///
    /// # Errors
    /// The rule that is broken, with the flags and values that break it.
    pub fn with_lookup(
        flags: &Parsed,
        env_endpoint: Option<&str>,
        clock_seed: u64,
        lookup: &Lookup<'_>,
    ) -> Result<Self, FlagError> {
        let seed = match flags.int("seed") {
            0 => clock_seed,
            given => given.cast_unsigned(),
        };
        let naming = naming(flags)?;
        let mix = mix(flags, seed, naming.loader.seed(seed))?;
        let is_bucket_random = flags.text("bucket").is_empty();
        let bucket = bucket(flags, seed)?;
        let s3 = S3Config::from_flags(flags, &bucket, lookup)?;
        let content = Settings::new(flags, seed, naming.loader.id)?;
        let config = Self {
            gateway: match &s3 {
                Some(s3) => s3.endpoint.address.clone(),
                None => gateway(flags, env_endpoint)?,
            },
            tls: Tls::of(lookup.variable),
            gateways: Vec::new(),
            is_gateway_random: flags.boolean("randomproxy"),
            token: token(flags)?,
            bucket_props: bucket_props(flags)?,
            is_bucket_random,
            choices: Choices::new(flags, &mix)?,
            multipart_parts: multipart_parts(flags, &mix, s3.is_some())?,
            workers: within("numworkers", flags.int("numworkers"), 1, WORKERS_MAX)?,
            fleet: Fleet::from_flags(flags)?,
            open: OpenLoop::from_flags(flags)?,
            trace: TraceFile::from_flags(flags)?,
            record_trace: flags.text("record-trace").to_owned(),
            sweep: Sweep::from_flags(flags)?,
            bounds: bounds(flags, &mix)?,
            timeout: Some(flags.duration("timeout")).filter(|limit| !limit.is_zero()),
            is_direct: flags.boolean("direct"),
            list_page_names: flags.uint("list-pagesize"),
            cksum: match &s3 {
                Some(s3) => s3.payload_cksum(),
                None => cksum(flags)?,
            },
            // Bytes that are verified must be looked at.
            is_dropped: flags.boolean("drop") && content.verify == Verify::None,
            content,
            subdir: flags.text("subdir").trim_matches('/').to_owned(),
            payload_directory: (flags.text("readertype") == "file").then(|| flags.text("tmpdir").to_owned()),
            naming,
            archives: archives(flags)?,
            range: range(flags)?,
            is_traced: flags.boolean("trace-http"),
            is_list_skipped: flags.boolean("skiplist"),
            is_cleaned_up: cleanup(flags, &bucket)?,
            is_cleanup_only: is_cleanup_only(flags),
            warmup: warmup(flags)?,
            terms: Terms::new(flags)?,
            output: output(flags)?,
            s3,
            bucket,
            mix,
        };
        config.check_reader(flags)?;
        config.check_rules(flags)?;
        Ok(config)
    }

    fn check_rules(&self, flags: &Parsed) -> Result<(), FlagError> {
        self.check_content(flags)?;
        if is_secure(&self.gateway) {
            // Files that cannot be read are a wrong command line, not a failure of the run.
            self.tls.client_config().map_err(FlagError)?;
        }
        if self.choices.training.is_some() && self.open.is_some() {
            return refuse(format!(
                "-training={}: its accelerators decide when to read, so there is no rate",
                flags.text("training")
            ));
        }
        if self.is_list_skipped && self.mix.pct_put != 100 {
            return refuse(format!(
                "-skiplist needs -pctput=100, not {}: GET must know names",
                self.mix.pct_put
            ));
        }
        Ok(())
    }

    /// The begin of the names that are read or listed; empty: all.
    #[must_use]
    pub fn subdir_prefix(&self) -> String {
        if self.subdir.is_empty() { String::new() } else { format!("{}/", self.subdir) }
    }

    /// Verified bytes must be there to be looked at, and stamped blocks must go out as they are made.
    fn check_content(&self, flags: &Parsed) -> Result<(), FlagError> {
        let excluded = [
            (flags.is_given("drop") && flags.boolean("drop"), "-drop", "dropped bytes cannot be looked at"),
            (self.archives.is_read, "-arch.list", "files in shards are only read, and as a whole"),
        ];
        if self.content.verify != Verify::None
            && let Some((_, flag, why)) = excluded.into_iter().find(|(is_given, ..)| *is_given)
        {
            return refuse(format!("{flag} and {} exclude each other: {why}", self.content.verify.flag()));
        }
        let excluded = [
            (self.s3.is_some(), "-s3endpoint", "S3 answers have no checksum to compare with"),
            (
                self.range.is_some(),
                "-readoff or -readlen",
                "an answer with a part of an object states the checksum of the whole",
            ),
        ];
        if self.content.verify == Verify::Checksum
            && let Some((_, flag, why)) = excluded.into_iter().find(|(is_given, ..)| *is_given)
        {
            return refuse(format!("{flag} excludes {}: {why}", self.content.verify.flag()));
        }
        let excluded =
            [(self.archives.pct > 0, "shards"), (self.payload_directory.is_some(), "-readertype=file")];
        match excluded.into_iter().find(|(is_given, _)| self.content.is_stamped && *is_given) {
            Some((_, what)) => refuse(format!("-verify=content and -dedupe-pct do not work with {what}")),
            None => Ok(()),
        }
    }

    fn check_reader(&self, flags: &Parsed) -> Result<(), FlagError> {
        match flags.text("readertype") {
            "sg" | "rand" | "file" | "tar" => Ok(()),
            other => refuse(format!("-readertype: {other:?} is not sg, rand, file or tar")),
        }
    }
}

fn cksum_name<S: serde::Serializer>(cksum: &CksumType, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(cksum.as_str())
}

fn refuse<T>(why: String) -> Result<T, FlagError> {
    Err(FlagError(why))
}

fn within<T: TryFrom<i64>>(name: &str, value: i64, least: i64, most: i64) -> Result<T, FlagError> {
    let fits = Some(value).filter(|v| (least..=most).contains(v)).and_then(|v| T::try_from(v).ok());
    fits.ok_or_else(|| FlagError(format!("-{name}: {value} is not within {least} and {most}")))
}

fn mix(flags: &Parsed, seed: u64, own_seed: u64) -> Result<Mix, FlagError> {
    let pct = |name: &str| within::<u32>(name, flags.int(name), 0, 100);
    let (pct_put, pct_list, pct_head, pct_delete) =
        (pct("pctput")?, pct("pctlist")?, pct("pcthead")?, pct("pctdel")?);
    if pct_put.saturating_add(pct_list).saturating_add(pct_head).saturating_add(pct_delete) > 100 {
        return refuse(format!(
            "-pctput={pct_put}, -pctlist={pct_list}, -pcthead={pct_head} and -pctdel={pct_delete} are more than 100 together"
        ));
    }
    Ok(Mix {
        seed,
        own_seed,
        pct_put,
        pct_multipart: pct("pctmultipart")?,
        pct_list,
        pct_head,
        pct_delete,
        pct_update: pct("pctupdate")?,
        popularity: popularity(flags)?,
        sizes: sizes(flags)?,
    })
}

fn multipart_parts(flags: &Parsed, mix: &Mix, is_s3: bool) -> Result<u32, FlagError> {
    let (pct, parts) = (mix.pct_multipart, flags.uint("multipart-chunks"));
    match (pct > 0, parts) {
        (false, 0) => Ok(0),
        (false, parts) => {
            refuse(format!("-multipart-chunks={parts} without -pctmultipart makes no multipart PUT"))
        }
        (true, _) if !is_s3 => refuse(format!(
            "-pctmultipart={pct} needs -s3endpoint: multipart PUT over AIStore's own protocol is not in this version"
        )),
        (true, 1..=PARTS_MAX) if mix.pct_put > 0 => Ok(u32::try_from(parts).unwrap_or(1)),
        (true, 1..=PARTS_MAX) => refuse(format!("-pctmultipart={pct} is of no use: -pctput is 0")),
        (true, parts) => refuse(format!(
            "-pctmultipart={pct} needs -multipart-chunks within 1 and {PARTS_MAX}, not {parts}"
        )),
    }
}

fn bucket(flags: &Parsed, seed: u64) -> Result<BucketName, FlagError> {
    let text = flags.text("bucket");
    let is_s3 = !flags.text("s3endpoint").is_empty() && !flags.is_given("provider");
    let provider = if is_s3 { "s3" } else { flags.text("provider") };
    let parsed = if text.is_empty() {
        BucketName::parse(&format!("aisloader-{:08x}", placement::mix(seed) >> 32), provider)
    } else {
        BucketName::parse(text, provider)
    };
    parsed.map_err(|why| FlagError(format!("-bucket: {text:?}: {why}")))
}

fn bounds(flags: &Parsed, mix: &Mix) -> Result<Bounds, FlagError> {
    let (puts_max, ops_max) = (flags.uint("maxputs"), flags.uint("maxops"));
    let put_bytes_max = flags.size("totalputsize").unwrap_or(0);
    for (name, value) in [("maxputs", puts_max), ("totalputsize", put_bytes_max)] {
        if value > 0 && !mix.has(OpKind::sends_object) && !flags.is_given("duration") {
            return refuse(format!("-{name}={value} would never be reached: -pctput and -pctupdate are 0"));
        }
    }
    let is_ended_by_names = flags.text("arrival") == "trace" || flags.uint("epochs") > 0;
    let counted = puts_max > 0 || ops_max > 0 || put_bytes_max > 0 || is_ended_by_names;
    let given = Some(flags.duration("duration")).filter(|limit| !limit.is_zero());
    let duration = if flags.is_given("duration") || !counted { given } else { None };
    Ok(Bounds { duration, puts_max, ops_max, put_bytes_max })
}

fn cksum(flags: &Parsed) -> Result<CksumType, FlagError> {
    let name = flags.text("cksum-type");
    CksumType::parse(name).ok_or_else(|| FlagError(format!("-cksum-type: {name:?} is not a checksum type")))
}

/// AIStore refuses to guess whether a bucket of its own shall survive the run, and so do we.
fn cleanup(flags: &Parsed, bucket: &BucketName) -> Result<bool, FlagError> {
    let given = flags.is_given("cleanup");
    if !given && bucket.is_ais() {
        return refuse(format!(
            "-cleanup must be given for {}: -cleanup=true destroys the bucket at the end, -cleanup=false keeps it",
            bucket.uri()
        ));
    }
    Ok(given && flags.boolean("cleanup"))
}

/// AIStore's way to destroy a bucket and do nothing else: no time, no bound, no wish to stop it by hand.
fn is_cleanup_only(flags: &Parsed) -> bool {
    let is_timeless = flags.is_given("duration") && flags.duration("duration").is_zero();
    let is_bounded = ["maxputs", "maxops"].iter().any(|name| flags.uint(name) > 0)
        || flags.size("totalputsize").is_some_and(|bytes| bytes > 0);
    is_timeless && !is_bounded && flags.boolean("cleanup") && !flags.boolean("stoppable")
}

fn warmup(flags: &Parsed) -> Result<Warmup, FlagError> {
    match flags.text("warmup") {
        "auto" => Ok(Warmup::Auto),
        text => match parse_duration(text) {
            Some(set) => {
                Ok(Warmup::Fixed { seconds: set.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX) })
            }
            None => refuse(format!("-warmup: {text:?} is neither auto nor a duration such as 5s")),
        },
    }
}

fn output(flags: &Parsed) -> Result<Output, FlagError> {
    let seconds: u64 = within("statsinterval", flags.int("statsinterval"), 0, 86_400)?;
    Ok(Output {
        interval: (seconds > 0).then(|| Duration::from_secs(seconds)),
        file: flags.text("stats-output").to_owned(),
        is_json: flags.boolean("json"),
        ndjson: flags.text("ndjson").to_owned(),
        csv: flags.text("csv").to_owned(),
        hdr_prefix: flags.text("hdr-out").to_owned(),
        prom_listen: flags.text("prom-listen").to_owned(),
        is_quiet: flags.boolean("quiet"),
        is_dry_run: flags.boolean("dry-run"),
    })
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
