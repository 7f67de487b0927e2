//! Temporary folders: one for each process of a tool, beneath one of the server's, and all of it gone in the end.
//!
//! The layout is `<base>/omni-<12 hex digits>/`, for this user only, with a file `lock` that the server holds locked, a
//! folder for each process by number, and `<number>.keep` beside those whose files are to stay. A folder without a lock
//! holder belonged to a server that is dead: see [`stale`].

mod layout;
mod remove;
mod stale;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use layout::{KEEP, LOCK, PREFIX, RANDOM_BYTES};
pub(crate) use stale::remove_server_folder;

/// Where processes of tools get their temporary folders. Clones are one and the same.
///
/// Nothing is made before the first process is started. Then the folder of this server is made, and what dead servers
/// have left beside it is removed on a thread of the blocking pool. The last clone that is dropped removes the folder,
/// unless files in it are to stay.
#[derive(Clone, Debug)]
pub struct TempFolders(Arc<TempFoldersInner>);

#[derive(Debug)]
struct TempFoldersInner {
    base: PathBuf,
    next: AtomicU64,
    state: Mutex<TempFoldersState>,
}

#[derive(Debug, Default)]
enum TempFoldersState {
    #[default]
    NotMade,
    Made(ServerFolder),
    /// It could not be made, which has been said. Processes use what the environment names.
    Failed,
}

/// The folder of one server.
#[derive(Debug)]
struct ServerFolder {
    path: PathBuf,
    /// Locked.
    _lock: File,
}

/// The temporary folder of one process. Dropping it does nothing: it goes when its process has ended,
/// or with the server.
#[derive(Debug)]
pub struct TempFolder {
    path: PathBuf,
    keep: AtomicBool,
    /// So that the server's folder is there as long as this one.
    _folders: TempFolders,
}

impl TempFolders {
    /// Beneath `base`, an absolute path that is usually the system's temporary folder. Touches nothing yet.
    pub fn below(base: PathBuf) -> Self {
        TempFolders(Arc::new(TempFoldersInner { base, next: AtomicU64::new(0), state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, TempFoldersState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a folder for a process. `None` where there can be none, which the log says once: then tools share what
    /// `TMPDIR` names.
    pub(crate) fn make(&self) -> Option<TempFolder> {
        let mut state = self.lock();
        if matches!(*state, TempFoldersState::NotMade) {
            *state = self.0.open();
        }
        let TempFoldersState::Made(server) = &mut *state else { return None };
        let name = self.0.next.fetch_add(1, Ordering::Relaxed).to_string();
        let mut made = make_private(&server.path.join(&name));
        if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Somebody has removed the server's own: a cleaner of temporary files, or a tool.
            *server = self.0.server_folder().ok()?;
            made = make_private(&server.path.join(&name));
        }
        match made {
            Ok(()) => {
                let path = server.path.join(name);
                Some(TempFolder { path, keep: AtomicBool::new(false), _folders: self.clone() })
            }
            Err(error) => {
                tracing::warn!(%error, folder = %server.path.display(), "a process gets no temporary folder of its own");
                None
            }
        }
    }
}

impl TempFoldersInner {
    fn open(&self) -> TempFoldersState {
        match self.server_folder() {
            Ok(server) => {
                let (base, own) = (self.base.clone(), server.path.clone());
                let remove = move || stale::remove_stale(&base, &own);
                match tokio::runtime::Handle::try_current() {
                    Ok(runtime) => drop(runtime.spawn_blocking(remove)),
                    Err(_) => remove(),
                }
                TempFoldersState::Made(server)
            }
            Err(error) => {
                tracing::warn!(
                    %error, base = %self.base.display(),
                    "tools get no temporary folders of their own, and what they leave there stays"
                );
                TempFoldersState::Failed
            }
        }
    }

    fn server_folder(&self) -> io::Result<ServerFolder> {
        let path = loop {
            let mut random = [0; RANDOM_BYTES];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            let path = self.base.join(format!("{PREFIX}{digits}"));
            match make_private(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        // Locked before it has its name: whoever finds a lock that is free may remove the folder.
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let being_made = path.join("lock.new");
        let lock = openat(CWD, &being_made, flags, Mode::RUSR | Mode::WUSR)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        renameat(CWD, &being_made, CWD, path.join(LOCK))?;
        Ok(ServerFolder { path, _lock: lock.into() })
    }
}

impl Drop for TempFoldersInner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let TempFoldersState::Made(server) = state {
            remove_server_folder(&server.path);
        }
    }
}

impl TempFolder {
    /// Absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The server's folder, which it is in.
    pub(crate) fn server(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Has its files stay when the process has ended, and when the server has. They are the user's to remove.
    pub fn keep(&self) {
        if !self.keep.swap(true, Ordering::Relaxed)
            && let Err(error) = File::create(keep_marker(&self.path))
        {
            tracing::warn!(%error, folder = %self.path.display(), "files that are to be kept may go");
        }
    }

    /// Removes it if nothing is in it: true when that was so, or when it is gone already. One system call.
    pub(crate) fn remove_empty(&self) -> bool {
        let removed = matches!(unlinkat(CWD, &self.path, AtFlags::REMOVEDIR), Ok(()) | Err(Errno::NOENT));
        if removed && self.keep.load(Ordering::Relaxed) {
            let _ = std::fs::remove_file(keep_marker(&self.path));
        }
        removed
    }

    /// What is in it, up to some names: what a call has left there.
    pub(crate) fn left(&self) -> Vec<OsString> {
        let Ok(folder) = remove::open_folder(CWD, &self.path) else { return Vec::new() };
        remove::names(folder.as_fd()).unwrap_or_default()
    }

    /// Removes it with all that is in it, unless that is to stay; follows no link. May take long.
    pub(crate) fn remove(&self) {
        if self.remove_empty() || self.keep.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = remove::remove_tree(CWD, &self.path) {
            tracing::warn!(%error, folder = %self.path.display(), "a temporary folder could not be removed");
        }
    }
}

/// The file that says that what is in a process's folder is to stay.
fn keep_marker(path: &Path) -> PathBuf {
    let mut marker = path.as_os_str().to_owned();
    marker.push(KEEP);
    marker.into()
}

/// Makes a folder for this user only; refuses a path that is there.
fn make_private(path: &Path) -> io::Result<()> {
    Ok(mkdirat(CWD, path, Mode::RWXU)?)
}

#[cfg(test)]
mod tests;
