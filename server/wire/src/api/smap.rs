//! The cluster map's JSON lives with the placement rules that read it.

pub use placement::smap::{
    FLAG_DECOMMISSION, FLAG_IC, FLAG_MAINTENANCE, FLAG_NON_ELECTABLE, FLAG_POST_REBALANCE, NetInfo, Role,
    Smap, SmapRefusal, Snode,
};
