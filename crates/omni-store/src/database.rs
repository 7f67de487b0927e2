//! One connection to the database: opened, checked, and told when the file is another one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    Final(OpenError),
}

/// How often it was tried: a database is put aside after it was found damaged twice.
#[derive(Clone, Copy)]
enum Attempt {
    First,
    Confirms,
    Anew,
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
        if has_lost_its_head(folder)? {
            put_aside(folder)?;
        }
        let mut refusal = None;
        for attempt in [Attempt::First, Attempt::Confirms, Attempt::Anew] {
            folder.make_database()?;
            let found = match connect(folder, config, check || refusal.is_some()) {
                Ok(connection) => {
                    let path = folder.database();
                    let identity = FileIdentity::of(&path).map_err(|error| failed(&path, error))?;
                    return Ok(Database { connection, path, identity });
                }
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Sqlite(error)) => error,
            };
            if Trouble::of(&found) != Trouble::Damaged {
                return Err(told(folder, config, found));
            }
            refusal = Some(found);
            match attempt {
                // SQLite says the same of a file that cannot be read at this moment.
                Attempt::First => is_readable(folder)?,
                Attempt::Confirms => put_aside(folder)?,
                Attempt::Anew => {}
            }
        }
        Err(told(folder, config, refusal.unwrap_or_else(damaged)))
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
fn has_lost_its_head(folder: &Folder) -> Result<bool, OpenError> {
    let [database, log, _] = folder.database_files();
    let length = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(failed(path, error)),
    };
    Ok(length(&database)? == 0 && length(&log)? > 0)
}

/// # Errors
///
/// The disk does not give all that is in the files. Then nothing can be said about what is in them.
fn is_readable(folder: &Folder) -> Result<(), OpenError> {
    let [database, log, _] = folder.database_files();
    for path in [database, log] {
        let read = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OpenError::Unreadable { path, source: Arc::new(error) }),
        }
    }
    Ok(())
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
    if connection.is_readonly("main")? {
        // SQLite does that by itself where a file cannot be opened for writing.
        return Err(cannot_open("the file can be opened for reading only".to_owned()).into());
    }
    let origin = schema::origin(&connection)?;
    match origin {
        Origin::Foreign => return Err(Refusal::Final(OpenError::Foreign { path })),
        Origin::Omni(found) if found > schema::VERSION => return Err(Refusal::Final(newer(&path, found))),
        // Before anything is written into it.
        Origin::Omni(_) if check && !schema::is_whole(&connection)? => return Err(damaged().into()),
        Origin::Omni(_) | Origin::Empty => {}
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let text = format!("the file system allows no write-ahead log; the journal mode stays `{mode}`");
        return Err(cannot_open(text).into());
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

fn cannot_open(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(why))
}

fn damaged() -> rusqlite::Error {
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
