//! Parts of a run's configuration that come from a few flags each.

mod archives;
mod bucket_props;
mod naming;
mod range;
mod token;

pub(crate) use archives::archives;
pub(crate) use bucket_props::bucket_props;
pub(crate) use naming::{loader_id, naming};
pub(crate) use range::range;
pub(crate) use token::token;

#[cfg(test)]
mod tests;
