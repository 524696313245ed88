//! The questions to a server: the kind of the next operation, its name, its size, and its part of the object.
//!
//! From settings come shares and distributions; out come decisions, each a pure function of (seed, worker, count). Nothing
//! here knows a socket, a clock or a core.
//!
//! * [`random`] are numbers that depend on nothing but their coordinates;
//! * [`kinds`] are the operations, [`mix`] says which one is next;
//! * [`names`] are buckets and objects, [`filelist`] reads names from a file, [`naming`] says what new objects are called;
//! * [`pick`] says which name and which size comes next;
//! * [`range`] is a part of an object, [`archive`] an object with many files in it;
//! * [`open_loop`] says when operations begin if not one after another, [`trace`] is a list of what began when.

pub mod archive;
pub mod filelist;
pub mod kinds;
pub mod mix;
pub mod names;
pub mod naming;
pub mod open_loop;
pub mod pick;
pub mod random;
pub mod range;
pub mod trace;

pub use kinds::OpKind;
pub use mix::{Mix, NewObject, Workload};
