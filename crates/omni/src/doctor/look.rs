//! How closely the doctor looks.

use std::path::PathBuf;

/// How closely to look.
#[derive(Default)]
pub(crate) struct Look {
    /// Loads the skills, which runs their files.
    pub(super) load: bool,
    /// The settings file that `[skills.…]` stands in, most likely.
    pub(super) settings_file: Option<PathBuf>,
}
