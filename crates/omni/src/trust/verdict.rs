//! Whether the user has trusted something that was found, and where that is kept for it.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// The name of the settings file that is found by itself.
pub(crate) const SETTINGS: &str = "omni.toml";

/// The name of the folder of skills that is found by itself.
pub(crate) const SKILLS: &str = "skills";

/// Whether something was trusted by the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Trusted,
    /// There is no entry for this place.
    Never,
    /// It was another one when it was trusted.
    Changed,
    /// It belonged to somebody else when it was trusted.
    OtherOwner,
    /// Everybody on this machine can change it.
    Open,
}

impl Verdict {
    /// Why it is not trusted, as the end of a sentence.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Verdict::Trusted => "is trusted",
            Verdict::Never => "was found by itself and is not trusted",
            Verdict::Changed => "has changed since it was trusted",
            Verdict::OtherOwner => "belongs to somebody else than when it was trusted",
            Verdict::Open => "can be changed by everybody on this machine",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Trusted => "trusted",
            Verdict::Never => "not_trusted",
            Verdict::Changed => "changed",
            Verdict::OtherOwner => "other_owner",
            Verdict::Open => "open_to_everybody",
        }
    }
}

/// Where a settings file in `folder` is for the store: the folder is without links, and a file that is a link stands
/// where the link is. A link to what is trusted elsewhere is thereby not trusted: its relative paths would be read here.
pub(crate) fn settings_place(folder: &Path) -> std::io::Result<PathBuf> {
    Ok(folder.canonicalize()?.join(SETTINGS))
}

/// Whether everybody can change what is in this folder, or this file.
pub(super) fn open_to_everybody(found: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o002 != 0
}
