//! The command line: one table of flags, and Go's rules for reading them.

mod parse;
mod table;
mod usage;

pub use parse::{FlagError, Parsed};
pub use table::{FLAGS, Flag, Kind};
pub use usage::{flag_lines, usage};
