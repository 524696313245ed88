//! The lines of the log, made of the recorded figures.

use super::schema::{LatencyLine, OpLine, PlaceLine};
use crate::recorder::places::{ByPlace, PlaceStats};
use crate::recorder::{Latency, OpStats, Stats};
use crate::workload::OpKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use std::collections::BTreeMap;

/// Quantiles alone, or the whole histogram with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Quantiles only.
    Quantiles,
    /// The histogram too.
    Histogram,
}

/// Every kind of operation that was tried, by its label in lower case.
#[must_use]
pub fn ops(stats: &Stats, detail: Detail) -> BTreeMap<String, OpLine> {
    let tried = OpKind::ALL.into_iter().filter(|kind| !stats.of(*kind).is_empty());
    tried.map(|kind| (kind.label().to_ascii_lowercase(), op(stats.of(kind), detail))).collect()
}

fn op(stats: &OpStats, detail: Detail) -> OpLine {
    OpLine {
        ops: stats.ops,
        bytes: stats.bytes,
        names: stats.names,
        errors: stats.error_count(),
        latency: latency(&stats.latency, detail),
        intended: (stats.intended.count() > 0).then(|| latency(&stats.intended, detail)),
    }
}

/// Every place. Servers are named by the id that `ids` has for their address.
#[must_use]
pub fn places(all: &ByPlace, ids: &BTreeMap<String, String>) -> BTreeMap<String, PlaceLine> {
    let named = all.renamed(|place| ids.get(place).map_or(place, String::as_str).to_owned());
    let line = |stats: &PlaceStats| PlaceLine {
        ops: stats.ops,
        bytes: stats.bytes,
        errors: stats.errors,
        p50_ns: stats.quantile_ns(0.5),
        p99_ns: stats.quantile_ns(0.99),
        max_ns: stats.max_ns,
    };
    named.iter().map(|(place, stats)| (place.to_owned(), line(stats))).collect()
}

/// The quantiles of a distribution.
#[must_use]
pub fn latency(latency: &Latency, detail: Detail) -> LatencyLine {
    let hdr = match detail {
        Detail::Quantiles => String::new(),
        Detail::Histogram => hdr(latency),
    };
    LatencyLine {
        min_ns: latency.min_ns(),
        mean_ns: latency.mean_ns(),
        p50_ns: latency.quantile_ns(0.5),
        p90_ns: latency.quantile_ns(0.9),
        p99_ns: latency.quantile_ns(0.99),
        p999_ns: latency.quantile_ns(0.999),
        p9999_ns: latency.quantile_ns(0.9999),
        max_ns: latency.max_ns(),
        hdr,
    }
}

/// Base64 of the compressed histogram; empty when there is nothing in it.
fn hdr(latency: &Latency) -> String {
    let Some(histogram) = latency.histogram() else { return String::new() };
    let mut bytes = Vec::new();
    // Writing to memory fails only for histograms whose counts do not fit the format, and then there is none.
    match V2DeflateSerializer::new().serialize(histogram, &mut bytes) {
        Ok(_) => STANDARD.encode(&bytes),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::{Moved, Span};
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use std::time::{Duration, Instant};

    #[test]
    fn the_histogram_comes_back() {
        let mut stats = Stats::default();
        let begin = Instant::now();
        for ms in 1..=1000 {
            let span = Span { due: None, begin, end: begin + Duration::from_millis(ms), run_end: None };
            stats.record(OpKind::Get, &span, Moved { bytes: 10, names: 0 });
        }
        let all = ops(&stats, Detail::Histogram);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["get"]);
        let get = &all["get"];
        assert_eq!((get.ops, get.bytes, get.errors), (1000, 10_000, 0));
        let bytes = STANDARD.decode(&get.latency.hdr).unwrap();
        let back: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(back.len(), 1000);
        assert_eq!(back.value_at_quantile(0.99), get.latency.p99_ns);
        assert!(ops(&stats, Detail::Quantiles)["get"].latency.hdr.is_empty());
    }
}
