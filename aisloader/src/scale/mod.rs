//! The scaling proof: does throughput grow as the number of disks, and if not, why not?
//!
//! Pure parts: [`model`] is what was measured, [`queueing`] and [`balance`] take out what is not the server's doing,
//! [`usl`] fits the law, [`figures`] makes the table's rows, [`verdict`] judges them, [`picture`] draws them.

pub mod balance;
pub mod figures;
pub mod model;
pub mod picture;
pub mod queueing;
pub mod usl;
pub mod verdict;

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod verdict_tests;
