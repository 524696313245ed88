//! The scenarios, and what they share.

pub(crate) mod compaction;
pub(crate) mod context;
pub(crate) mod durability;
pub(crate) mod get_cold;
pub(crate) mod get_hot;
pub(crate) mod get_large;
pub(crate) mod get_small;
pub(crate) mod list;
pub(crate) mod loaders;
pub(crate) mod put_large;
pub(crate) mod put_small;
pub(crate) mod start;

pub(crate) use context::{
    Context, NGINX_PORT, NODE_PORT, Outcome, SECOND_NODE_PORT, SMALL_MEMORY, other_cpus,
};
