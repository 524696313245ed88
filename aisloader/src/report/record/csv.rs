//! The same as a table: a row for each second and kind of operation, for spreadsheets.

use super::lines::{Detail, latency};
use super::schema::FinalLine;
use super::sink::{Moment, Sink};
use crate::recorder::OpStats;
use crate::workload::OpKind;
use std::fs::File;
use std::io::{self, BufWriter, Write};

const HEAD: &str = "at_s,span_s,phase,op,ops,bytes,names,errors,ops_per_s,bytes_per_s,min_ns,mean_ns,p50_ns,p90_ns,\
                    p99_ns,p999_ns,p9999_ns,max_ns,own_cpu_s,machine_cpu_s,inflight\n";

/// Writes the table of one run.
pub(super) struct Csv {
    out: BufWriter<File>,
}

impl Csv {
    /// Makes the file and writes the names of the columns.
    pub(super) fn new(path: &str) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(HEAD.as_bytes())?;
        out.flush()?;
        Ok(Self { out })
    }
}

impl Sink for Csv {
    fn name(&self) -> &str {
        "-csv"
    }

    fn moment(&mut self, moment: &Moment<'_>) -> io::Result<()> {
        for kind in OpKind::ALL {
            let stats = moment.interval.stats.of(kind);
            if !stats.is_empty() {
                self.out.write_all(row(moment, kind, stats).as_bytes())?;
            }
        }
        self.out.flush()
    }

    fn end(&mut self, _whole: &FinalLine) -> io::Result<()> {
        self.out.flush()
    }
}

/// No cell needs quotes: all are numbers and single words.
fn row(moment: &Moment<'_>, kind: OpKind, stats: &OpStats) -> String {
    let latency = latency(&stats.latency, Detail::Quantiles);
    // Operations that ended after the run have no rate.
    let rate = |count: u64| if moment.span_s > 0.0 { count as f64 / moment.span_s } else { 0.0 };
    let machine = moment.cpu.machine_s.map(|seconds| format!("{seconds:.3}")).unwrap_or_default();
    let counts = [stats.ops, stats.bytes, stats.names, stats.error_count()].map(|n| n.to_string());
    let quantiles = [
        latency.min_ns,
        latency.mean_ns,
        latency.p50_ns,
        latency.p90_ns,
        latency.p99_ns,
        latency.p999_ns,
        latency.p9999_ns,
        latency.max_ns,
    ]
    .map(|ns| ns.to_string());
    format!(
        "{:.3},{:.3},{},{},{},{:.1},{:.0},{},{:.3},{machine},{}\n",
        moment.at_s,
        moment.span_s,
        moment.phase.label(),
        kind.label().to_ascii_lowercase(),
        counts.join(","),
        rate(stats.ops),
        rate(stats.bytes),
        quantiles.join(","),
        moment.cpu.own_s,
        moment.interval.inflight,
    )
}

#[cfg(test)]
mod tests {
    use super::super::schema::Phase;
    use super::*;
    use crate::recorder::cpu::CpuUse;
    use crate::recorder::{Interval, Moved, Span};
    use std::time::{Duration, Instant};

    #[test]
    fn rows_have_a_cell_for_each_column() {
        let begin = Instant::now();
        let mut interval = Interval { number: 3, inflight: 7, ..Interval::default() };
        for ms in [10, 20] {
            let span = Span { due: None, begin, end: begin + Duration::from_millis(ms), run_end: None };
            interval.stats.record(OpKind::Put, &span, Moved { bytes: 1000, names: 0 });
        }
        let cpu = CpuUse { own_s: 0.25, machine_s: None, stolen_s: None };
        let moment = Moment { at_s: 3.0, span_s: 0.5, phase: Phase::Warmup, interval: &interval, cpu };
        let text = row(&moment, OpKind::Put, interval.stats.of(OpKind::Put));
        let cells: Vec<&str> = text.trim_end().split(',').collect();
        let names: Vec<&str> = HEAD.trim_end().split(',').collect();
        assert_eq!(cells.len(), names.len());
        let cell = |name: &str| cells[names.iter().position(|n| *n == name).unwrap()];
        assert_eq!((cell("phase"), cell("op"), cell("ops"), cell("bytes")), ("warmup", "put", "2", "2000"));
        assert_eq!((cell("ops_per_s"), cell("bytes_per_s"), cell("inflight")), ("4.0", "4000", "7"));
        assert_eq!((cell("max_ns"), cell("own_cpu_s"), cell("machine_cpu_s")), ("20000000", "0.250", ""));
    }
}
