//! `[profiles]` of `omni.toml` as it is written, and the filter of a file that nobody has trusted.

use serde::Deserialize;
use toml::Table;

use super::lines::KeyLines;
use crate::args::Names;

/// `[profiles.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileTable {
    /// Patterns of the names that clients give themselves.
    pub(super) clients: Option<Vec<String>>,
    /// Patterns of who is at the other end.
    pub(super) principals: Option<Vec<String>>,
    /// What these clients do not have either.
    #[serde(default)]
    pub(super) filter: Vec<String>,
    #[serde(default)]
    pub(super) overrides: Table,
    /// How their list names tools.
    pub(super) names: Option<Names>,
}

/// The filter of a settings file that nobody has trusted: it may leave out more, and brings nothing back that another
/// left out.
#[derive(Debug, Default)]
pub(super) struct FoundFilter {
    pub(super) patterns: Vec<String>,
    pub(super) lines: KeyLines,
}
