//! Every flag, as data. Names, defaults and meanings are AIStore's unless the help says otherwise.

/// The form of a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false; never takes the next word.
    Bool,
    /// A signed whole number.
    Int,
    /// A whole number that is not negative.
    Uint,
    /// Bytes, with a binary suffix.
    Size,
    /// A Go duration.
    Duration,
    /// Any text.
    Text,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name, without dashes.
    pub name: &'static str,
    /// The form of its value.
    pub kind: Kind,
    /// The value when it is not given.
    pub default: &'static str,
    /// One line for `-usage`.
    pub help: &'static str,
}

/// A row of a table of flags.
#[must_use]
pub const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, default, help }
}

use Kind::{Bool, Duration, Int, Size, Text, Uint};

/// The flags of this version.
pub const FLAGS: &[Flag] = &[
    flag("bucket", Text, "", "bucket name or URI (ais://name); empty: a new bucket with a random name"),
    flag("provider", Text, "ais", "provider of -bucket when it is not a URI: ais, aws, gcp, azure, oci"),
    flag(
        "ip",
        Text,
        "localhost",
        "gateway host name or address, for TLS with https:// before it (instead: AIS_ENDPOINT)",
    ),
    flag("port", Text, "8080", "gateway port"),
    flag(
        "direct",
        Bool,
        "false",
        "fetch the cluster map and go straight to the owner target, and to the owner core's port (ours)",
    ),
    flag(
        "randomproxy",
        Bool,
        "false",
        "send every request to a random gateway of the cluster map instead of always to the same",
    ),
    flag(
        "tokenfile",
        Text,
        "",
        "file with the token that every request carries: AIStore's JSON, or the bare text",
    ),
    flag(
        "bprops",
        Text,
        "",
        "JSON with what a bucket is created with (ec, mirror; durability, read_cache, segment_object_size); one that exists keeps its own",
    ),
    flag(
        "s3endpoint",
        Text,
        "",
        "http:// or https://host[:port] of an S3 server: talk S3 with it, without AIStore; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from ~/.aws",
    ),
    flag("s3profile", Text, "", "profile of ~/.aws with the keys; empty: AWS_PROFILE, or default"),
    flag(
        "s3-use-path-style",
        Bool,
        "false",
        "the bucket in the path, not in the host's name; so anyway when the host is an address",
    ),
    flag("s3region", Text, "", "region to sign for; empty: AWS_REGION, the profile's, or us-east-1 (ours)"),
    flag(
        "s3-payload",
        Text,
        "unsigned",
        "unsigned: UNSIGNED-PAYLOAD, which servers take over https, and MinIO and others over plain http too; signed: SHA-256 of every PUT, hashed before the clock starts (ours)",
    ),
    flag("timeout", Duration, "10m", "limit of one operation, redirects included; 0: none"),
    flag(
        "numworkers",
        Int,
        "10",
        "concurrent workers, each with one operation outstanding; in an open loop: those kept ready at the start",
    ),
    flag(
        "arrival",
        Text,
        "closed",
        "when operations begin: closed (when the one before has ended), uniform or poisson (at -rate, whatever the server does), trace (ours)",
    ),
    flag("rate", Text, "", "open loop: arrivals a second over all cores, such as 5000 or 500MiB/s (ours)"),
    flag(
        "max-inflight",
        Uint,
        "4096",
        "open loop: arrivals beyond this many operations in flight are counted as dropped and not done (ours)",
    ),
    flag(
        "duration",
        Duration,
        "1m",
        "how long to run; not given together with -totalputsize, -maxputs or -maxops: unlimited; 0: until interrupted, but with -cleanup=true and neither a bound nor -stoppable: only clean up",
    ),
    flag(
        "trace",
        Text,
        "",
        "file for -arrival=trace: NDJSON, or CSV with a line of names, of at_us or at_ms, op, name, bytes (ours)",
    ),
    flag("trace-speed", Text, "1.0", "play -trace so many times as fast (ours)"),
    flag("record-trace", Text, "", "write a trace of what this run does to this file (ours)"),
    flag(
        "find-max",
        Bool,
        "false",
        "search for the highest rate that keeps -slo, in an open loop: doubling, then bisection; -rate: where to begin (ours)",
    ),
    flag(
        "slo",
        Text,
        "",
        "promise to keep, such as p99=20ms,p999=100ms,err=0.1%; err: failed or dropped (ours)",
    ),
    flag("find-step", Duration, "5s", "how long -find-max and -rates measure each rate (ours)"),
    flag("rates", Text, "", "measure these rates one after another, such as 1000,2000,4000 (ours)"),
    flag("maxputs", Uint, "0", "stop after this many PUTs; 0: no limit"),
    flag(
        "maxops",
        Uint,
        "0",
        "stop after this many operations of any kind, an UPDATE being two; 0: no limit (ours)",
    ),
    flag("totalputsize", Size, "0", "stop after this many bytes of PUT; 0: no limit"),
    flag(
        "pctmultipart",
        Int,
        "0",
        "percentage of PUTs that are made in parts, with -s3endpoint only; needs -multipart-chunks",
    ),
    flag(
        "multipart-chunks",
        Uint,
        "0",
        "parts of a multipart PUT, sent one after another; S3 servers want 5MiB of every part but the last",
    ),
    flag("pctput", Int, "0", "percentage of operations that are PUT"),
    flag(
        "pctupdate",
        Int,
        "0",
        "percentage of GETs that are followed by a PUT of the same name; recorded as UPDATE, and both halves as themselves",
    ),
    flag("pcthead", Int, "0", "percentage of operations that ask for an object's properties (ours)"),
    flag("pctdel", Int, "0", "percentage of operations that delete an object (ours)"),
    flag("pctlist", Int, "0", "percentage of operations that list one page (ours)"),
    flag("list-pagesize", Uint, "1000", "names per listed page; 0: what the server chooses (ours)"),
    flag("minsize", Size, "", "smallest object to PUT; empty: 1MiB"),
    flag("maxsize", Size, "", "largest object to PUT; empty: 1GiB"),
    flag(
        "sizes",
        Text,
        "",
        "sizes to PUT instead of minsize to maxsize: 4KiB:70,1MiB:25,8MiB:5 (with weights), lognormal:MEDIAN,SIGMA \
         (bounded by minsize and maxsize), or file:PATH with lines SIZE COUNT or SIZE, as find DIR -type f -printf \
         '%s\\n' writes them (ours)",
    ),
    flag(
        "readertype",
        Text,
        "sg",
        "payload source: sg and rand, the pre-generated pool; file, the same written to a file and read back before the run; tar, shards as with -arch.pct=100",
    ),
    flag(
        "tmpdir",
        Text,
        "",
        "where -readertype=file puts its file; empty: the system's place for such files",
    ),
    flag("arch.pct", Int, "0", "percentage of new objects that are shards, archives of small files"),
    flag("arch.format", Text, ".tar", "format of shards; only .tar"),
    flag("arch.num-files", Int, "0", "files of a shard; 0: as -arch.minsize and -arch.maxsize say, or 10"),
    flag("arch.minsize", Size, "", "smallest file of a shard; with no size of files, they share the shard's"),
    flag("arch.maxsize", Size, "", "largest file of a shard"),
    flag("arch.prefix", Text, "", "what the paths in a shard begin with"),
    flag("arch.list", Bool, "false", "list the files in shards and GET those, by archpath"),
    flag(
        "compress-pct",
        Uint,
        "0",
        "percentage of each 4KiB of payload that compresses to nearly nothing (ours)",
    ),
    flag(
        "dedupe-pct",
        Uint,
        "0",
        "percentage of 4KiB blocks that all objects have in common, all but their first; when given, all other blocks differ; not given: blocks repeat every 16MiB of payload (ours)",
    ),
    flag(
        "verify",
        Text,
        "none",
        "what GET returns is checked: none, checksum (as -verifyhash), or content: PUT stamps every 4KiB block with name, version and place, and GET finds wrong bytes, stale, mixed, misplaced, cut and extended objects, those of earlier runs and other loaders too (ours)",
    ),
    flag(
        "cksum-type",
        Text,
        "xxhash",
        "checksum sent with PUT: xxhash, xxhash2, md5, crc32c, sha256, sha512 or none",
    ),
    flag(
        "verifyhash",
        Bool,
        "false",
        "compute the checksum of what GET returns and compare it with the header",
    ),
    flag(
        "drop",
        Bool,
        "true",
        "what GET returns is counted and dropped by the kernel, without a copy to this program; false: it is copied, as it is \
         when it is verified; with https it is decrypted first (ours)",
    ),
    flag("seed", Int, "0", "seed of every random decision; 0: from the clock"),
    flag("randomname", Bool, "true", "PUT under random names of 32 characters; false: consecutive numbers"),
    flag("subdir", Text, "", "GET and LIST: only names with this prefix; PUT: virtual directory to write to"),
    flag(
        "num-subdirs",
        Uint,
        "0",
        "PUT: spread names over this many virtual directories (below 100000); 0: none",
    ),
    flag(
        "loaderid",
        Text,
        "0",
        "which of several loaders this is: a number, or with -loaderidhashlen any text",
    ),
    flag(
        "loadernum",
        Uint,
        "0",
        "how many loaders there are; names are then numbers that end in the loader's, so that no two loaders write the same",
    ),
    flag(
        "loaderidhashlen",
        Uint,
        "0",
        "bits (1 to 63) of the hash of -loaderid to take as the id; 0: it is a number",
    ),
    flag(
        "loaders",
        Text,
        "",
        "host:port,host:port of programs started as `aisloader agent`: they make this load together, from one instant on; \
         workers, rate and bounds are divided among them (ours)",
    ),
    flag("token-file", Text, "", "file with the token that -loaders were started with (ours)"),
    flag("getloaderid", Bool, "false", "print the loader's id and end"),
    flag("readoff", Size, "", "GET: read from this offset; without -readlen: to the end of the object"),
    flag("readlen", Size, "", "GET: read only this many bytes"),
    flag(
        "range-mode",
        Text,
        "fixed",
        "where -readlen bytes begin: fixed at -readoff, random, or aligned to multiples of -readlen (ours)",
    ),
    flag(
        "dist",
        Text,
        "auto",
        "which names are read: uniform, shuffle (each once before any twice), zipf:THETA, hot:A/B (A% of operations on \
         B% of names), latest[:THETA] (Zipf, the newest first), seq; auto: shuffle when nothing is written or deleted, \
         else uniform (ours)",
    ),
    flag(
        "epochs",
        Uint,
        "0",
        "read every name exactly once a pass, in this many passes, and end; without -duration there is no limit of time",
    ),
    flag(
        "epoch-start",
        Uint,
        "0",
        "leave out this many reads of the passes: with the same seed and names, go on where a run was ended (ours)",
    ),
    flag(
        "perm-shuffle-max",
        Uint,
        "100000",
        "accepted: however many names there are, passes visit them in a pseudo-random order in constant memory",
    ),
    flag(
        "read-partition",
        Bool,
        "false",
        "read only the share of the names that is -loaderid's of -loadernum: loaders read disjoint names, all of them \
         together every name (ours)",
    ),
    flag("filelist", Text, "", "read object names from this file, one a line, instead of listing the bucket"),
    flag(
        "training",
        Text,
        "",
        "play a training loop: batch=64,compute=50ms,prefetch=2 makes each worker load batches of 64 objects for an \
         accelerator that computes 50ms on each, at most 2 batches ahead; reports stalls and utilisation (ours)",
    ),
    flag("skiplist", Bool, "false", "do not list the bucket at the start; only with 100% PUT"),
    flag(
        "cleanup",
        Bool,
        "",
        "destroy the bucket at the end; must be given, true or false, for an ais bucket",
    ),
    flag(
        "stoppable",
        Bool,
        "false",
        "let -duration=0 run until Ctrl-C; that Ctrl-C ends a run in order is always so",
    ),
    flag("statsinterval", Int, "10", "seconds between rows of statistics; 0: none"),
    flag("stats-output", Text, "", "write statistics to this file instead of the standard output"),
    flag(
        "trace-http",
        Bool,
        "false",
        "say where the time of operations goes: redirect, answer, body; SIGHUP turns it on and off",
    ),
    flag("json", Bool, "false", "statistics as JSON"),
    flag(
        "ndjson",
        Text,
        "",
        "log to this file, a JSON object a line: the run, every second, the whole (ours)",
    ),
    flag("csv", Text, "", "table in this file, a row for each second and kind of operation (ours)"),
    flag(
        "hdr-out",
        Text,
        "",
        "HdrHistogram interval logs, a line every second, in files PREFIX-get.hlog and so on (ours)",
    ),
    flag("prom-listen", Text, "", "answer Prometheus on this host:port while the run goes on (ours)"),
    flag(
        "warmup",
        Text,
        "auto",
        "what of the begin does not count: auto (found by MSER over the seconds), or a duration; not in runs bounded by work (ours)",
    ),
    flag("hot", Bool, "false", "reads from the server's memory are what is asked for (ours)"),
    flag("max-errors", Text, "1%", "more failed operations make the run inadmissible (ours)"),
    flag(
        "allow",
        Text,
        "",
        "rules that the run may break, separated by commas: verification, agents, errors, client-saturated, cache, \
         not-steady, too-short, clock-step, steal; the result names them (ours)",
    ),
    flag("quiet", Bool, "false", "do not print the parameters at the start"),
    flag("dry-run", Bool, "false", "print the effective parameters and end"),
    flag("version", Bool, "false", "print the version and end"),
    flag("usage", Bool, "false", "print this text and end"),
    flag("help", Bool, "false", "print this text and end"),
    flag("h", Bool, "false", "print this text and end"),
];

/// AIStore's flags that change nothing here; taken with a warning. The last five are documented there and exist in
/// no version of its code.
pub(super) const IGNORED: &[(&str, Kind)] = &[
    ("statsdip", Text),
    ("statsdport", Int),
    ("statsdprobe", Bool),
    ("uniquegets", Bool),
    ("putshards", Bool),
    ("objNamePrefix", Text),
    ("transformation", Text),
];
