//! `aisnode store check` on a store that nobody uses.

use super::args::CheckArgs;
use super::report::Report;
use super::site::Site;
use super::{Ending, online, ring};
use crate::error::Result;
use crate::store::{CheckCounts, CheckPlan, Mountpath, Observer, leftovers, sidecars_there};
use std::io;
use std::sync::Arc;
use uring::Driver;

/// Lanes of each mountpath that are read side by side.
const LANES_AT_ONCE: usize = 4;

/// Checks, or has the node check that uses the data.
///
/// # Errors
/// Whatever keeps it from checking everything.
pub(super) fn run(args: &CheckArgs) -> io::Result<Ending> {
    let site = Site::find(&args.site)?;
    let open = match site.open() {
        Ok(open) => open,
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
            eprintln!("{e}: asking the node that runs to check itself");
            return online::run(args, &site);
        }
        Err(e) => return Err(e),
    };
    let report = Report::new(args.json);
    let driver = ring::open()?;
    let counts = uring::block_on(&driver, check(&site, &driver, &open.mountpaths, &report))?;
    let ending = report.finish(counts.map_err(io::Error::other)?);
    Ok(if open.left_out.is_empty() { ending } else { Ending::Findings })
}

async fn check(
    site: &Site,
    driver: &Driver,
    mountpaths: &Arc<[Arc<Mountpath>]>,
    observer: &dyn Observer,
) -> Result<CheckCounts> {
    let (store, lost) = site.setup(driver, mountpaths).open_as_is().await?;
    let plan = CheckPlan {
        buckets: site.buckets.iter().map(|bucket| (bucket.id, Arc::clone(bucket))).collect(),
        lost,
        share: None,
        layout: Arc::new(site.layout()),
        lanes_at_once: LANES_AT_ONCE * mountpaths.len(),
    };
    let sidecars = sidecars_there(&store).await?;
    let (counts, named) = store.check(&plan, observer).await?;
    leftovers(&store, sidecars, &named, Some(&site.buckets), observer).await?;
    Ok(counts)
}
