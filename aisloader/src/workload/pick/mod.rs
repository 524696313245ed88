//! The choice of the next name and the next size.
//!
//! * [`Popularity`] (`-dist`) says how often each name is used, and a [`Picker`] draws names for one worker;
//! * [`Epochs`] (`-epochs`) hands out each name once a pass, to whichever worker asks next;
//! * [`Partition`] (`-read-partition`) is the share of the names that one of several loaders reads;
//! * [`Sizes`] (`-sizes`, `-minsize`, `-maxsize`) is the distribution of sizes of what is written;
//! * [`Training`] (`-training`) is a consumer of what is read, and what it waits for.
//!
//! All of it is a pure function of the seed and a count, in memory that does not depend on the number of names.

mod draws;
mod epochs;
mod histogram;
mod partition;
mod picker;
mod popularity;
mod sizes;
mod training;

pub use epochs::{Epochs, Turn};
pub use partition::Partition;
pub use picker::Picker;
pub use popularity::Popularity;
pub use sizes::Sizes;
pub use training::{Consumer, Training, TrainingStats};
