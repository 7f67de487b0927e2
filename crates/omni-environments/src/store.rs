//! Where environments lie on disk, which of them are whole, and who may change one.
//!
//! Each is a folder with a lock in it. Whoever makes it holds the lock alone, and so does every process that
//! works for them; whoever runs tools in it shares the lock. Whole is what has the mark that is written last.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use omni_call::Requirements;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

const LOCK: &str = ".omni-lock";
const MARK: &str = "omni-environment.json";
const FORMAT: u32 = 1;

/// What is known of a whole environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentManifest {
    format: u32,
    /// The version of its Python.
    pub python: String,
    /// `name==version` of all that is installed, sorted.
    pub installed: Vec<String>,
    /// The folder of the skill that it was made for first.
    pub made_for: PathBuf,
    /// What it was made from.
    pub requirements: Requirements,
}

/// The right to use an environment's folder, or alone to change it, as long as this and its copies live.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
}

/// An environment that tools can run in. It is not removed as long as this lives.
#[derive(Debug)]
pub struct Environment {
    /// Its folder's name, which no other environment has.
    pub name: String,
    /// Absolute.
    pub folder: PathBuf,
    /// What is in it.
    pub made: EnvironmentManifest,
    #[expect(dead_code, reason = "held, never looked at")]
    pub(crate) lock: FolderLock,
}

impl Environment {
    /// The Python that runs in it.
    pub fn interpreter(&self) -> PathBuf {
        interpreter(&self.folder)
    }
}

/// How an environment's folder is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    Shared,
    Exclusive,
}

impl FolderLock {
    /// Holds the folder, which is created when needed. `None` while somebody else's hold is against it.
    pub(crate) fn take(folder: &Path, right: LockMode) -> io::Result<Option<FolderLock>> {
        let path = folder.join(LOCK);
        let operation = match right {
            LockMode::Shared => FlockOperation::NonBlockingLockShared,
            LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        loop {
            // For the user alone, whatever the umask: what lies here is run.
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut options = OpenOptions::new();
            let file = match options.read(true).append(true).create(true).mode(0o600).open(&path) {
                Ok(file) => file,
                // Somebody took the folder away in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match flock(&file, operation) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // A lock on a file that has been removed meanwhile would keep nobody out.
            let here = fs::metadata(&path).map(|found| (found.dev(), found.ino())).ok();
            let held = file.metadata()?;
            if here == Some((held.dev(), held.ino())) {
                return Ok(Some(FolderLock { file }));
            }
        }
    }

    /// The same hold once more, for a process that works under it. Reads as an empty file.
    pub(crate) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// What is known of the environment in `folder`; `None` for one that is not whole.
pub(crate) fn read(folder: &Path) -> Option<EnvironmentManifest> {
    let made: EnvironmentManifest = serde_json::from_slice(&fs::read(folder.join(MARK)).ok()?).ok()?;
    // The link behind it breaks when its Python is uninstalled.
    (made.format == FORMAT && interpreter(folder).exists()).then_some(made)
}

/// The Python of an environment.
pub(crate) fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

/// Removes everything but the lock.
pub(crate) fn clear(folder: &Path) -> io::Result<()> {
    // The mark goes first, so that what is half removed is never taken for whole.
    match fs::remove_file(folder.join(MARK)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

/// Marks the environment in `folder` as whole.
pub(crate) fn mark(folder: &Path, requirements: &Requirements, made_for: &Path) -> io::Result<()> {
    let made = EnvironmentManifest {
        format: FORMAT,
        python: python_version(folder).unwrap_or_default(),
        installed: installed(folder),
        made_for: made_for.to_owned(),
        requirements: requirements.clone(),
    };
    let temporary = folder.join(format!("{MARK}.new"));
    let mut file = create(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(&made)?)?;
    file.sync_all()?;
    fs::rename(temporary, folder.join(MARK))
}

/// A new file, or an emptied one, that only the user can read.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The version that `pyvenv.cfg` gives.
fn python_version(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("pyvenv.cfg")).ok()?;
    let value = |wanted: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == wanted).then(|| value.trim().to_owned())
        })
    };
    value("version_info").or_else(|| value("version"))
}

/// The distributions in the environment, but for those that came with it.
fn installed(folder: &Path) -> Vec<String> {
    let pythons = fs::read_dir(folder.join("lib")).into_iter().flatten().flatten();
    let packages = pythons
        .flat_map(|python| fs::read_dir(python.path().join("site-packages")).into_iter().flatten().flatten());
    let mut names: Vec<String> = packages
        .filter_map(|package| {
            let name = package.file_name().into_string().ok()?;
            let (name, version) = name.strip_suffix(".dist-info")?.split_once('-')?;
            Some(format!("{}=={version}", name.replace('_', "-").to_lowercase()))
        })
        .filter(|name| !["pip==", "setuptools=="].iter().any(|own| name.starts_with(own)))
        .collect();
    names.sort();
    names
}

/// An environment as it lies there.
#[derive(Debug)]
pub struct StoredEnvironment {
    /// The folder's name.
    pub name: String,
    pub path: PathBuf,
    /// `None` for one that is not whole.
    pub made: Option<EnvironmentManifest>,
}

/// All environments in `folder`, by name.
pub fn stored_environments(folder: &Path) -> Vec<StoredEnvironment> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut stored: Vec<StoredEnvironment> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
            Some(StoredEnvironment { name, path: entry.path(), made: read(&entry.path()) })
        })
        .collect();
    stored.sort_by(|a, b| a.name.cmp(&b.name));
    stored
}

impl StoredEnvironment {
    /// What it takes on disk, in bytes. Reads the whole folder.
    pub fn bytes(&self) -> u64 {
        size(&self.path)
    }

    /// Removes it. `false` when somebody uses it or makes it just now.
    ///
    /// # Errors
    ///
    /// When the folder cannot be changed.
    pub fn remove(&self) -> io::Result<bool> {
        let Some(_hold) = FolderLock::take(&self.path, LockMode::Exclusive)? else { return Ok(false) };
        clear(&self.path)?;
        fs::remove_dir_all(&self.path)?;
        Ok(true)
    }
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use omni_call::RequirementsSource;

    use super::*;

    fn requirements() -> Requirements {
        Requirements {
            key: "k".into(),
            source: RequirementsSource::Pyproject,
            file: "pyproject.toml".into(),
            python: None,
            dependencies: vec!["idna".into()],
            locked: None,
        }
    }

    fn whole(folder: &Path) {
        let packages = folder.join("lib/python3.11/site-packages");
        for name in ["ruamel_yaml-0.18.dist-info", "pip-23.dist-info", "idna-3.7.dist-info", "idna"] {
            fs::create_dir_all(packages.join(name)).unwrap();
        }
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(interpreter(folder), "").unwrap();
        fs::write(folder.join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.7\n").unwrap();
        mark(folder, &requirements(), Path::new("/skills/s")).unwrap();
    }

    #[test]
    fn only_a_marked_folder_with_an_interpreter_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("e");
        let lock = FolderLock::take(&folder, LockMode::Exclusive).unwrap().unwrap();
        assert_eq!(read(&folder), None);
        whole(&folder);
        let made = read(&folder).unwrap();
        assert_eq!(
            (made.python.as_str(), made.installed),
            ("3.11.7", vec!["idna==3.7".into(), "ruamel-yaml==0.18".into()])
        );
        fs::remove_file(interpreter(&folder)).unwrap();
        assert_eq!(read(&folder), None, "its Python was uninstalled");
        clear(&folder).unwrap();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK]);
        drop(lock);
    }

    #[test]
    fn a_change_excludes_every_use_and_uses_go_together() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("e");
        let one = FolderLock::take(&folder, LockMode::Shared).unwrap();
        let two = FolderLock::take(&folder, LockMode::Shared).unwrap();
        assert!(one.is_some() && two.is_some());
        assert!(FolderLock::take(&folder, LockMode::Exclusive).unwrap().is_none());
        drop((one, two));
        let change = FolderLock::take(&folder, LockMode::Exclusive).unwrap().unwrap();
        assert!(FolderLock::take(&folder, LockMode::Shared).unwrap().is_none());
        let worker = change.share().unwrap();
        drop(change);
        assert!(
            FolderLock::take(&folder, LockMode::Shared).unwrap().is_none(),
            "what works for the maker holds it too"
        );
        drop(worker);
        assert!(FolderLock::take(&folder, LockMode::Shared).unwrap().is_some());
    }

    #[test]
    fn what_is_in_use_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("e");
        let lock = FolderLock::take(&folder, LockMode::Shared).unwrap().unwrap();
        whole(&folder);
        let stored = stored_environments(dir.path());
        assert_eq!(stored.len(), 1);
        assert!(stored[0].bytes() > 0);
        assert!(!stored[0].remove().unwrap());
        drop(lock);
        assert!(stored[0].remove().unwrap());
        assert!(!folder.exists());
    }
}
