//! What may change while a server runs, and who sees to it that the catalogue is what the folders are.

use std::time::Duration;

use omni_call::{BoxFuture, ErrorDetail};

use crate::ServerConfig;

/// Keeps the catalogue up to date while a server runs.
pub trait Reload: Send + Sync {
    /// Waits until what is in force comes from a look that began after this was asked for, and that fell into a moment in
    /// which nothing changed: never one half of an edit. Where somebody writes without an end, half a second is waited for
    /// such a moment, and no longer.
    fn settled(&self) -> BoxFuture<'_, ()>;
}

/// The settings that may be others while a server runs. A call keeps those it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSettings {
    /// As in [`ServerConfig::timeout`].
    pub timeout: Option<Duration>,
    /// As in [`ServerConfig::idle_timeout`].
    pub idle_timeout: Option<Duration>,
    /// As in [`ServerConfig::errors`].
    pub errors: ErrorDetail,
    /// As in [`ServerConfig::log_output`].
    pub log_output: bool,
    /// As in [`ServerConfig::grace`].
    pub grace: Duration,
}

impl LiveSettings {
    pub(crate) fn of(config: &ServerConfig) -> Self {
        let ServerConfig { timeout, idle_timeout, errors, log_output, grace, .. } = *config;
        LiveSettings { timeout, idle_timeout, errors, log_output, grace }
    }
}
