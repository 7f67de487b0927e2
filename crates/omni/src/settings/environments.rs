//! `[environments]` of `omni.toml`: how what skills need is installed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::keys::default_seconds;
use super::seconds::seconds;

/// How what skills need is installed.
#[derive(Clone, Debug)]
pub(crate) struct EnvironmentSettings {
    pub(crate) uv: Option<PathBuf>,
    pub(crate) install_args: Vec<String>,
    pub(crate) timeout: Duration,
}

/// `[environments]` of `omni.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvironmentsTable {
    /// The program `uv`, a path or a name to be looked up.
    uv: Option<PathBuf>,
    /// Further arguments of the installer, such as `--index-url`.
    #[serde(default)]
    install_args: Vec<String>,
    /// Seconds that making one environment may take.
    timeout: Option<f64>,
}

impl EnvironmentsTable {
    pub(super) fn uv_mut(&mut self) -> Option<&mut PathBuf> {
        self.uv.as_mut()
    }

    pub(super) fn resolve(&self) -> Result<EnvironmentSettings> {
        let value = self.timeout.unwrap_or_else(|| default_seconds("environments.timeout"));
        let limit = seconds(value, &format!("`environments.timeout = {value}` in omni.toml"))?;
        // A network that swallows everything would otherwise be waited for without end.
        let timeout = limit.context("`environments.timeout` in omni.toml must be more than 0")?;
        Ok(EnvironmentSettings { uv: self.uv.clone(), install_args: self.install_args.clone(), timeout })
    }
}
