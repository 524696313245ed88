//! The output for the user: rows while the run goes on, a table at its end, or both as JSON.
//!
//! [`Reporter`] writes all of it to one place, from [`rows`], the [`summary`] and their form as [`json`].

mod agents;
mod json;
mod open;
mod quantile;
mod reading;
mod reporter;
mod rows;
mod summary;

pub use reporter::Reporter;
