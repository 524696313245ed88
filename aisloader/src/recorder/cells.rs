//! A histogram as it travels: the cells that are not empty. Whoever reads it makes the histogram with bounds of its own,
//! so that no text from elsewhere decides how much memory is taken.

use hdrhistogram::Histogram;

/// A value in nanoseconds, and how often it occurred.
pub(crate) type Cell = (u64, u64);

/// The cells of a histogram, from the least value up.
pub(crate) fn cells(histogram: &Histogram<u64>) -> Vec<Cell> {
    histogram.iter_recorded().map(|cell| (cell.value_iterated_to(), cell.count_at_value())).collect()
}

/// `empty` with these cells in it; `None` when there are none. Values beyond its bounds go to its last cell.
pub(crate) fn filled(empty: Option<Histogram<u64>>, cells: &[Cell]) -> Option<Histogram<u64>> {
    let mut histogram = empty.filter(|_| !cells.is_empty())?;
    for (value_ns, count) in cells.iter().filter(|(_, count)| *count > 0) {
        histogram.saturating_record_n(*value_ns, *count);
    }
    Some(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn empty() -> Option<Histogram<u64>> {
        Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3).ok()
    }

    proptest! {
        #[test]
        fn nothing_is_lost(values in prop::collection::vec(0u64..u64::MAX, 1..300)) {
            let mut histogram = empty().unwrap();
            values.iter().for_each(|value| histogram.saturating_record(*value));
            prop_assert_eq!(filled(empty(), &cells(&histogram)), Some(histogram));
        }

        #[test]
        fn anything_can_be_read(all in prop::collection::vec((any::<u64>(), any::<u64>()), 0..50)) {
            let got = filled(empty(), &all);
            prop_assert_eq!(got.is_none(), all.is_empty());
        }
    }
}
