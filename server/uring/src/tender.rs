//! A core's side of growth: it registers what helpers have made resident.

use crate::driver::Driver;
use crate::executor::yield_now;
use crate::growth::Grower;
use crate::pool::Pool;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

/// Takes what has arrived into the pools of one core.
pub struct Tender {
    driver: Driver,
    pools: Vec<Pool>,
    bell: Rc<OwnedFd>,
}

impl Tender {
    /// From now on these pools grow by the helpers only, ahead of demand, and [`Tender::run`] must run.
    ///
    /// # Errors
    /// When no eventfd can be made.
    pub fn new(driver: &Driver, grower: &Grower, pools: Vec<Pool>) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let theirs = Arc::new(bell.try_clone()?);
        for pool in &pools {
            pool.grow_by(grower, &theirs);
        }
        Ok(Self { driver: driver.clone(), pools, bell: Rc::new(bell) })
    }

    /// Registers segments as they arrive, one for each turn of the core; does not end.
    ///
    /// # Errors
    /// Only for a broken ring.
    pub async fn run(self) -> io::Result<()> {
        loop {
            while self.pools.iter().any(Pool::take_in_one) {
                yield_now().await;
            }
            self.driver.readable(&self.bell).await?;
            // An empty counter is fine: what it was rung for has been taken in already.
            let _ = rustix::io::read(&*self.bell, &mut [0u8; 8]);
        }
    }
}
