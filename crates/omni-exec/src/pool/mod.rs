//! `pool`: calls in warm Python workers that are started when needed, kept, and killed when a call must end.
//!
//! `scheduler` decides, and is a value without a lock, a clock or a task. `table` and `driver` carry out what it
//! decides.

mod affinity;
mod contender;
mod driver;
mod executor;
mod lease;
mod multiplex;
mod outdated;
mod preload;
mod scheduler;
mod table;

pub use executor::Pool;
