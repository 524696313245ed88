//! The stock that a core makes bodies from.

use super::payload::{Cksums, Payload};
use crate::content::{Pool, Pools};
use crate::recorder::OpError;
use crate::settings::Config;
use crate::workload::OpKind;
use std::cell::RefCell;
use std::rc::Rc;

/// Memory that waits for its next object.
pub(crate) type Spares = Rc<RefCell<Vec<Rc<[u8]>>>>;

/// The stock of one core.
pub(crate) struct Stock {
    pub(crate) payload: Payload,
    pub(crate) cksums: Cksums,
    pub(crate) pools: Rc<Pools>,
    pub(crate) spares: Spares,
}

impl Stock {
    /// The stock that this run needs.
    pub(crate) fn new(config: &Config) -> Result<Self, OpError> {
        let pools = Rc::new(Pools::default());
        let payload = payload(config, &pools)?;
        Ok(Self { payload, cksums: Cksums::default(), pools, spares: Spares::default() })
    }
}

/// The pool, when something is sent; it goes through a file when that is asked for.
fn payload(config: &Config, pools: &Pools) -> Result<Payload, OpError> {
    if !config.mix.has(OpKind::sends_object) && config.trace.is_none() {
        return Ok(Payload::new(&Pool::empty()));
    }
    let pool = Payload::new(&pools.of(&config.content.recipe));
    match &config.payload_directory {
        Some(directory) => pool.through_file(directory).map_err(|e| OpError::protocol(e.to_string())),
        None => Ok(pool),
    }
}
