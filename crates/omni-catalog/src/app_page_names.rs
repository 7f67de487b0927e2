//! Where the pages of a skill are that hosts show beside a chat, and which files there are such pages.

/// The folder of a skill in which pages are files.
pub(crate) const FOLDER: &str = "ui";

/// Whether a file of such a name is a page.
pub(crate) fn is_page(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("html" | "htm"))
}
