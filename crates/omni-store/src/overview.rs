//! What is in a store, for whoever looks at it from outside.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::bounds::StoreConfig;
use crate::database;
use crate::error::OpenError;
use crate::folder::Folder;
use crate::put_aside;
use crate::schema::{self, Origin};

/// What is in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// The database.
    pub database: PathBuf,
    /// How many tasks there are.
    pub tasks: u64,
    /// How many of them have not ended.
    pub unfinished: u64,
    /// What the tasks take, in bytes as `bytes_max` counts them.
    pub bytes: u64,
    /// Damaged databases that were put aside, oldest first.
    pub put_aside: Vec<PathBuf>,
}

/// Looks at the store in `folder` and changes nothing in it. `None` where none was begun. Blocks.
///
/// # Errors
///
/// As [`Store::open`](crate::Store::open) has them; what is damaged is [`OpenError::Io`], and stays where it is.
pub fn overview(folder: &Path, config: &StoreConfig) -> Result<Option<Overview>, OpenError> {
    let folder = Folder::new(folder.to_owned());
    let path = folder.database();
    let put_aside = put_aside::kept(folder.path());
    if !path.exists() && put_aside.is_empty() {
        return Ok(None);
    }
    let mut overview = Overview { database: path.clone(), put_aside, ..Overview::default() };
    if !path.exists() {
        return Ok(Some(overview));
    }
    let failed = |error| database::told(&folder, config, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
    connection.busy_timeout(config.lock_timeout).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    match schema::origin(&connection).map_err(failed)? {
        Origin::Empty => return Ok(Some(overview)),
        Origin::Foreign => return Err(OpenError::Foreign { path }),
        Origin::Omni(found) if found > schema::VERSION => return Err(database::newer(&path, found)),
        Origin::Omni(_) => {}
    }
    let select = "SELECT tasks, bytes,
                      (SELECT count(*) FROM tasks WHERE status IN ('working', 'input_required')) FROM usage";
    let number = |row: &rusqlite::Row<'_>, column| {
        row.get::<_, i64>(column).map(|value| u64::try_from(value).unwrap_or(0))
    };
    let found = connection
        .query_row(select, [], |row| Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?)))
        .map_err(failed)?;
    (overview.tasks, overview.bytes, overview.unfinished) = found;
    Ok(Some(overview))
}
