//! HDR histograms as the logs carry them.

use crate::report::record::schema::LatencyLine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

/// The histogram of a final line, in nanoseconds.
///
/// # Errors
/// Its text is wrong, and the error says why; a missing one is `Ok(None)`.
pub fn open(latency: &LatencyLine) -> Result<Option<Histogram<u64>>, String> {
    if latency.hdr.is_empty() {
        return Ok(None);
    }
    let bytes = STANDARD.decode(latency.hdr.as_bytes()).map_err(|e| e.to_string())?;
    let opened = Deserializer::new().deserialize(&mut bytes.as_slice());
    opened.map(Some).map_err(|e| e.to_string())
}

/// The share of all values that lies above `ns`; 0 without values.
#[must_use]
pub fn share_above(histogram: &Histogram<u64>, ns: u64) -> f64 {
    let total = histogram.len();
    if total == 0 {
        return 0.0;
    }
    total.saturating_sub(histogram.count_between(0, ns)) as f64 / total as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};
    use proptest::prelude::*;

    fn line(bytes: &[u8]) -> LatencyLine {
        LatencyLine { hdr: STANDARD.encode(bytes), ..LatencyLine::default() }
    }

    #[test]
    fn both_encodings_are_read() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for ns in 1..=1000u64 {
            histogram.record(ns * 1000).unwrap();
        }
        let (mut plain, mut packed) = (Vec::new(), Vec::new());
        V2Serializer::new().serialize(&histogram, &mut plain).unwrap();
        V2DeflateSerializer::new().serialize(&histogram, &mut packed).unwrap();
        for bytes in [plain, packed] {
            let read = open(&line(&bytes)).unwrap().unwrap();
            assert_eq!((read.len(), read.max()), (histogram.len(), histogram.max()));
            assert!((share_above(&read, 500_000) - 0.5).abs() < 0.002);
        }
        assert!(open(&LatencyLine::default()).unwrap().is_none());
        assert!(open(&LatencyLine { hdr: "*".into(), ..LatencyLine::default() }).is_err());
    }

    proptest! {
        #[test]
        fn bytes_of_a_damaged_file_are_refused_or_read(
            at in 8usize..48, value: u8, cut in 0usize..60,
        ) {
            let mut histogram = Histogram::<u64>::new(2).unwrap();
            histogram.record_n(77, 5).unwrap();
            let mut bytes = Vec::new();
            V2Serializer::new().serialize(&histogram, &mut bytes).unwrap();
            if let Some(slot) = bytes.get_mut(at) {
                *slot = value;
            }
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(40)));
            let _ = open(&line(&bytes));
        }
    }
}
