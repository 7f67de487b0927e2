//! The settings that the binary gives to the server.

use std::sync::Arc;
use std::time::Duration;

use omni_call::ErrorDetail;
use omni_protocol::{Implementation, ServerCapabilities};
use omni_store::Store;

use crate::client_log::ClientLog;
use crate::seal_key::KeySource;
use crate::stored_results::StoredResults;

/// Settings of one server. Each field's default is in [`ServerConfig::new`].
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The name and version that clients are told.
    pub implementation: Implementation,
    /// Guidance for the client's model, said before what is said of the skills. Cut at 2,000 characters.
    pub instructions: Option<String>,
    /// What clients are told of although no source has any: its lists are empty. Default: nothing.
    pub empty: ServerCapabilities,
    /// Total time limit of a call whose tool sets none; `None` is no limit. Default 30 min.
    pub timeout: Option<Duration>,
    /// Idle time limit of a call whose tool sets none; `None` is no limit. Default 10 min.
    pub idle_timeout: Option<Duration>,
    /// How much of an exception a client may read. Default: class and place only.
    pub errors: ErrorDetail,
    /// Whether the log tells of calls that failed, in full. Default: yes. Not where the one client is shown all of it.
    pub log_failures: bool,
    /// Whether the log, at `info`, has what a tool prints and logs and no client hears. Default: yes.
    pub log_output: bool,
    /// How long calls may go on after the client has closed the connection or the server was told to
    /// stop. Default 1 s.
    pub grace: Duration,
    pub limits: Limits,
    pub streams: StreamSettings,
    pub asking: AskingLimits,
    /// Seals what clients keep for this server: the tokens of sessions and the states of parked calls. Default: a key of
    /// this process alone, so that none of them outlives it.
    pub seal_key: KeySource,
    /// How calls become tasks, and where these are kept. Default: none do.
    pub tasks: Option<TasksConfig>,
    /// Where large results are kept, which are then sent as a preview and a link. Default: none are.
    pub stored_results: Option<Arc<StoredResults>>,
    /// What must outlive the process is noted here. Default: nowhere.
    pub store: Option<Store>,
    /// Is told which clients connect. Default: nobody is.
    pub clients: Option<Arc<dyn ClientLog>>,
    /// Descriptors that this process may have open for connections. Default: no bound of its own.
    pub connection_descriptors: usize,
}

/// How calls become tasks, for clients that take tasks. `[tasks]` of omni.toml.
#[derive(Clone, Debug)]
pub struct TasksConfig {
    /// Where they are kept.
    pub store: Store,
    /// A call that has not been answered for so long becomes one. `None`: only where its tool says so. Default 20 s.
    pub after: Option<Duration>,
    /// How long a task is kept, from its creation on; one that still runs then is ended. Default 24 h.
    pub keep: Duration,
    /// How long a client is told to wait between two looks at a task. Default 1 s.
    pub poll_interval: Duration,
    /// Tasks of one principal that may run at once. Default 16.
    pub per_principal: usize,
    /// … of all together. Default 256.
    pub total: usize,
}

impl TasksConfig {
    /// The defaults, with tasks in that store.
    pub fn new(store: Store) -> Self {
        TasksConfig {
            store,
            after: Some(Duration::from_secs(20)),
            keep: Duration::from_hours(24),
            poll_interval: Duration::from_secs(1),
            per_principal: 16,
            total: 256,
        }
    }
}

/// Bounds on what clients may send and keep open. `[admission]` of omni.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest line on stdio, in bytes. Default 16 MiB.
    pub frame_bytes_max: usize,
    /// Largest HTTP request body, in bytes. Default 4 MiB.
    pub body_bytes_max: usize,
    /// Requests that one stdio client may have open at once. Default 1,024.
    pub in_flight_max: usize,
    /// Bytes of requests and of large answers held at once for all clients together. Default 64 MiB.
    pub memory_bytes_max: usize,
    /// Calls that executors have at once. Default 1,024, and a sixteenth more for peers below their fair share.
    pub calls_max: usize,
    /// Calls that wait for that; more are refused. Default 4,096, and a sixteenth more as above.
    pub calls_waiting_max: usize,
    /// HTTP connections open at once, as far as there are descriptors. Default 10,000.
    pub connections_max: usize,
    /// Legacy HTTP sessions remembered at once; the longest unused one of whoever has most goes first. Default
    /// 10,000.
    pub sessions_max: usize,
}

/// What becomes of the streams of HTTP clients of a revision by which they can be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// How long a stream, and the call that it is of, goes on without a reader; zero is not at all, and then no stream can
    /// be resumed. Default 60 s.
    pub kept_for: Duration,
    /// After so long the connection of a stream is closed, and its client comes back for the rest; `None` is never. Default
    /// never.
    pub closed_after: Option<Duration>,
}

impl Default for StreamSettings {
    fn default() -> Self {
        StreamSettings { kept_for: Duration::from_secs(60), closed_after: None }
    }
}

/// Bounds on calls that wait for an answer of their client: those of the legacy era, which wait for the reply to a request
/// of ours, and those of the modern era that are parked are counted each for themselves. `[asking]` of omni.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskingLimits {
    /// Calls of one principal that may wait at once. Default 16.
    pub per_principal: usize,
    /// … of all together. Default 256.
    pub total: usize,
    /// After so long without an answer a question, and its call, are given up. Default 10 min.
    pub expires_after: Duration,
}

impl Default for AskingLimits {
    fn default() -> Self {
        AskingLimits { per_principal: 16, total: 256, expires_after: Duration::from_secs(10 * 60) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes_max: 16 << 20,
            body_bytes_max: 4 << 20,
            in_flight_max: 1024,
            memory_bytes_max: 64 << 20,
            calls_max: 1024,
            calls_waiting_max: 4096,
            connections_max: 10_000,
            sessions_max: 10_000,
        }
    }
}

impl Limits {
    /// What of the memory large answers may take, from the first byte that is read from a tool to the last that is
    /// written to a client: three eighths.
    pub fn answer_bytes_max(&self) -> usize {
        self.memory_bytes_max / 8 * 3
    }

    /// What of the memory requests may take, from their arrival to their answer.
    pub(crate) fn request_bytes_max(&self) -> usize {
        self.memory_bytes_max - self.answer_bytes_max()
    }
}

impl ServerConfig {
    pub fn new(version: &str) -> Self {
        let implementation =
            Implementation { name: "omni".into(), title: "omni skills".into(), version: version.into() };
        ServerConfig {
            implementation,
            instructions: None,
            empty: ServerCapabilities::default(),
            timeout: Some(Duration::from_secs(30 * 60)),
            idle_timeout: Some(Duration::from_secs(10 * 60)),
            errors: ErrorDetail::Masked,
            log_failures: true,
            log_output: true,
            grace: Duration::from_secs(1),
            limits: Limits::default(),
            streams: StreamSettings::default(),
            asking: AskingLimits::default(),
            seal_key: KeySource::random(),
            tasks: None,
            stored_results: None,
            store: None,
            clients: None,
            connection_descriptors: usize::MAX,
        }
    }
}
