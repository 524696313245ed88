//! The files, tables and pages that come of a run.
//!
//! Intervals, the end of a run and its judgement come in; texts, files and pages go out.
//!
//! * [`tables`] is what the user sees while the run goes on and at its end;
//! * [`record`] writes it down for other programs;
//! * [`analysis`] reads that again and tells a difference from noise, [`html`] makes pages of it.

pub mod analysis;
pub mod html;
pub mod record;
pub mod tables;
