//! The command line: words come in, values that are checked against their kinds go out.
//!
//! * [`FLAGS`] is the table of all flags, [`REFUSED`] those that are known and not served;
//! * [`Parsed`] reads words by Go's rules, [`units`] reads and writes sizes and durations;
//! * [`usage`](usage()) is the text about all that.

mod parse;
mod refused;
mod table;
pub mod units;
mod usage;

pub use parse::{FlagError, Parsed};
pub use refused::{REFUSED, Refused};
pub use table::{FLAGS, Flag, Kind, flag};
pub use usage::{flag_lines, usage};
