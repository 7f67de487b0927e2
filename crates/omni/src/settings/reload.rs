//! `reload` of `omni.toml`: how a server that runs sees what is edited.

use serde::{Deserialize, Serialize};

/// How edits are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReloadMode {
    /// When they are made, as far as the kernel tells of it.
    #[default]
    Watch,
    /// By a look every two seconds.
    Poll,
    /// When somebody asks for it: `omni reload`, `SIGHUP`.
    Off,
}
