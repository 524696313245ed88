//! Sans-IO protocols (prose to come).

pub mod api;
pub mod http1;
