//! The operator's tools on the data of a real node: a check finds every damage and nothing else, an export is what GET
//! gives, a rebuilt index says what the old one said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod damage;
mod export;
mod online;
mod rebuild;
mod run;
mod served;
