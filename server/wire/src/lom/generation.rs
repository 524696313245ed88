//! The order of the versions of one name, on one node and across nodes.

use std::fmt;
use std::str::FromStr;

/// A reading of a node's hybrid logical clock: the greater of two of one name is the newer. Wall time moves the clock, and so
/// does each reading that a node sees, so that none is ever given below one that was seen. Unique in a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation {
    /// Nanoseconds since 1970 as far as wall time is right.
    pub clock: u64,
    /// A digest of the id of the node that wrote: it decides between two equal clocks.
    pub node: u64,
}

impl Generation {
    /// A number for a table of hashes.
    #[must_use]
    pub fn mixed(self) -> u64 {
        self.clock ^ self.node
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:016x}-{:016x}", self.clock, self.node)
    }
}

impl FromStr for Generation {
    type Err = ();

    /// Undoes [`fmt::Display`], and takes nothing else.
    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| ());
        let (clock, node) = text.split_once('-').ok_or(())?;
        let read = Self { clock: number(clock)?, node: number(node)? };
        if read.to_string() == text { Ok(read) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_read_back(clock: u64, node: u64, other in "[0-9a-fA-F+-]{0,40}") {
            let generation = Generation { clock, node };
            prop_assert_eq!(generation.to_string().parse(), Ok(generation));
            if let Ok(read) = other.parse::<Generation>() {
                prop_assert_eq!(read.to_string(), other);
            }
        }
    }

    #[test]
    fn the_clock_counts_before_the_node() {
        let of = |clock, node| Generation { clock, node };
        assert!(of(1, 9) < of(2, 0) && of(2, 0) < of(2, 1));
    }
}
