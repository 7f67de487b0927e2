//! What the doctor is asked to examine besides what it reads.

use std::path::PathBuf;

/// What to examine besides.
#[derive(Default)]
pub(crate) struct DoctorOptions {
    /// Loads the skills, which runs their files.
    pub(super) load: bool,
    /// The settings file that `[skills.…]` stands in, most likely.
    pub(super) settings_file: Option<PathBuf>,
}
