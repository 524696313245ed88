//! The program from its arguments to its exit code.

use super::command;
use super::findmax::{Ground, sweep};
use crate::client::{ClientError, DirectMap};
use crate::engine::prepare::{self, AnyError};
use crate::engine::{Control, Plan, run};
use crate::flags::{Parsed, usage};
use crate::fleet::coordinator::{FleetError, Team, TeamEnd};
use crate::honesty::Judgement;
use crate::honesty::witness::Witness;
use crate::recorder::{Interval, RunEnd};
use crate::report::record::ends::{final_line, run_line};
use crate::report::record::{Progress, Sinks};
use crate::report::tables::Reporter;
use crate::settings::{self, Config, Fleet};
use crate::workload::names::NameList;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// Operations failed, or none was done.
const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
const EXIT_USAGE: u8 = 2;
/// Answers had the wrong bytes.
const EXIT_VERIFICATION: u8 = 5;
/// An agent failed or was lost.
const EXIT_AGENTS: u8 = 7;

/// Runs the program; `words` are its arguments without its name.
#[must_use]
pub fn main(words: &[String]) -> ExitCode {
    match words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("respond", rest)) => return crate::responder::main(rest),
        Some(("scale", rest)) => return crate::scale::main(rest),
        Some(("agent", rest)) => return crate::fleet::agent::main(rest),
        _ => {}
    }
    if let Some(code) = command::dispatch(words) {
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
            let is_theirs = matches!(e.downcast_ref(), Some(FleetError::Agents(_)));
            ExitCode::from(if is_theirs { EXIT_AGENTS } else { EXIT_FAILED })
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
    if words.is_empty() || flags.wants_usage() {
        println!("{}", usage(&command::synopses()));
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

/// Who makes the load.
enum Loaders {
    /// This program.
    Here(Plan),
    /// Others.
    Fleet(Team),
}

/// The servers as far as they are known.
struct Servers {
    /// Their ids, by address.
    ids: BTreeMap<String, String>,
    /// Where they can be asked how they are.
    targets: Vec<String>,
}

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
    let mut config = config;
    let mut control = prepare::control(&config);
    prepare::find_gateways(&mut config, &mut control)?;
    let mut reporter = Reporter::new(&config)?;
    let is_bucket_new = prepare::bucket(&config, &mut control)?;
    // Agents look for themselves.
    let names = match is_bucket_new || config.fleet.is_some() {
        true => NameList::default(),
        false => prepare::names(&config, &mut control)?,
    };
    config.open = prepare::open_loop(&config, &mut control)?;
    let config = Arc::new(config);
    let map = prepare::cluster_map(&mut control);
    let direct = prepare::direct_map(&config, &map)?;
    if config.sweep.is_some() {
        let ground = Ground { config, names, direct, interrupted };
        return load_sweep(&ground, is_bucket_new, &mut reporter);
    }
    let ids = map.as_ref().map(DirectMap::ids).unwrap_or_default();
    let targets = map.map_or_else(|_| vec![config.gateway.clone()], |map| map.targets());
    let loaders = match &config.fleet {
        None => Ok(Loaders::Here(Plan { config: Arc::clone(&config), names, direct, interrupted })),
        Some(fleet) => gather(fleet, &config, words, interrupted).map(Loaders::Fleet),
    };
    let outcome = loaders
        .and_then(|loaders| perform(loaders, &config, words, &Servers { ids, targets }, &mut reporter));
    // The bucket goes even when the run could not be made.
    let cleaned = clean_up(&config, is_bucket_new);
    let code = outcome?;
    cleaned?;
    Ok(code)
}

fn gather(
    fleet: &Fleet,
    config: &Config,
    words: &[String],
    interrupted: Arc<AtomicBool>,
) -> Result<Team, AnyError> {
    let flags = Parsed::parse(words)?;
    Ok(Team::gather(fleet, &flags, config, interrupted)?)
}

/// The run and everything that is said about it. The exit code of the result.
fn perform(
    loaders: Loaders,
    config: &Config,
    words: &[String],
    servers: &Servers,
    reporter: &mut Reporter,
) -> Result<u8, AnyError> {
    let objects_known = match &loaders {
        Loaders::Here(plan) => plan.names.len(),
        Loaders::Fleet(team) => team.objects_known(),
    };
    let mut sinks = Sinks::open(config, run_line(config, words, objects_known)?, &servers.ids)?;
    reporter.begin(config, objects_known)?;
    let (end, judgement) = measure(loaders, config, servers, reporter, &mut sinks)?;
    reporter.end(config, &end, &judgement)?;
    sinks.end(&final_line(&end, &judgement, &servers.ids))?;
    Ok(exit_code(&end, &judgement))
}

/// The run and what to think of it. Looks at the servers before and after: destroying the bucket is no work of the run.
fn measure(
    loaders: Loaders,
    config: &Config,
    servers: &Servers,
    reporter: &mut Reporter,
    sinks: &mut Sinks,
) -> Result<(RunEnd, Judgement), AnyError> {
    let mut progress = Progress::new(config.bounds);
    let mut witness = Witness::begin(servers.targets.clone(), &config.tls);
    sinks.begin();
    let mut on_interval = |interval: &Interval| {
        progress.clear();
        reporter.interval(interval);
        progress.draw(interval);
        witness.interval(interval);
        sinks.interval(interval);
    };
    let (objects_known, (mut end, agents)) = match loaders {
        Loaders::Here(plan) => (plan.names.len(), (run(plan, &mut on_interval)?, Vec::new())),
        Loaders::Fleet(team) => {
            let known = team.objects_known();
            let TeamEnd { end, agents } = team.run(&mut on_interval)?;
            (known, (end, agents))
        }
    };
    progress.clear();
    sinks.rest(&end.rest, end.window);
    let evidence = witness.end(config, &mut end, objects_known).with_agents(agents);
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

/// Failed operations weigh more than all rules but those of verification and of agents.
fn exit_code(end: &RunEnd, judgement: &Judgement) -> u8 {
    if end.stats.ops() == 0 && !end.is_interrupted {
        eprintln!("aisloader: not one operation was done");
    }
    let is_failed = end.stats.error_count() > 0 || end.stats.ops() == 0;
    match judgement.exit_code {
        code @ (EXIT_VERIFICATION | EXIT_AGENTS) => code,
        _ if is_failed => EXIT_FAILED,
        code => code,
    }
}

fn clean_up(config: &Config, is_bucket_new: bool) -> Result<(), ClientError> {
    if !config.is_cleaned_up {
        return Ok(());
    }
    // A connection of its own: the first one may have been idle for hours.
    Control::new(config, config.timeout).clean_up(config, is_bucket_new)
}
