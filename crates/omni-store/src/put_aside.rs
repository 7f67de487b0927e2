//! What becomes of a database that is damaged: it is kept under another name, for whoever wants to save what is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use omni_call::shown_path;

use crate::bounds::PUT_ASIDE_MAX;
use crate::error::OpenError;
use crate::folder::Folder;
use crate::time::millis;

const MARK: &str = "omni.db.damaged-";

/// Renames the database and what belongs to it. The caller holds the folder's lock.
///
/// Other servers may have it open. They go on in the renamed files until they notice, before and after each of their
/// commits, that the database is another one; since no connection of ours checkpoints or removes files when it is closed,
/// none of them touches the new ones.
pub(crate) fn put_aside(folder: &Folder) -> Result<(), OpenError> {
    let database = folder.database();
    let damaged = |source: io::Error| OpenError::Damaged { path: database.clone(), source: Arc::new(source) };
    let name = free_name(folder.path());
    // The database first: a log without one is put aside too, while a database without its log may look whole.
    for file in folder.database_files() {
        let suffix =
            file.to_string_lossy().rsplit_once("omni.db").map_or(String::new(), |(_, end)| end.to_owned());
        match fs::rename(&file, folder.path().join(format!("{name}{suffix}"))) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(damaged(error)),
        }
    }
    let kept = folder.path().join(&name);
    tracing::error!(
        database = shown_path(&database),
        kept = shown_path(&kept),
        "the store was damaged: its tasks are lost, the file is kept under another name, and a new one is begun"
    );
    remove_oldest(folder.path());
    Ok(())
}

/// The damaged databases that are kept, oldest first.
pub(crate) fn kept(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_database = |name: &str| {
        name.strip_prefix(MARK).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_database))
        .map(|entry| entry.path())
        .collect();
    // All have as many digits until the year 2286.
    found.sort();
    found
}

fn free_name(folder: &Path) -> String {
    let now = millis(SystemTime::now());
    (now..).map(|at| format!("{MARK}{at}")).find(|name| !folder.join(name).exists()).unwrap_or_default()
}

/// A disk that damages one database after another shall not be filled with them.
fn remove_oldest(folder: &Path) {
    let kept = kept(folder);
    for database in kept.iter().rev().skip(PUT_ASIDE_MAX) {
        for suffix in ["", "-wal", "-shm"] {
            let mut file = database.clone().into_os_string();
            file.push(suffix);
            let _ = fs::remove_file(file);
        }
    }
}
