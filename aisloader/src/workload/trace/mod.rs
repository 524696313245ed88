//! Traces: what operations began when, read from a file and done again at their times, or written while a run goes on.
//!
//! * [`TraceOp`] is one operation, [`row`] its form in a file;
//! * [`TraceReader`] reads a file of any length in constant memory;
//! * [`mod@feed`] gives each core its operations, in turn;
//! * [`TraceWriter`] puts what cores note back into one order, in the memory of a few milliseconds.

mod feed;
mod read;
mod row;
mod write;

pub use feed::{Fed, Feed, Reading, feed};
pub use read::TraceReader;
pub use row::TraceOp;
pub use write::{TraceNote, TraceWriter};
