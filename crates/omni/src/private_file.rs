//! Files of secrets: read only if nobody else can have read or written them.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustix::fs::OFlags;

/// The largest file that is read for tokens.
pub(crate) const TOKENS_BYTES_MAX: u64 = 64 << 10;

/// Reads a file of secrets; `shown` is how it was named.
///
/// # Errors
/// It cannot be read, is no file, belongs to somebody else, or others can read or write it: then they know the tokens.
pub(crate) fn private_text(path: &Path, shown: &str) -> Result<String> {
    // Without waiting: to open a pipe would take until somebody writes to it.
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).with_context(|| format!("{shown} cannot be opened"))?;
    let about = file.metadata().with_context(|| format!("{shown} cannot be looked at"))?;
    if !about.is_file() {
        bail!("{shown} is no ordinary file");
    }
    let own = rustix::process::geteuid().as_raw();
    if about.uid() != own && about.uid() != 0 {
        bail!(
            "{shown} belongs to user {}, who then knows the tokens; it must be user {own}'s or root's",
            about.uid()
        );
    }
    if about.mode() & 0o077 != 0 {
        bail!(
            "{shown} can be read or written by others (mode {:o}), who then know the tokens; `chmod 600` makes it \
             private, and new tokens are needed if others may have read these",
            about.mode() & 0o7777
        );
    }
    if about.len() > TOKENS_BYTES_MAX {
        bail!("{shown} has {} bytes; tokens take {TOKENS_BYTES_MAX} at most", about.len());
    }
    let mut text = String::new();
    file.take(TOKENS_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("{shown} cannot be read"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_of_tokens_is_private_and_ours() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let write = |mode: u32| {
            fs::write(&file, "0123456789abcdef0123\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            private_text(&file, "`--http-token x`").map_err(|error| format!("{error:#}"))
        };
        assert!(write(0o600).is_ok() && write(0o400).is_ok());
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610] {
            let error = write(mode).unwrap_err();
            assert!(error.contains("chmod 600") && error.contains(&format!("{mode:o}")), "{error}");
        }
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let wrong = [
            (pipe, "ordinary"),
            (folder.path().to_owned(), "ordinary"),
            (folder.path().join("none"), "opened"),
        ];
        for (path, why) in wrong {
            let error = format!("{:#}", private_text(&path, "`--http-token x`").unwrap_err());
            assert!(error.contains(why) && error.contains("--http-token"), "{error}");
        }
    }
}
