//! Which servers live: each holds a lock on a file of its own, which the kernel frees when its process ends in any way.
//!
//! The lock is the open file's (`flock`). A process that a server starts does not inherit it, since the descriptor is closed
//! on exec; a tool of the embedded executor that forks without exec does, and then the server counts as alive until that
//! child has ended.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::folder::{FileIdentity, Folder, failed, private_file};

/// The lock of this store. Its name is chosen at once, its file is made when a row first needs it. Dropping it frees the lock
/// and removes the file.
pub(crate) struct ServerLock {
    name: String,
    path: PathBuf,
    held: Option<File>,
}

impl ServerLock {
    pub(crate) fn new(folder: &Folder) -> Self {
        let mut bytes = [0u8; 16];
        getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
        let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.servers().join(&name);
        ServerLock { name, path, held: None }
    }

    /// What rows name this server by. It need not be locked yet.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Locks the file unless that is done, and gives its name. Made anew when somebody has removed it.
    pub(crate) fn hold(&mut self) -> Result<&str, OpenError> {
        while !self.held.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            // What is held may be this very file, which would wait for itself.
            self.held = None;
            let taken = private_file().create(true).truncate(false).open(&self.path).and_then(|file| {
                file.lock()?;
                Ok(file)
            });
            // Between the two steps a server that looks for dead ones may have removed the file: then once more.
            self.held = Some(taken.map_err(|error| failed(&self.path, error))?);
        }
        Ok(&self.name)
    }
}

impl Drop for ServerLock {
    fn drop(&mut self) {
        if self.held.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the server of this name has ended. The file of one that has is removed.
///
/// # Errors
///
/// When that cannot be found out.
pub(crate) fn has_ended(folder: &Folder, name: &str) -> Result<bool, OpenError> {
    // Names come from rows: one that could lead elsewhere is nobody's.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(true);
    }
    let path = folder.servers().join(name);
    let file = match private_file().open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(failed(&path, error)),
    };
    match file.try_lock() {
        Ok(()) => {
            let _ = fs::remove_file(&path);
            Ok(true)
        }
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(failed(&path, error)),
    }
}

/// The names of all servers that have a file here.
pub(crate) fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.servers()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether the path leads to this file. Where that cannot be found out, it is taken to.
fn is_at(file: &File, path: &Path) -> bool {
    match (FileIdentity::of_file(file), FileIdentity::of(path)) {
        (Ok(held), Ok(found)) => held == found,
        (_, Err(error)) => error.kind() != io::ErrorKind::NotFound,
        (Err(_), Ok(_)) => true,
    }
}
