//! `[queue]` and `[spawn]` of `omni.toml`, as they are written.

use serde::Deserialize;

/// `[queue]` of `omni.toml`. Defaults and bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueTable {
    pub(super) calls: Option<i64>,
    pub(super) per_tool: Option<i64>,
}

/// `[spawn]` of `omni.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpawnTable {
    pub(super) processes: Option<i64>,
}
