//! The folder of a store: what lies in it, for the user alone, and who may open or exchange the database.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::OpenError;

const OTHERS: u32 = 0o077;
/// How often a lock that somebody else has is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Folder { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("omni.db")
    }

    /// The database and what SQLite keeps beside it.
    pub(crate) fn database_files(&self) -> [PathBuf; 3] {
        ["omni.db", "omni.db-wal", "omni.db-shm"].map(|name| self.path.join(name))
    }

    /// Where each living server has a file that it holds locked.
    pub(crate) fn servers(&self) -> PathBuf {
        self.path.join("servers")
    }

    /// Makes both folders for the user alone, and closes them to others.
    pub(crate) fn make(&self) -> Result<(), OpenError> {
        for folder in [self.path.clone(), self.servers()] {
            make_private(&folder).map_err(|error| failed(&folder, error))?;
        }
        Ok(())
    }

    /// Waits until nobody else opens the database or puts it aside; it is so until the file is dropped.
    pub(crate) fn lock(&self, timeout: Duration) -> Result<File, OpenError> {
        let path = self.path.join("lock");
        let file =
            private_file().create(true).truncate(false).open(&path).map_err(|error| failed(&path, error))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if began.elapsed() < timeout => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::Locked { path: self.database(), waited: began.elapsed() });
                }
                Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
            }
        }
    }

    /// Makes an empty database for the user alone where none is. SQLite would make one for everybody to read; what it makes
    /// beside it has the permissions of this one.
    ///
    /// A database that is there is not opened: closing it again would take SQLite's locks away from every other connection
    /// of this process.
    pub(crate) fn make_database(&self) -> Result<(), OpenError> {
        let path = self.database();
        match private_file().create_new(true).open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(failed(&path, error)),
        }
        // Its name must be on the disk before anything in it is acknowledged.
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(|error| failed(&self.path, error))
    }
}

/// Which file a path leads to. A database that was exchanged is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| FileIdentity { device: found.dev(), inode: found.ino() })
    }

    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|found| FileIdentity { device: found.dev(), inode: found.ino() })
    }
}

/// For reading and writing, by the user alone when it is made.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

pub(crate) fn failed(path: &Path, error: io::Error) -> OpenError {
    OpenError::Folder { path: path.to_owned(), source: Arc::new(error) }
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mode = fs::metadata(folder)?.mode();
    if mode & OTHERS != 0 {
        fs::set_permissions(folder, Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}
