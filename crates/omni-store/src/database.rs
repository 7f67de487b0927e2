//! One connection to the database: opened, checked, and told when the file is another one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, ffi};

use crate::bounds::StoreConfig;
use crate::error::{OpenError, Trouble};
use crate::folder::{FileIdentity, Folder, failed};
use crate::put_aside::put_aside;
use crate::schema::{self, Origin};

/// From how many pages on the log is copied into the database, and to which size it is cut afterwards.
const CHECKPOINT_PAGES: i64 = 1000;
const LOG_BYTES_MAX: i64 = 4 << 20;

pub(crate) struct Database {
    pub(crate) connection: Connection,
    path: PathBuf,
    identity: FileIdentity,
}

/// Why a connection could not be made.
enum Refusal {
    Sqlite(rusqlite::Error),
    /// It can be read, and is not whole.
    NotWhole,
    Final(OpenError),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::Sqlite(error)
    }
}

impl Database {
    /// Opens the database and makes it where there is none. `check` reads all of it; what is damaged is put aside, and a
    /// new one begun.
    pub(crate) fn open(folder: &Folder, config: &StoreConfig, check: bool) -> Result<Self, OpenError> {
        folder.make()?;
        let _lock = folder.lock(config.lock_timeout)?;
        if has_lost_its_head(folder) {
            put_aside(folder)?;
        }
        for is_last in [false, true] {
            folder.make_database()?;
            let refusal = match connect(folder, config, check) {
                Ok(connection) => {
                    let path = folder.database();
                    let identity = FileIdentity::of(&path).map_err(|error| failed(&path, error))?;
                    return Ok(Database { connection, path, identity });
                }
                Err(refusal) => refusal,
            };
            match refusal {
                Refusal::Final(error) => return Err(error),
                Refusal::NotWhole if !is_last => put_aside(folder)?,
                Refusal::Sqlite(error) if Trouble::of(&error) == Trouble::Damaged && !is_last => {
                    put_aside(folder)?;
                }
                Refusal::Sqlite(error) => return Err(told(folder, config, error)),
                Refusal::NotWhole => return Err(told(folder, config, corrupt())),
            }
        }
        Err(told(folder, config, corrupt()))
    }

    /// Whether the path still leads to the file that is open. Another server may have put it aside, or somebody have removed
    /// it. Where the path cannot be looked at, it is taken to.
    pub(crate) fn is_current(&self) -> bool {
        match FileIdentity::of(&self.path) {
            Ok(found) => found == self.identity,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Copies the log into the database and empties it, so that the next server has little to read. What another server
    /// still reads stays.
    pub(crate) fn checkpoint(&self) {
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

/// Whether the schema is still one that we know: a newer omni may have changed it since the database was opened.
pub(crate) fn check_version(
    connection: &Connection,
    folder: &Folder,
) -> rusqlite::Result<Result<(), OpenError>> {
    let found = schema::version(connection)?;
    Ok(if found > schema::VERSION { Err(newer(&folder.database(), found)) } else { Ok(()) })
}

/// An empty file with a log: SQLite would take it for a new one and remove the log, in which acknowledged rows may be.
fn has_lost_its_head(folder: &Folder) -> bool {
    let [database, log, _] = folder.database_files();
    let length = |path: &PathBuf| fs::metadata(path).map_or(0, |found| found.len());
    length(&database) == 0 && length(&log) > 0
}

fn connect(folder: &Folder, config: &StoreConfig, check: bool) -> Result<Connection, Refusal> {
    let path = folder.database();
    // Only the writer's thread uses it, so SQLite needs no lock of its own around it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(config.lock_timeout)?;
    // A connection that is closed leaves all files alone: see `put_aside`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let origin = schema::origin(&connection)?;
    match origin {
        Origin::Foreign => return Err(Refusal::Final(OpenError::Foreign { path })),
        Origin::Omni(found) if found > schema::VERSION => return Err(Refusal::Final(newer(&path, found))),
        // Before anything is written into it.
        Origin::Omni(_) if check && !schema::is_whole(&connection)? => return Err(Refusal::NotWhole),
        Origin::Omni(_) | Origin::Empty => {}
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let text = format!("the file system allows no write-ahead log; the journal mode stays `{mode}`");
        let error = ffi::Error::new(ffi::SQLITE_CANTOPEN);
        return Err(Refusal::Sqlite(rusqlite::Error::SqliteFailure(error, Some(text))));
    }
    // What is acknowledged survives a power cut too.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    if origin == Origin::Empty {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::create(&transaction)?;
        transaction.commit()?;
    }
    Ok(connection)
}

pub(crate) fn newer(path: &Path, found: i64) -> OpenError {
    OpenError::Newer { path: path.to_owned(), found, known: schema::VERSION }
}

fn corrupt() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None)
}

pub(crate) fn told(folder: &Folder, config: &StoreConfig, error: rusqlite::Error) -> OpenError {
    let path = folder.database();
    match Trouble::of(&error) {
        Trouble::Full => OpenError::DiskFull { path, source: error.into() },
        Trouble::Locked => OpenError::Locked { path, waited: config.lock_timeout },
        Trouble::Damaged | Trouble::Disk => OpenError::Io { path, source: error.into() },
    }
}
