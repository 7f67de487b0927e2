//! Which nonces have been used: what was sealed with one answers once.

use std::time::SystemTime;

use rusqlite::params;

use crate::error::Quota;
use crate::operation::{Scope, Stop};
use crate::time::millis;

/// Whether this is the first use. A nonce whose time is over has been forgotten, and counts as used.
pub(crate) fn use_once(
    scope: &mut Scope<'_>,
    nonce: &[u8],
    expires: SystemTime,
    now: SystemTime,
) -> Result<bool, Stop> {
    if expires <= now {
        return Ok(false);
    }
    let connection = scope.connection;
    connection.execute("DELETE FROM used_nonces WHERE expires <= ?1", [millis(now)])?;
    let insert =
        "INSERT INTO used_nonces SELECT ?1, ?2 WHERE (SELECT nonces FROM usage) < ?3 ON CONFLICT DO NOTHING";
    let max = i64::try_from(scope.config.nonces_max).unwrap_or(i64::MAX);
    if connection.execute(insert, params![nonce, millis(expires), max])? == 1 {
        return Ok(true);
    }
    let is_known = "SELECT EXISTS (SELECT 1 FROM used_nonces WHERE nonce = ?1)";
    if connection.query_row(is_known, [nonce], |row| row.get(0))? {
        return Ok(false);
    }
    Err(Quota::Nonces(scope.config.nonces_max).into())
}
