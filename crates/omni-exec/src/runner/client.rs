//! A runner as its users know it: where it is, what is taken from it, and the connections to it.

use tokio::sync::watch;

use super::address::RunnerAddress;
use super::connection_pool::ConnectionPool;

/// Where a runner is, and what is taken from it.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    pub address: RunnerAddress,
    /// A part of a result at most. Default 8 MiB.
    pub result_bytes_max: usize,
    /// A line of events, a request or any other answer at most. Default 16 MiB + 64 KiB.
    pub line_bytes_max: usize,
}

impl RunnerConfig {
    /// With the documented defaults.
    pub fn new(address: RunnerAddress) -> Self {
        RunnerConfig { address, result_bytes_max: 8 << 20, line_bytes_max: (16 << 20) + (64 << 10) }
    }
}

/// Runs each call at a runner, over a connection that carries nothing else meanwhile.
///
/// It owns no process: dropping a call's future closes its connection, by which the runner knows that it has to end
/// the tool. Needs a tokio runtime while calls run; connects with the first request.
pub struct Runner {
    pub(super) config: RunnerConfig,
    pub(super) connections: ConnectionPool,
    pub(super) closed: watch::Sender<bool>,
}

impl Runner {
    /// The runner at an address, not yet connected.
    pub fn new(config: RunnerConfig) -> Self {
        Runner {
            connections: ConnectionPool::new(config.address.clone()),
            config,
            closed: watch::Sender::new(false),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &RunnerAddress {
        &self.config.address
    }
}
