//! HdrHistogram interval logs (V2, compressed), which other tools can read and merge: a file for each kind of
//! operation, made when it first occurs.

use super::schema::FinalLine;
use super::sink::{Moment, Sink};
use crate::recorder::{Latency, OpStats};
use crate::workload::OpKind;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, SystemTime};

/// One of an operation's latencies, with the end of the file's name.
type Pick = (&'static str, fn(&OpStats) -> &Latency);

const PICKS: [Pick; 3] = [
    ("", |stats| &stats.latency),
    ("-intended", |stats| &stats.intended),
    ("-errors", |stats| &stats.error_latency),
];

/// Writes the logs of one run.
pub(super) struct HdrLogs {
    prefix: String,
    started: SystemTime,
    files: BTreeMap<String, BufWriter<File>>,
    serializer: V2DeflateSerializer,
}

impl HdrLogs {
    /// Logs `PREFIX-get.hlog` and so on, of a run that began at `started`; nothing is made yet.
    pub(super) fn new(prefix: &str, started: SystemTime) -> Self {
        Self {
            prefix: prefix.to_owned(),
            started,
            files: BTreeMap::new(),
            serializer: V2DeflateSerializer::new(),
        }
    }

    fn write(&mut self, name: String, moment: &Moment<'_>, latency: &Latency) -> io::Result<()> {
        let Some(histogram) = latency.histogram() else { return Ok(()) };
        if !self.files.contains_key(&name) {
            let mut out = BufWriter::new(File::create(format!("{}-{name}.hlog", self.prefix))?);
            IntervalLogWriterBuilder::new()
                .add_comment(&format!("aisloader {}: {name}, nanoseconds", env!("CARGO_PKG_VERSION")))
                .with_start_time(self.started)
                .with_base_time(self.started)
                .begin_log_with(&mut out, &mut self.serializer)?;
            self.files.insert(name.clone(), out);
        }
        let Some(out) = self.files.get_mut(&name) else { return Ok(()) };
        let start = Duration::from_secs_f64((moment.at_s - moment.span_s).max(0.0));
        let length = Duration::from_secs_f64(moment.span_s.max(0.0));
        // A writer without anything to say at its begin; its type keeps it from living beside its file.
        let mut log = IntervalLogWriterBuilder::new().begin_log_with(out, &mut self.serializer)?;
        log.write_histogram(histogram, start, length, None).map_err(io::Error::other)?;
        out.flush()
    }
}

impl Sink for HdrLogs {
    fn name(&self) -> &str {
        "-hdr-out"
    }

    fn moment(&mut self, moment: &Moment<'_>) -> io::Result<()> {
        for kind in OpKind::ALL {
            for (suffix, pick) in PICKS {
                let name = format!("{}{suffix}", kind.label().to_ascii_lowercase());
                self.write(name, moment, pick(moment.interval.stats.of(kind)))?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _whole: &FinalLine) -> io::Result<()> {
        self.files.values_mut().try_for_each(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::Phase;
    use super::*;
    use crate::recorder::cpu::CpuUse;
    use crate::recorder::{Interval, Moved, Span};
    use base64::Engine as _;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use std::time::{Instant, UNIX_EPOCH};

    /// Reads a log as another tool does it.
    fn read(text: &[u8]) -> (Vec<(Duration, Duration, u64)>, Histogram<u64>) {
        let mut all = Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3).unwrap();
        let mut intervals = Vec::new();
        for entry in IntervalLogIterator::new(text) {
            if let LogEntry::Interval(one) = entry.unwrap() {
                let bytes =
                    base64::engine::general_purpose::STANDARD.decode(one.encoded_histogram()).unwrap();
                let histogram: Histogram<u64> =
                    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                intervals.push((one.start_timestamp(), one.duration(), histogram.len()));
                all.add(histogram).unwrap();
            }
        }
        (intervals, all)
    }

    #[test]
    fn other_tools_can_read_and_merge_them() {
        let dir = std::env::temp_dir().join(format!("aisloader-hdr-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let prefix = dir.join("run").display().to_string();
        let mut logs = HdrLogs::new(&prefix, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let begin = Instant::now();
        let mut whole = Latency::default();
        for second in 1..=3u64 {
            let mut interval = Interval { number: second, ..Interval::default() };
            for n in 1..=1000 * second {
                let latency = Duration::from_micros(100 * second + n);
                whole.record(latency);
                let span = Span { due: None, begin, end: begin + latency, run_end: None };
                interval.stats.record(OpKind::Get, &span, Moved::default());
            }
            let (at_s, phase, cpu) = (second as f64, Phase::Steady, CpuUse::default());
            logs.moment(&Moment { at_s, span_s: 1.0, phase, interval: &interval, cpu }).unwrap();
        }
        let text = std::fs::read(format!("{prefix}-get.hlog")).unwrap();
        assert!(!std::fs::exists(format!("{prefix}-put.hlog")).unwrap(), "only kinds that occurred");
        std::fs::remove_dir_all(&dir).unwrap();
        let heads = String::from_utf8_lossy(&text).matches("#[StartTime: 1700000000.000").count();
        assert_eq!(heads, 1);
        let (intervals, all) = read(&text);
        let second = Duration::from_secs(1);
        let want = [0, 1, 2].map(|at| (second * at, second, u64::from(at + 1) * 1000));
        assert_eq!(intervals, want);
        for quantile in [0.5, 0.99, 0.9999] {
            assert_eq!(all.value_at_quantile(quantile).min(whole.max_ns()), whole.quantile_ns(quantile));
        }
    }
}
