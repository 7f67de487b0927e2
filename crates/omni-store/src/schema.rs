//! What the database looks like, and whose it is.

use rusqlite::Connection;

/// Raised with every change of [`CREATE`], which then says how a database of the version before becomes one of this.
pub(crate) const VERSION: i64 = 1;

/// "omni" in ASCII: what marks a database as one of ours.
const APPLICATION_ID: i64 = 0x6f6d_6e69;

/// `usage` has one row, kept by triggers, so that a quota costs no scan.
const CREATE: &str = "
CREATE TABLE tasks (
    id TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    method TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    ttl INTEGER,
    expires INTEGER,
    poll_interval INTEGER,
    status TEXT NOT NULL CHECK (status IN ('working', 'input_required', 'completed', 'failed', 'cancelled')),
    status_message TEXT,
    input_requests BLOB,
    result BLOB,
    bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX tasks_by_owner ON tasks (owner);
CREATE INDEX tasks_by_expiry ON tasks (expires) WHERE expires IS NOT NULL;
CREATE INDEX unfinished_tasks ON tasks (server) WHERE status IN ('working', 'input_required');

CREATE TABLE task_requests (
    number INTEGER PRIMARY KEY,
    task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    answer BLOB
) STRICT;
CREATE INDEX task_requests_by_task ON task_requests (task);

CREATE TABLE used_nonces (
    nonce BLOB PRIMARY KEY NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_nonces_by_expiry ON used_nonces (expires);

CREATE TABLE usage (
    tasks INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    nonces INTEGER NOT NULL
) STRICT;
INSERT INTO usage VALUES (0, 0, 0);
CREATE TRIGGER task_created AFTER INSERT ON tasks BEGIN
    UPDATE usage SET tasks = tasks + 1, bytes = bytes + NEW.bytes;
END;
CREATE TRIGGER task_changed AFTER UPDATE OF bytes ON tasks BEGIN
    UPDATE usage SET bytes = bytes - OLD.bytes + NEW.bytes;
END;
CREATE TRIGGER task_removed AFTER DELETE ON tasks BEGIN
    UPDATE usage SET tasks = tasks - 1, bytes = bytes - OLD.bytes;
END;
CREATE TRIGGER nonce_used AFTER INSERT ON used_nonces BEGIN
    UPDATE usage SET nonces = nonces + 1;
END;
CREATE TRIGGER nonce_forgotten AFTER DELETE ON used_nonces BEGIN
    UPDATE usage SET nonces = nonces - 1;
END;
";

/// Whose a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing has been written into it.
    Empty,
    /// Ours, with this version of the schema.
    Omni(i64),
    /// Another program's.
    Foreign,
}

/// Reads only. A file that is no database, or a damaged one, is an error.
pub(crate) fn origin(connection: &Connection) -> rusqlite::Result<Origin> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let entries: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (number("application_id")?, version(connection)?) {
        (0, 0) if entries == 0 => Origin::Empty,
        (APPLICATION_ID, version) => Origin::Omni(version),
        _ => Origin::Foreign,
    })
}

pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Makes an empty database one of ours. To be called in a transaction.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// Whether the pages and the tables are whole. Reads all of it.
pub(crate) fn is_whole(connection: &Connection) -> rusqlite::Result<bool> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Ok(false);
    }
    let tables = "SELECT count(*) FROM sqlite_schema
                  WHERE type = 'table' AND name IN ('tasks', 'task_requests', 'used_nonces', 'usage')";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0))?;
    if tables != 4 {
        return Ok(false);
    }
    let usage: i64 = connection.query_row("SELECT count(*) FROM usage", [], |row| row.get(0))?;
    Ok(usage == 1)
}
