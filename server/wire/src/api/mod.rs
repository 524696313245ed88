//! The native API's messages, one file per family.
//!
//! * Requests: [`actmsg`] (the envelope), [`query`], [`bck`] (buckets and names), [`lso`] (listing), [`listrange`] and
//!   [`template`] (many objects), [`multiobj`], [`custom`], [`ids`].
//! * Settings: [`bprops`] (a bucket), [`config`] (cluster and node), [`sections`] (what both share), [`units`].
//! * Answers: [`error`], [`lso_page`], [`summary`], [`stats`], [`capacity`], [`jobs`], [`bmd`] and [`smap`].
//! * Shared by them: [`num`], [`timefmt`].

pub mod actmsg;
pub mod bck;
pub mod bmd;
pub mod bprops;
pub mod capacity;
pub mod config;
pub mod custom;
pub mod error;
pub mod ids;
pub mod job_kinds;
pub mod jobs;
pub mod listrange;
pub mod lso;
pub mod lso_page;
mod merge;
pub mod multiobj;
pub mod num;
pub mod query;
mod section_rules;
pub mod sections;
pub mod smap;
pub mod stats;
pub mod summary;
pub mod template;
pub mod timefmt;
pub mod units;
