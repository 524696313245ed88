//! The program from its arguments to its exit code.

use crate::client::{ClientError, Detail};
use crate::config::Config;
use crate::control::Control;
use crate::engine::{DirectMap, Plan, RunEnd, run};
use crate::filelist;
use crate::findmax::{Ground, sweep};
use crate::flags::{Parsed, usage};
use crate::gateways::gateways;
use crate::honesty::Judgement;
use crate::honesty::witness::Witness;
use crate::names::NameList;
use crate::open_loop::{OpenLoop, Rate};
use crate::range::RangeRead;
use crate::record::ends::{final_line, run_line};
use crate::record::{Progress, Sinks};
use crate::report::Reporter;
use crate::settings;
use crate::workload::OpKind;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Operations failed, or none was done.
const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
const EXIT_USAGE: u8 = 2;
/// Answers had the wrong bytes.
const EXIT_VERIFICATION: u8 = 5;
/// Longest wait for an answer to a control request other than the last one.
const CONTROL_LIMIT: Duration = Duration::from_secs(60);

/// Runs the program; `words` are its arguments without its name.
#[must_use]
pub fn main(words: &[String]) -> ExitCode {
    match words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("respond", rest)) => return crate::responder::main(rest),
        Some(("scale", rest)) => return crate::scale::main(rest),
        _ => {}
    }
    if let Some(code) = crate::command::dispatch(words) {
        return code;
    }
    let config = match configure(words) {
        Ok(Some(config)) => config,
        Ok(None) => return ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("aisloader: {text}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match load(config, words) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("aisloader: {e}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// The run that is asked for; `None` when only a text was.
fn configure(words: &[String]) -> Result<Option<Config>, String> {
    let flags = Parsed::parse(words).map_err(|e| e.to_string())?;
    if flags.boolean("version") {
        println!("aisloader {} (straightline)", env!("CARGO_PKG_VERSION"));
        return Ok(None);
    }
    if words.is_empty() || ["usage", "help", "h"].iter().any(|name| flags.boolean(name)) {
        println!("{}", usage());
        return Ok(None);
    }
    for warning in &flags.warnings {
        eprintln!("aisloader: warning: {warning}");
    }
    if flags.boolean("getloaderid") {
        println!("{:#x}", settings::loader_id(&flags).map_err(|e| e.to_string())?.id);
        return Ok(None);
    }
    let endpoint = std::env::var("AIS_ENDPOINT").ok();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    // The low 64 bits of the nanoseconds are as good a seed as any.
    let seed = u64::try_from(clock & u128::from(u64::MAX)).unwrap_or_default();
    let config = Config::new(&flags, endpoint.as_deref(), seed).map_err(|e| e.to_string())?;
    if config.output.is_dry_run {
        println!("{}", serde_json::to_string_pretty(&config).map_err(|e| e.to_string())?);
        return Ok(None);
    }
    Ok(Some(config))
}

type AnyError = Box<dyn std::error::Error>;

/// Prepares, runs, reports, cleans up. The exit code of the result.
fn load(config: Config, words: &[String]) -> Result<u8, AnyError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second one ends the program at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))?;
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    if config.is_cleanup_only {
        clean_up(&config, false)?;
        return Ok(0);
    }
    let limit = config.timeout.unwrap_or(CONTROL_LIMIT).min(CONTROL_LIMIT);
    let mut control = Control::new(&config, Some(limit));
    let mut config = config;
    if config.is_gateway_random {
        config.gateways = gateways(&control.cluster_map()?)?;
    }
    let config = Arc::new(config);
    let mut reporter = Reporter::new(&config)?;
    let Prepared { names, is_bucket_new } = prepare(&config, &mut control)?;
    let config = Arc::new(Config { open: open_loop(&config, &mut control)?, ..(*config).clone() });
    let map = cluster_map(&mut control);
    let direct = direct_map(&config, &map)?;
    if config.sweep.is_some() {
        let ground = Ground { config: Arc::clone(&config), names, direct, interrupted };
        return load_sweep(&ground, is_bucket_new, &mut reporter);
    }
    let ids = map.as_ref().map(DirectMap::ids).unwrap_or_default();
    let mut sinks = Sinks::open(&config, run_line(&config, words, names.len())?, &ids)?;
    reporter.begin(&config, names.len())?;
    let targets = map.map_or_else(|_| vec![config.gateway.clone()], |map| map.targets());
    let plan = Plan { config: Arc::clone(&config), names, direct, interrupted };
    let outcome = measure(plan, targets, &mut reporter, &mut sinks);
    // The bucket goes even when the run could not be made.
    let cleaned = clean_up(&config, is_bucket_new);
    let (end, judgement) = outcome?;
    reporter.end(&config, &end, &judgement)?;
    sinks.end(&final_line(&end, &judgement, &ids))?;
    cleaned?;
    Ok(exit_code(&end, &judgement))
}

/// The run and what to think of it. Looks at the servers before and after: destroying the bucket is no work of the run.
fn measure(
    plan: Plan,
    targets: Vec<String>,
    reporter: &mut Reporter,
    sinks: &mut Sinks,
) -> Result<(RunEnd, Judgement), AnyError> {
    let (config, objects_known) = (Arc::clone(&plan.config), plan.names.len());
    let mut progress = Progress::new(config.bounds);
    let mut witness = Witness::begin(targets);
    sinks.begin();
    let mut end = run(plan, &mut |interval| {
        progress.clear();
        reporter.interval(interval);
        progress.draw(interval);
        witness.interval(interval);
        sinks.interval(interval);
    })?;
    progress.clear();
    sinks.rest(&end.rest, end.window);
    let evidence = witness.end(&config, &mut end, objects_known);
    Ok((end, Judgement::new(evidence, &config.terms)))
}

/// Measures rate after rate. It fails when no rate kept the promise.
fn load_sweep(ground: &Ground, is_bucket_new: bool, reporter: &mut Reporter) -> Result<u8, AnyError> {
    let (Some(asked), Some(open)) = (&ground.config.sweep, &ground.config.open) else {
        return Ok(EXIT_FAILED);
    };
    let outcome = sweep(ground, open, asked, reporter.place());
    // The bucket goes even when a measurement could not be made.
    let cleaned = clean_up(&ground.config, is_bucket_new);
    let end = outcome?;
    cleaned?;
    Ok(if end.best.is_some() || asked.slo.is_none() { 0 } else { EXIT_FAILED })
}

/// Failed operations weigh more than all rules but that of verification.
fn exit_code(end: &RunEnd, judgement: &Judgement) -> u8 {
    if end.stats.ops() == 0 && !end.is_interrupted {
        eprintln!("aisloader: not one operation was done");
    }
    let is_failed = end.stats.error_count() > 0 || end.stats.ops() == 0;
    match judgement.exit_code {
        EXIT_VERIFICATION => EXIT_VERIFICATION,
        _ if is_failed => EXIT_FAILED,
        code => code,
    }
}

/// What a run begins with.
#[derive(Default)]
struct Prepared {
    names: NameList,
    is_bucket_new: bool,
}

/// Sees to it that there is a bucket, and lists what there is to read.
fn prepare(config: &Config, control: &mut Control) -> Result<Prepared, AnyError> {
    let uri = config.bucket.uri();
    let is_read = config.mix.has(OpKind::needs_name);
    let exists = control.bucket_exists(config)?;
    if !exists {
        if config.choices.epochs > 0 {
            return Err(format!("bucket {uri} does not exist: there is nothing for -epochs to read").into());
        }
        if config.mix.pct_put == 0 {
            return Err(
                format!("bucket {uri} does not exist, and -pctput is 0: there is nothing to read").into()
            );
        }
        if !config.bucket.is_ais() && config.s3.is_none() {
            return Err(format!("bucket {uri} does not exist").into());
        }
        control.create_bucket(config)?;
    } else if config.bucket_props.is_some() {
        eprintln!("aisloader: warning: -bprops: bucket {uri} exists and keeps its own");
    }
    if !exists || !is_read || config.is_list_skipped || config.trace.is_some() {
        return Ok(Prepared { is_bucket_new: !exists, ..Prepared::default() });
    }
    let names = names_to_read(config, control)?;
    if names.is_empty() && (config.mix.pct_put == 0 || config.choices.epochs > 0) {
        let place =
            if config.subdir.is_empty() { String::new() } else { format!(" under {:?}", config.subdir) };
        return Err(
            format!("bucket {uri} has no objects{place} that this run could read, and needs some").into()
        );
    }
    Ok(Prepared { names, is_bucket_new: false })
}

/// The names to read: from the file that is given, or else from the bucket, as far as they are this loader's.
fn names_to_read(config: &Config, control: &mut Control) -> Result<NameList, AnyError> {
    let (choices, prefix) = (&config.choices, config.subdir_prefix());
    let mut names = if choices.file_list.is_empty() {
        let needs_sizes = config.range.as_ref().is_some_and(RangeRead::needs_sizes);
        let detail = match (config.archives.is_read, needs_sizes) {
            (true, _) => Detail::Members,
            (false, true) => Detail::Sizes,
            (false, false) => Detail::Names,
        };
        control.list(config, detail)?
    } else {
        filelist::read(&choices.file_list, &prefix)?
    };
    if let Some(partition) = choices.partition {
        names.retain(|name| partition.owns(name));
    }
    Ok(names)
}

/// The open loop, its rate in operations.
fn open_loop(config: &Config, control: &mut Control) -> Result<Option<OpenLoop>, AnyError> {
    let Some(open @ OpenLoop { rate: Rate::BytesPerS(_), .. }) = &config.open else { return Ok(config.open) };
    let listed_bytes = control.mean_size(config)?;
    let resolved = open.resolved(config.mix.mean_bytes(listed_bytes));
    let why = "-rate: a rate in bytes needs operations that move some; give operations a second";
    Ok(Some(resolved.ok_or(why)?))
}

/// Who the targets are. Only `-direct` cannot do without.
fn cluster_map(control: &mut Control) -> Result<DirectMap, AnyError> {
    Ok(DirectMap::from_json(&control.cluster_map()?)?)
}

fn direct_map(config: &Config, map: &Result<DirectMap, AnyError>) -> Result<Option<DirectMap>, AnyError> {
    if !config.is_direct {
        return Ok(None);
    }
    let map = map.as_ref().map_err(ToString::to_string)?.clone();
    if !map.knows_cores() {
        eprintln!(
            "aisloader: warning: -direct: the targets do not publish their cores; using their public addresses"
        );
    }
    Ok(Some(map))
}

fn clean_up(config: &Config, is_bucket_new: bool) -> Result<(), ClientError> {
    if !config.is_cleaned_up {
        return Ok(());
    }
    // A connection of its own: the first one may have been idle for hours.
    Control::new(config, config.timeout).clean_up(config, is_bucket_new)
}
