//! The connections to one runner: kept for the next call, opened when there is none, and not too often where that
//! fails.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout_at};

use super::address::RunnerAddress;
use super::connection::RunnerConnection;
use crate::failures::Failures;
use crate::start_failure::StartFailure;

/// How long a call waits for a runner that cannot be reached: it may be starting again.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// Connections kept at most while nothing runs on them, and for how long.
const IDLE_MAX: usize = 64;
const IDLE_TTL: Duration = Duration::from_secs(30);

pub(super) struct ConnectionPool {
    pub(super) address: RunnerAddress,
    state: Mutex<ConnectionPoolState>,
}

#[derive(Default)]
struct ConnectionPoolState {
    /// The one used last at the end.
    idle: Vec<RunnerConnection>,
    failures: Failures,
    closed: bool,
}

impl ConnectionPool {
    pub(super) fn new(address: RunnerAddress) -> Self {
        ConnectionPool { address, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionPoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection: one that was kept, else a new one.
    pub(super) async fn take(&self) -> Result<RunnerConnection, StartFailure> {
        loop {
            let Some(mut connection) = self.lock().idle.pop() else { return self.open().await };
            if connection.idle_since.elapsed() < IDLE_TTL && connection.is_free().await {
                return Ok(connection);
            }
        }
    }

    /// A new connection. Waits for a runner that cannot be reached, and less patiently the longer that has been so.
    pub(super) async fn open(&self) -> Result<RunnerConnection, StartFailure> {
        let give_up = Instant::now() + CONNECT_PATIENCE;
        loop {
            let forbidden =
                self.lock().failures.until().map(|(at, failure)| (at, StartFailure::clone(failure)));
            match forbidden {
                Some((at, failure)) if at >= give_up => return Err(failure),
                Some((at, _)) => sleep_until(at.into()).await,
                None => {}
            }
            let began = Instant::now();
            let reason = match timeout_at(give_up.into(), RunnerConnection::open(&self.address)).await {
                Ok(Ok(connection)) => {
                    self.lock().failures = Failures::default();
                    return Ok(connection);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", CONNECT_PATIENCE.as_secs()),
            };
            let mut state = self.lock();
            // Of several who fail at once, one counts.
            if !state.failures.since(began) {
                state.failures.add(self.unreachable(&reason));
            }
        }
    }

    /// Keeps a connection whose answer has been read, or all but its end.
    pub(super) fn put(&self, mut connection: RunnerConnection) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let now = Instant::now();
        state.idle.retain(|connection| now.duration_since(connection.idle_since) < IDLE_TTL);
        if state.idle.len() < IDLE_MAX {
            connection.idle_since = now;
            state.idle.push(connection);
        }
    }

    /// Closes what is kept, and keeps nothing more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    fn unreachable(&self, reason: &str) -> StartFailure {
        StartFailure {
            message: format!("the runner at `{}` cannot be reached: {reason}", self.address),
            hint: "is it running? `omni runner` starts one, `--runner` names its address".to_owned(),
            stderr: None,
            closing: false,
        }
    }
}
