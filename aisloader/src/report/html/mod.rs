//! One HTML page about one run or several: no script, no request to anywhere, readable in print.
//!
//! * [`markup`] makes elements that are well-formed and escaped, [`units`] makes values readable;
//! * [`axis`] and [`frame`] are what charts share, [`lines`], [`distribution`] and [`bars`] are the charts;
//! * [`headline`], [`timeline`], [`latency`], [`places`] and [`facts`] are the sections, [`page`] puts them together, about
//!   runs that are [`named`].

pub mod axis;
pub mod bars;
pub mod distribution;
pub mod facts;
pub mod frame;
pub mod headline;
pub mod latency;
pub mod lines;
pub mod markup;
pub mod named;
pub mod page;
pub mod places;
pub mod timeline;
pub mod units;
