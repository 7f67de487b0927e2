//! Where a skill's prompts are files, and which files there are read.

/// The folder of a skill in which prompts are files.
pub(crate) const FOLDER: &str = "prompts";

/// Whether files of such a name are read in that folder.
pub(crate) fn is_read(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("md" | "markdown" | "txt"))
}
