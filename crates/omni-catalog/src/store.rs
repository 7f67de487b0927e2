//! Where what was read from the skills is kept between two starts.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Named byte strings, in a folder or, without one, in memory. Several processes may share the folder:
/// a file is replaced whole or not at all, and each file says by itself whether it can be trusted.
#[derive(Debug)]
pub(crate) struct Store {
    folder: Option<PathBuf>,
    /// What could not be written to the folder, or all of it when there is none.
    memory: Mutex<HashMap<&'static str, Vec<u8>>>,
    /// That the folder cannot be written has been said.
    told: AtomicBool,
}

impl Store {
    /// Keeps everything under a name of its own for `skills_dir`, which is absolute. Creates nothing yet.
    pub(crate) fn new(cache_dir: Option<&Path>, skills_dir: &Path) -> Store {
        let folder = cache_dir.map(|cache_dir| {
            let name = blake3::hash(skills_dir.as_os_str().as_encoded_bytes()).to_hex();
            cache_dir.join(format!("catalog-{}", &name[..16]))
        });
        Store { folder, memory: Mutex::default(), told: AtomicBool::new(false) }
    }

    /// Where `name` is or would be on disk.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name))
    }

    pub(crate) fn read(&self, name: &'static str) -> Option<Vec<u8>> {
        if let Some(bytes) = self.memory().get(name) {
            return Some(bytes.clone());
        }
        fs::read(self.path(name)?).ok()
    }

    /// Keeps `bytes`. A cache that cannot be written costs time at the next start and nothing else, so
    /// it is logged and kept in memory instead.
    pub(crate) fn write(&self, name: &'static str, bytes: Vec<u8>) {
        match self.write_file(name, &bytes) {
            Ok(true) => {
                self.memory().remove(name);
            }
            Ok(false) => {
                self.memory().insert(name, bytes);
            }
            Err(error) => {
                let path = self.path(name).unwrap_or_default();
                if !self.told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(path = %path.display(), %error, "the skill cache cannot be written; the next start reads all skills again");
                }
                self.memory().insert(name, bytes);
            }
        }
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let Some(folder) = &self.folder else { return Ok(false) };
        // For the user alone, whatever the umask: what is read here is served.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Process and count make the name ours alone, also among threads that write at once.
        let count = WRITES.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!(".{name}.{}.{count}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let written = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&temporary, folder.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map(|()| true)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Vec<u8>>> {
        // The map is whole between any two operations, so a panic elsewhere cannot have broken it.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
