//! Which places the user has trusted, kept in the state folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::shown_path;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use super::verdict::{Verdict, open_to_everybody};

const FILE: &str = "trust.json";
const LOCK: &str = "trust.lock";
const FORMAT: u32 = 1;
/// Ten thousand entries fit. A longer file was not written by omni.
const BYTES_MAX: u64 = 4 << 20;

/// What kind of thing is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrustedKind {
    Settings,
    Skills,
}

/// One thing that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustEntry {
    pub(crate) kind: TrustedKind,
    /// Absolute, and without links but for the last name of a settings file.
    pub(crate) path: PathBuf,
    /// The user whom the folder belonged to. Whoever else makes a folder of that name later is not trusted with it.
    pub(crate) owner: u32,
    /// BLAKE3 of a settings file, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    entries: Vec<TrustEntry>,
}

/// The entries, as they were when they were read.
#[derive(Debug, Default)]
pub(crate) struct TrustStore {
    entries: Vec<TrustEntry>,
    /// Why the file is not believed. Then there are no entries.
    problem: Option<String>,
}

impl TrustStore {
    /// Reads the store in this state folder. Where it cannot be believed nothing is trusted, and
    /// [`problem`](Self::problem) says why.
    /// Where it is kept.
    pub(crate) fn path(state: &Path) -> PathBuf {
        state.join(FILE)
    }

    pub(crate) fn read(state: &Path) -> TrustStore {
        let path = state.join(FILE);
        match read(state, &path) {
            Ok(entries) => TrustStore { entries, problem: None },
            Err(error) => {
                let problem =
                    format!("`{}` is not believed, so nothing is trusted: {error:#}", shown_path(&path));
                TrustStore { entries: Vec::new(), problem: Some(problem) }
            }
        }
    }

    pub(crate) fn entries(&self) -> &[TrustEntry] {
        &self.entries
    }

    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Whether the settings file at `place` with this content is trusted. `folder` is what is known of its folder.
    pub(crate) fn settings(&self, place: &Path, content: &[u8], folder: &fs::Metadata) -> Verdict {
        let Some(entry) = self.find(TrustedKind::Settings, place) else { return Verdict::Never };
        if entry.digest.as_deref() != Some(&*digest(content)) {
            return Verdict::Changed;
        }
        held(entry, folder)
    }

    /// Whether the folder of skills at `place`, which is without links, is trusted.
    pub(crate) fn skills(&self, place: &Path) -> Verdict {
        let Some(entry) = self.find(TrustedKind::Skills, place) else { return Verdict::Never };
        match fs::symlink_metadata(place) {
            Ok(folder) if folder.is_dir() => held(entry, &folder),
            _ => Verdict::Never,
        }
    }

    fn find(&self, kind: TrustedKind, place: &Path) -> Option<&TrustEntry> {
        self.entries.iter().find(|entry| entry.kind == kind && entry.path == place)
    }
}

fn held(entry: &TrustEntry, folder: &fs::Metadata) -> Verdict {
    if folder.uid() != entry.owner {
        Verdict::OtherOwner
    } else if open_to_everybody(folder) {
        Verdict::Open
    } else {
        Verdict::Trusted
    }
}

/// The digest that a settings file is trusted by.
pub(crate) fn digest(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

/// Changes the entries, one process at a time; what is not believed is replaced. Returns what `change` does.
///
/// The new file is complete before it takes the place of the old one, so that a reader sees one of the two.
pub(crate) fn update<T>(state: &Path, change: impl FnOnce(&mut Vec<TrustEntry>) -> T) -> Result<T> {
    let unwritable =
        || format!("`{}` cannot be written, so nothing was changed", shown_path(&state.join(FILE)));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state).with_context(unwritable)?;
    check_folder(state).with_context(unwritable)?;
    let lock = private().create(true).truncate(false).open(state.join(LOCK)).with_context(unwritable)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(io::Error::from).with_context(unwritable)?;
    let mut entries = TrustStore::read(state).entries;
    let changed = change(&mut entries);
    entries.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    let text = serde_json::to_vec_pretty(&Stored { format: FORMAT, entries })?;
    let temporary = state.join(format!(".{FILE}-{}", std::process::id()));
    // Left by a process that was killed and had our number.
    let _ = fs::remove_file(&temporary);
    write(&temporary, &text)
        .and_then(|()| fs::rename(&temporary, state.join(FILE)))
        .with_context(unwritable)?;
    Ok(changed)
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = private().create_new(true).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// For files that are ours alone. No link is followed.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

fn read(state: &Path, path: &Path) -> Result<Vec<TrustEntry>> {
    // A pipe must not be waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    check_folder(state)?;
    check_file(&file)?;
    let mut text = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        bail!("it is longer than {BYTES_MAX} bytes");
    }
    let stored: Stored = serde_json::from_slice(&text)
        .context("it is not what omni wrote; trust again what you need, which replaces it")?;
    if stored.format != FORMAT {
        bail!("its format is {}, and this omni knows {FORMAT}", stored.format);
    }
    Ok(stored.entries)
}

/// Whoever can rename files in the folder can put an old store back, or another one of ours in its place.
fn check_folder(state: &Path) -> Result<()> {
    let found = fs::metadata(state)?;
    if found.uid() != geteuid().as_raw() {
        bail!("its folder belongs to user {}", found.uid());
    }
    if found.mode() & 0o022 != 0 {
        bail!("others can write to its folder; `chmod go-w` it");
    }
    Ok(())
}

fn check_file(file: &File) -> Result<()> {
    let found = file.metadata()?;
    if !found.is_file() {
        bail!("it is not a file");
    }
    if found.uid() != geteuid().as_raw() {
        bail!("it belongs to user {}", found.uid());
    }
    if found.mode() & 0o022 != 0 {
        bail!("others can write to it; `chmod go-w` it");
    }
    // A second name may have been given to it by somebody who wants another file of ours to be read here.
    if found.nlink() != 1 {
        bail!("it has a second name");
    }
    Ok(())
}
