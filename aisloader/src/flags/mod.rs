//! The command line: one table of flags, and Go's rules for reading them.

mod parse;
mod refused;
mod table;
mod usage;

pub use parse::{FlagError, Parsed};
pub use refused::{REFUSED, Refused};
pub use table::{FLAGS, Flag, Kind};
pub use usage::{flag_lines, usage};
