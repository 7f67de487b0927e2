//! What is known of a file of a skill that clients may read.

use serde::{Deserialize, Serialize};

/// A file of a skill that clients may read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillFile {
    /// Relative to the skill's folder, with `/`.
    pub path: String,
    /// Bytes; 0 for an unknown number, of a file at another source.
    pub size: u64,
    /// SHA-256 of its bytes: 64 lower-case hexadecimal digits; empty for a file at another source.
    pub sha256: String,
    /// `type/subtype`, by its name, else by whether its bytes are text.
    pub mime_type: String,
    /// What its own front matter says, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
