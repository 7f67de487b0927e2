//! How a call runs outside this process: in a warm Python worker of a pool (A), or in a process of its
//! own (B).

mod config;
mod launch;

mod policy;
mod pool;
mod spawn;

mod failures;
mod outcome;
mod worker;

mod channel;
mod wire;

mod process;

pub use config::{ExecConfig, Interpreter, ProcessLimits};
pub use launch::launch;
pub use policy::Governed;
pub use pool::Pool;
pub use spawn::Spawn;
