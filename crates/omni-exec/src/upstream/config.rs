//! Where another server is, and how it is spoken to.

use std::time::Duration;

use hyper::HeaderMap;
use omni_process::ProcessConfig;
use omni_protocol::{ClientCapabilities, Era, Implementation};

use super::address::ServerAddress;

/// Where a server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    pub address: ServerAddress,
    /// Who we say we are.
    pub client: Implementation,
    /// The questions that we say we answer.
    pub capabilities: ClientCapabilities,
    /// Only this era; without one the server's is found out.
    pub era: Option<Era>,
    /// HTTP headers of each request, such as `Authorization`.
    pub headers: HeaderMap,
    /// How long opening may take, and each answer that is not a call's. Default 60 s: some commands download their
    /// program first.
    pub patience: Duration,
    /// A message at most. Default 16 MiB + 64 KiB.
    pub frame_bytes_max: usize,
    /// How a command's process is started: its folder, its environment and its bounds.
    pub process: ProcessConfig,
}

impl UpstreamConfig {
    /// With the documented defaults.
    pub fn new(address: ServerAddress, client: Implementation, process: ProcessConfig) -> Self {
        UpstreamConfig {
            address,
            client,
            capabilities: ClientCapabilities::default(),
            era: None,
            headers: HeaderMap::new(),
            patience: Duration::from_secs(60),
            frame_bytes_max: (16 << 20) + (64 << 10),
            process,
        }
    }
}
