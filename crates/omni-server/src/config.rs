//! What the server is told by the binary.

use std::time::Duration;

use omni_call::ErrorDetail;
use omni_protocol::Implementation;

/// Settings of one server. Each field's default is in [`ServerConfig::new`].
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Who we say we are.
    pub implementation: Implementation,
    /// Guidance for the client's model.
    pub instructions: Option<String>,
    /// Total time limit of a call whose tool sets none; `None` is no limit. Default 30 min.
    pub timeout: Option<Duration>,
    /// Idle time limit of a call whose tool sets none; `None` is no limit. Default 120 s.
    pub idle_timeout: Option<Duration>,
    /// How much of an exception a client may read. Default: class and place only.
    pub errors: ErrorDetail,
    /// How long calls may go on after the client has closed the connection or the server was told to
    /// stop. Default 1 s.
    pub grace: Duration,
    pub limits: Limits,
}

/// Bounds on what clients may send and keep open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest line on stdio, in bytes. Default 16 MiB.
    pub frame_bytes_max: usize,
    /// Largest HTTP request body, in bytes. Default 4 MiB.
    pub body_bytes_max: usize,
    /// Requests that one stdio client may have open at once. Default 1,024.
    pub in_flight_max: usize,
    /// Bytes of requests held at once by all HTTP clients together. Default 64 MiB.
    pub budget_bytes: usize,
    /// HTTP connections open at once. Default 10,000.
    pub connections_max: usize,
    /// Legacy HTTP sessions remembered at once; the longest unused one goes first. Default 10,000.
    pub sessions_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes_max: 16 << 20,
            body_bytes_max: 4 << 20,
            in_flight_max: 1024,
            budget_bytes: 64 << 20,
            connections_max: 10_000,
            sessions_max: 10_000,
        }
    }
}

impl ServerConfig {
    pub fn new(version: &str) -> Self {
        let implementation =
            Implementation { name: "omni".into(), title: "omni skills".into(), version: version.into() };
        ServerConfig {
            implementation,
            instructions: None,
            timeout: Some(Duration::from_secs(30 * 60)),
            idle_timeout: Some(Duration::from_secs(120)),
            errors: ErrorDetail::default(),
            grace: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}
