//! `aisnode store rebuild-index`: indexes thrown away and made anew, by the code that a start uses.

use super::args;
use super::progress::Progress;
use super::site::Site;
use super::{Ending, ring};
use crate::error::Result;
use crate::store::{Mountpath, RecoveryReport};
use futures_util::future::{Either, select};
use indicatif::HumanBytes;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use uring::Driver;

/// The time between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Rebuilds.
///
/// # Errors
/// Whatever keeps it from coming to its end; a start makes good what it has left half done.
pub(super) fn run(args: &args::Site) -> io::Result<Ending> {
    let site = Site::find(args)?;
    let mountpaths = site.open()?.mountpaths;
    let driver = ring::open()?;
    let progress = Progress::new("rebuild");
    let (removed, report) = uring::block_on(&driver, rebuild(&site, &driver, &mountpaths, &progress))?
        .map_err(io::Error::other)?;
    let took = progress.finish();
    for mountpath in mountpaths.iter() {
        rustix::fs::syncfs(mountpath.dir())?;
    }
    println!(
        "rebuilt {removed} indexes: {} objects, {} in them, from {} records and the files; unusable {}, torn {}; {:.1} s",
        report.objects,
        HumanBytes(report.size_bytes),
        report.replayed,
        report.unusable,
        HumanBytes(report.torn_bytes),
        took.as_secs_f64(),
    );
    Ok(if report.unusable == 0 { Ending::Clean } else { Ending::Findings })
}

async fn rebuild(
    site: &Site,
    driver: &Driver,
    mountpaths: &Arc<[Arc<Mountpath>]>,
    progress: &Progress,
) -> Result<(usize, RecoveryReport)> {
    let removed = site.setup(driver, mountpaths).remove_indexes().await?;
    let mut opening = Box::pin(site.setup(driver, mountpaths).open());
    let (all, before) = (mountpaths.iter().map(|mountpath| log_bytes(&mountpath.path)).sum(), bytes_read());
    loop {
        let look = pin!(driver.sleep(LOOK_EVERY));
        match select(opening, look).await {
            Either::Left((opened, _)) => return opened.map(|(_, report)| (removed, report)),
            Either::Right((_, still)) => opening = still,
        }
        progress.set(bytes_read().saturating_sub(before), all);
    }
}

/// Bytes of all segments: what takes the time.
fn log_bytes(mountpath: &Path) -> u64 {
    let Ok(lanes) = std::fs::read_dir(mountpath.join(crate::store::LANES_DIR)) else { return 0 };
    let files = lanes.flatten().filter_map(|lane| std::fs::read_dir(lane.path()).ok());
    let files =
        files.flatten().flatten().filter(|file| file.path().extension().is_some_and(|ext| ext == "tar"));
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// Bytes that this process has read from disks. The code that opens a store has nothing else to say how far it is.
fn bytes_read() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or_default()
}
