//! How a call runs: in a warm Python worker of a pool, in a process of its own that is forked or started for it, at a
//! runner that somebody else has started, in an interpreter inside this process, as a function of this program, or by reading a file.
//! And how other MCP servers are spoken to, with the protocol's client half.

mod config;
mod embedded;
mod files;
mod native;

mod fork;
mod policy;
mod pool;
mod runner;
mod spawn;
mod upstream;

mod attempt;
mod bounds;
mod call_permits;
mod call_slot;
mod failures;
mod outcome;
mod own_process;
mod shared_bounds;
mod start_failure;
mod within;
mod worker;
mod worker_usage;

mod channel;
mod questions;
mod result_memory;
mod wire;

mod executor_processes;
mod executor_set;
mod stack;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use config::{Embedding, ExecConfig, Interpreter, Protected, RecycleLimits};
pub use embedded::{Embedded, check_embedding};
pub use executor_set::{FindEmbedding, InterpreterExecutors};
pub use files::Files;
pub use fork::{Fork, ForkBorders};
pub use native::{Native, NativeTool};
pub use policy::{
    ChoiceRules, ConcurrencyLimits, ExecutorChoice, ExecutorProvider, ExecutorSet, ExecutorSets, Placement,
    PolicyBounds, Quarantine, ResultCache, Retry, SetNeeds, SizeLimit, StartRefusal, runner_policy,
    server_policy,
};
pub use pool::Pool;
pub use result_memory::set_result_memory;
pub use runner::{AddressError, Listing, Runner, RunnerAddress, RunnerConfig, RunnerError};
pub use shared_bounds::SharedBounds;
pub use spawn::Spawn;
pub use upstream::{
    CommandLineError, Handshake, HttpAddress, ServerAddress, ServerAddressError, Upstream, UpstreamConfig,
    UpstreamError,
};
pub use within::within;
