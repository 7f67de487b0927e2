//! What servers have left that were killed: their temporary folders, known by a lock that nobody holds.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, openat, statat, unlinkat,
};
use rustix::process::geteuid;

use super::layout::{KEEP, LOCK, PREFIX, RANDOM_BYTES};
use super::remove;

/// A folder without a lock is being made, unless it has been so for long.
const MAKING: Duration = Duration::from_secs(60);

/// Removes the folders of dead servers of this user beneath `base`; `own` is a living one's.
pub(super) fn remove_stale(base: &Path, own: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let named = entry.file_name().to_str().is_some_and(is_server_folder);
        if named && path != own && is_dead(&path).unwrap_or(false) {
            tracing::debug!(folder = %path.display(), "removing what a server has left that is gone");
            remove_server_folder(&path);
        }
    }
}

fn is_server_folder(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|digits| {
        digits.len() == 2 * RANDOM_BYTES
            && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether this is a folder of ours whose server is gone.
fn is_dead(path: &Path) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, path, flags | OFlags::DIRECTORY, Mode::empty())?;
    let about = fstat(&folder)?;
    if !is_ours(&about) || about.st_mode & 0o077 != 0 {
        return Ok(false);
    }
    // Not opened for writing, and a pipe of that name holds nobody up.
    match openat(&folder, LOCK, flags | OFlags::NONBLOCK, Mode::empty()) {
        Ok(lock) => Ok(is_ours(&fstat(&lock)?) && is_free(&lock)),
        Err(rustix::io::Errno::NOENT) => Ok(age(&about) > MAKING && holds_nothing(&folder)?),
        Err(error) => Err(error.into()),
    }
}

fn is_ours(about: &Stat) -> bool {
    about.st_uid == geteuid().as_raw()
}

fn is_free(lock: &OwnedFd) -> bool {
    flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok()
}

fn age(about: &Stat) -> Duration {
    let changed =
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(about.st_mtime).unwrap_or_default());
    changed.elapsed().unwrap_or_default()
}

fn holds_nothing(folder: &OwnedFd) -> io::Result<bool> {
    Ok(remove::names(folder.as_fd())?.is_empty())
}

/// Removes the folder of a server that is gone, or about to go, but for what is to stay.
pub(crate) fn remove_server_folder(path: &Path) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(folder) = openat(CWD, path, flags, Mode::empty()) else { return };
    let Ok(entries) = Dir::read_from(&folder) else { return };
    let mut stays = false;
    for name in entries.flatten().map(|entry| entry.file_name().to_owned()) {
        let is_folder = statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Directory);
        if !is_folder || matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        // Goes only when it is empty.
        if unlinkat(&folder, &name, AtFlags::REMOVEDIR).is_ok() {
            continue;
        }
        let marker = [name.as_bytes(), KEEP.as_bytes()].concat();
        if statat(&folder, marker.as_slice(), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            stays = true;
            continue;
        }
        if let Err(error) = remove::remove_tree(folder.as_fd(), Path::new(OsStr::from_bytes(name.as_bytes())))
        {
            tracing::warn!(%error, folder = %path.display(), "a temporary folder could not be removed");
            stays = true;
        }
    }
    if !stays && let Err(error) = remove::remove_tree(CWD, path) {
        tracing::warn!(%error, folder = %path.display(), "a temporary folder could not be removed");
    }
}
