//! Which files are read in the folder of a skill in which prompts are files.

/// Whether files of such a name are.
pub(crate) fn is_read(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("md" | "markdown" | "txt"))
}
