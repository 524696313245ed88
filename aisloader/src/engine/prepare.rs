//! Preparation of a run: the bucket, the names to read, and who can be asked.

use super::control::Control;
use super::shared::plan::Plan;
use crate::client::gateways::gateways;
use crate::client::{Detail, DirectMap};
use crate::settings::Config;
use crate::workload::names::NameList;
use crate::workload::open_loop::{OpenLoop, Rate};
use crate::workload::range::RangeRead;
use crate::workload::{OpKind, filelist};
use link::address::is_secure;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Longest wait for an answer to a control request other than the last one.
const CONTROL_LIMIT: Duration = Duration::from_secs(60);

pub(crate) type AnyError = Box<dyn std::error::Error>;

/// A client for everything before the run.
pub(crate) fn control(config: &Config) -> Control {
    Control::new(config, Some(config.timeout.unwrap_or(CONTROL_LIMIT).min(CONTROL_LIMIT)))
}

/// A run on a bucket that another loader looks after.
pub(crate) fn plan(mut config: Config, interrupted: Arc<AtomicBool>) -> Result<Plan, AnyError> {
    let mut control = control(&config);
    find_gateways(&mut config, &mut control)?;
    let names = names(&config, &mut control)?;
    let direct = direct_map(&config, &cluster_map(&mut control))?;
    Ok(Plan { config: Arc::new(config), names, direct, interrupted })
}

/// Finds out who the gateways are, when any of them may be asked.
pub(crate) fn find_gateways(config: &mut Config, control: &mut Control) -> Result<(), AnyError> {
    if config.is_gateway_random {
        config.gateways = gateways(&control.cluster_map()?)?;
        check_scheme(config, &config.gateways)?;
    }
    Ok(())
}

/// Sees to it that there is a bucket; true when it is new.
pub(crate) fn bucket(config: &Config, control: &mut Control) -> Result<bool, AnyError> {
    let uri = config.bucket.uri();
    if control.bucket_exists(config)? {
        if config.bucket_props.is_some() {
            eprintln!("aisloader: warning: -bprops: bucket {uri} exists and keeps its own");
        }
        return Ok(false);
    }
    if config.choices.epochs > 0 {
        return Err(format!("bucket {uri} does not exist: there is nothing for -epochs to read").into());
    }
    if config.mix.pct_put == 0 {
        return Err(format!("bucket {uri} does not exist, and -pctput is 0: there is nothing to read").into());
    }
    if !config.bucket.is_ais() && config.s3.is_none() {
        return Err(format!("bucket {uri} does not exist").into());
    }
    control.create_bucket(config)?;
    Ok(true)
}

/// The names that this loader may read; none if the run reads nothing.
pub(crate) fn names(config: &Config, control: &mut Control) -> Result<NameList, AnyError> {
    let is_read = config.mix.has(OpKind::needs_name);
    if !is_read || config.is_list_skipped || config.trace.is_some() {
        return Ok(NameList::default());
    }
    let names = listed(config, control)?;
    if names.is_empty() && (config.mix.pct_put == 0 || config.choices.epochs > 0) {
        let uri = config.bucket.uri();
        let place =
            if config.subdir.is_empty() { String::new() } else { format!(" under {:?}", config.subdir) };
        return Err(
            format!("bucket {uri} has no objects{place} that this run could read, and needs some").into()
        );
    }
    Ok(names)
}

/// The names to read: from the file that is given, or else from the bucket.
fn listed(config: &Config, control: &mut Control) -> Result<NameList, AnyError> {
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
pub(crate) fn open_loop(config: &Config, control: &mut Control) -> Result<Option<OpenLoop>, AnyError> {
    let Some(open @ OpenLoop { rate: Rate::BytesPerS(_), .. }) = &config.open else { return Ok(config.open) };
    let listed_bytes = control.mean_size(config)?;
    let resolved = open.resolved(config.mix.mean_bytes(listed_bytes));
    let why = "-rate: a rate in bytes needs operations that move some; give operations a second";
    Ok(Some(resolved.ok_or(why)?))
}

/// Who the targets are. Only `-direct` cannot do without.
pub(crate) fn cluster_map(control: &mut Control) -> Result<DirectMap, AnyError> {
    Ok(DirectMap::from_json(&control.cluster_map()?)?)
}

/// The way to owner cores, when it is asked for.
pub(crate) fn direct_map(
    config: &Config,
    map: &Result<DirectMap, AnyError>,
) -> Result<Option<DirectMap>, AnyError> {
    if !config.is_direct {
        return Ok(None);
    }
    let map = map.as_ref().map_err(ToString::to_string)?.clone();
    check_scheme(config, map.addresses().flatten())?;
    if !map.knows_cores() {
        eprintln!(
            "aisloader: warning: -direct: the targets do not publish their cores; using their public addresses"
        );
    }
    Ok(Some(map))
}

/// A cluster that is asked with TLS must not lead us out of it: as redirects must not.
fn check_scheme<'a>(config: &Config, all: impl IntoIterator<Item = &'a String>) -> Result<(), AnyError> {
    match all.into_iter().find(|address| is_secure(&config.gateway) && !is_secure(address)) {
        Some(plain) => {
            Err(format!("the cluster map of {} leads to plain http, at {plain}", config.gateway).into())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::s3::Lookup;
    use crate::flags::Parsed;

    #[test]
    fn a_cluster_map_does_not_lead_out_of_tls() {
        let judge = |endpoint, all: &[&str]| {
            let variable = |name: &str| (name == "AIS_SKIP_VERIFY_CRT").then(|| "true".to_owned());
            let lookup = Lookup { variable: &variable, ..Lookup::of_process() };
            let flags = Parsed::parse(&["-cleanup=true"]).unwrap();
            let config = Config::with_lookup(&flags, Some(endpoint), 1, &lookup).unwrap();
            let all: Vec<String> = all.iter().map(|one| (*one).to_owned()).collect();
            check_scheme(&config, &all).map_err(|e| e.to_string())
        };
        assert!(judge("http://h", &["g:1", "https://g:2"]).is_ok());
        assert!(judge("https://h", &["https://g:1", "https://g:2"]).is_ok());
        assert!(judge("https://h", &["https://g:1", "g:2"]).unwrap_err().contains("plain http, at g:2"));
    }
}
