//! How opening the store and using it can fail.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use omni_call::shown_path;
use rusqlite::ErrorCode;

/// Why a store could not be opened. The next use tries again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder, or a file in it, cannot be made, locked or closed to others.
    #[error("`{}` cannot be used as the folder of the store", shown_path(path))]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The thread that uses the database cannot be started.
    #[error("the store's thread cannot be started")]
    Thread {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A newer omni has written the database. It is left as it is.
    #[error(
        "`{}` was written by a newer omni: its schema is {found}, and this one knows schemas up to {known}",
        shown_path(path)
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema that it has.
        found: i64,
        /// The newest schema that this version of omni knows.
        known: i64,
    },
    /// The file is a database of another program. It is left as it is.
    #[error("`{}` is a database, but none of omni's; move it away", shown_path(path))]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The disk does not give what is in the file, which is left as it is.
    #[error("`{}` cannot be read", shown_path(path))]
    Unreadable {
        /// The database or its log.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The database is damaged, and could not be put aside.
    #[error("`{}` is damaged and cannot be put aside", shown_path(path))]
    Damaged {
        /// The database.
        path: PathBuf,
        /// Why it cannot be put aside.
        source: Arc<io::Error>,
    },
    /// No room is left on the disk.
    #[error("`{}` cannot be opened: the disk is full", shown_path(path))]
    DiskFull {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: SqliteError,
    },
    /// Another process holds the database for too long.
    #[error("`{}` has been in use by another process for {} ms", shown_path(path), waited.as_millis())]
    Locked {
        /// The database.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The disk or the file system refused something else.
    #[error("`{}` cannot be opened", shown_path(path))]
    Io {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: SqliteError,
    },
}

/// Why an operation on a store failed. Nothing of it was stored, except where the variant says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store holds as much as it may.
    #[error("the store is full: {0}")]
    Quota(Quota),
    /// There is a task with this id.
    #[error("there is a task `{id}` already")]
    Exists {
        /// The id.
        id: String,
    },
    /// Too much waits for the disk already.
    #[error("too many operations wait for the store")]
    Busy,
    /// Another process writes for too long.
    #[error("the store has been in use by another process for {} ms", waited.as_millis())]
    Locked {
        /// How long it was waited for.
        waited: Duration,
    },
    /// No room is left on the disk.
    #[error("the disk of the store is full")]
    DiskFull {
        /// What SQLite said.
        source: SqliteError,
    },
    /// The disk failed. It is not known whether the operation will be found stored when the database is opened next.
    #[error("the disk of the store failed")]
    Io {
        /// What SQLite said.
        source: SqliteError,
    },
    /// The database is damaged, and what replaced it could not be used either.
    #[error("the store is damaged")]
    Damaged {
        /// What SQLite said.
        source: SqliteError,
    },
    /// [`Store::close`](crate::Store::close) was called before.
    #[error("the store is closed")]
    Closed,
    /// The writer ended without an answer: a bug of ours, which is in the log. It is not known whether the operation was
    /// stored.
    #[error("the store's thread ended")]
    Stopped,
}

/// Which bound of [`StoreConfig`](crate::StoreConfig) was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// `tasks_max`.
    Tasks(u64),
    /// `tasks_per_owner_max`.
    TasksOfOwner(u64),
    /// `bytes_max`.
    Bytes(u64),
    /// `nonces_max`.
    Nonces(u64),
}

impl fmt::Display for Quota {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quota::Tasks(max) => write!(out, "it keeps at most {max} tasks"),
            Quota::TasksOfOwner(max) => write!(out, "it keeps at most {max} tasks of one client"),
            Quota::Bytes(max) => write!(out, "its tasks take at most {max} bytes"),
            Quota::Nonces(max) => write!(out, "it remembers at most {max} used states"),
        }
    }
}

/// What SQLite said, for the log.
#[derive(Clone, Debug)]
pub struct SqliteError(Arc<rusqlite::Error>);

impl fmt::Display for SqliteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.sqlite_error() {
            Some(error) => write!(out, "{} (SQLite code {})", self.0, error.extended_code),
            None => self.0.fmt(out),
        }
    }
}

impl std::error::Error for SqliteError {}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        SqliteError(Arc::new(error))
    }
}

/// What an error of SQLite means to whoever uses the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Full,
    Locked,
    Damaged,
    /// Everything else that a disk can do, a bug of ours included.
    Disk,
}

impl Trouble {
    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Trouble::Full,
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed => Trouble::Locked,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Trouble::Damaged,
                _ => Trouble::Disk,
            },
            // A value of a type that we have never written.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Trouble::Damaged,
            _ => Trouble::Disk,
        }
    }
}
