//! Plain files without a server: what the file system takes for what a PUT has to do.
//!
//! fio cannot say this: it creates all its files at the start, and inside the time that it measures.

use crate::child::check_interrupted;
use crate::error::Result;
use crate::figures::{Figures, Load, figures, quantile};
use crate::scenario::Context;
use crate::usage::{Usage, runner_s};
use crate::work::{MIB, noise};
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

const ALIGN: usize = 4096;

/// One round: each thread makes new files of 1 MiB, writes them past the page cache and flushes each.
pub(crate) fn round(context: &Context, dir: &Path, threads: usize) -> Result<Figures> {
    let length = Duration::from_secs(context.options.seconds);
    let (before, own_before, start) = (Usage::now(None)?, runner_s()?, Instant::now());
    let micros: Result<Vec<Vec<f64>>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || write_until(dir, thread, start + length)))
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().map_err(|_| "a writer has panicked".to_owned())?)
            .collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let (own_s, usage) = (runner_s()? - own_before, Usage::now(None)?.since(&before));
    let mut micros = micros?.concat();
    micros.sort_by(f64::total_cmp);
    let ops = micros.len() as f64;
    let load = Load {
        ops_per_s: ops / seconds,
        ops,
        op_bytes: MIB as f64,
        p50_us: quantile(&micros, 50),
        p99_us: quantile(&micros, 99),
        own_cpu_s: Some(own_s),
        ..Load::default()
    };
    Ok(figures(&load, &usage, false))
}

/// The microseconds of each file.
fn write_until(dir: &Path, thread: usize, until: Instant) -> Result<Vec<f64>> {
    let mut buffer = noise();
    buffer.resize(MIB + ALIGN, 0);
    let skip = buffer.as_ptr().align_offset(ALIGN);
    let data = buffer.get(skip..skip + MIB).ok_or("no aligned buffer")?;
    let direct = i32::try_from(OFlags::DIRECT.bits()).map_err(|e| format!("O_DIRECT: {e}"))?;
    let mut micros = Vec::new();
    while Instant::now() < until {
        check_interrupted()?;
        let path = dir.join(format!("{thread}.{}", micros.len()));
        let start = Instant::now();
        let open = OpenOptions::new().write(true).create_new(true).custom_flags(direct).open(&path);
        let written = open.and_then(|mut file| file.write_all(data).and_then(|()| file.sync_data()));
        written.map_err(|e| format!("{}: {e}", path.display()))?;
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(micros)
}
