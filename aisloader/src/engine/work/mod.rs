//! The work of one core: its workers, from the job that the workload wants next to the record of how it went.
//!
//! * a [`core`](mod@core) holds what its workers share; [`places`] notes where an operation was done;
//! * a [`job`] is what comes next, an [`operation`] follows redirects until it has an answer, [`multipart`] is one of many
//!   requests; a [`worker`] does jobs one after another, and waits for an accelerator in [`training`];
//! * an [`open`] loop gives workers what is due: its [`source`] is an [`arrival`] process or a trace;
//! * a [`shift`] is a core's part of a run, from its begin to its end.

pub(super) mod arrival;
pub(super) mod core;
pub(super) mod job;
pub(super) mod multipart;
pub(super) mod open;
pub(super) mod operation;
pub(super) mod places;
pub(super) mod shift;
pub(super) mod source;
pub(super) mod training;
pub(super) mod worker;
