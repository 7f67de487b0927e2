//! The rows of tasks.

use std::time::SystemTime;

use omni_call::TaskStatus;
use rusqlite::{OptionalExtension as _, Row, named_params, params};

use crate::bounds::TASK_BYTES_MIN;
use crate::error::{Quota, StoreError};
use crate::operation::{Scope, Stop};
use crate::server_lock;
use crate::task::{
    Changed, Ending, LostTask, NewTask, RemovedTask, Requested, Task, TaskChange, TaskRequest,
};
use crate::time::{duration, length, millis, time};

/// How many tasks one operation removes at most, so that none takes long.
const REMOVED_MAX: i64 = 1000;

/// What a row takes besides its texts: its numbers, the indexes and the pages around it.
const ROW_BYTES: i64 = 512;

/// What a row is charged: what is in it, and no less than the least.
fn charge(parts: &[usize]) -> i64 {
    let bytes = parts
        .iter()
        .fold(ROW_BYTES, |sum, part| sum.saturating_add(i64::try_from(*part).unwrap_or(i64::MAX)));
    bytes.max(TASK_BYTES_MIN)
}

pub(crate) fn create(scope: &mut Scope<'_>, task: &NewTask) -> Result<(), Stop> {
    let server = scope.server.hold()?.to_owned();
    let connection = scope.connection;
    let is_there = "SELECT 1 FROM tasks WHERE id = ?1";
    if connection.query_row(is_there, [&task.id], |_| Ok(())).optional()?.is_some() {
        return Err(Stop::Refused(StoreError::Exists { id: task.id.clone() }));
    }
    let bytes = charge(&[task.id.len(), task.owner.len(), task.method.len(), task.name.len()]);
    if let Err(quota) = room(scope, &task.owner, bytes)? {
        // What is over makes room first.
        let over = "DELETE FROM tasks WHERE expires <= ?1 AND status NOT IN ('working', 'input_required')";
        connection.execute(over, [millis(task.created)])?;
        if room(scope, &task.owner, bytes)?.is_err() {
            return Err(quota.into());
        }
    }
    let created = millis(task.created);
    let ttl = task.ttl.map(length);
    connection.execute(
        "INSERT INTO tasks (id, owner, server, method, name, created, updated, ttl, expires, poll_interval, status, bytes)
         VALUES (:id, :owner, :server, :method, :name, :created, :created, :ttl, :expires, :poll, 'working', :bytes)",
        named_params! {
            ":id": task.id,
            ":owner": task.owner,
            ":server": server,
            ":method": task.method,
            ":name": task.name,
            ":created": created,
            ":ttl": ttl,
            ":expires": ttl.map(|ttl| created.saturating_add(ttl)),
            ":poll": task.poll_interval.map(length),
            ":bytes": bytes,
        },
    )?;
    Ok(())
}

/// Whether one more task of this owner fits.
fn room(scope: &Scope<'_>, owner: &str, bytes: i64) -> rusqlite::Result<Result<(), Quota>> {
    let config = scope.config;
    let own = "SELECT count(*) FROM tasks WHERE owner = ?1";
    let own: i64 = scope.connection.query_row(own, [owner], |row| row.get(0))?;
    let (tasks, used) = usage(scope)?;
    let is_over = |value: i64, max: u64| u64::try_from(value).is_ok_and(|value| value > max);
    Ok(if is_over(own + 1, config.tasks_per_owner_max) {
        Err(Quota::TasksOfOwner(config.tasks_per_owner_max))
    } else if is_over(tasks + 1, config.tasks_max) {
        Err(Quota::Tasks(config.tasks_max))
    } else if is_over(used.saturating_add(bytes), config.bytes_max) {
        Err(Quota::Bytes(config.bytes_max))
    } else {
        Ok(())
    })
}

/// The number of all tasks, and their bytes.
fn usage(scope: &Scope<'_>) -> rusqlite::Result<(i64, i64)> {
    scope.connection.query_row("SELECT tasks, bytes FROM usage", [], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(crate) fn change(
    scope: &mut Scope<'_>,
    id: &str,
    change: &TaskChange,
    now: SystemTime,
) -> Result<Changed, Stop> {
    let status = match change.input_requests {
        Some(_) => TaskStatus::InputRequired,
        None => TaskStatus::Working,
    };
    let message = change.status_message.as_deref();
    let values = Values { status, message, input_requests: change.input_requests.as_deref(), result: None };
    let changed = write(scope, id, &values, now)?;
    if let (Changed::Done, Some(interval)) = (changed, change.poll_interval) {
        let update = "UPDATE tasks SET poll_interval = ?2 WHERE id = ?1";
        scope.connection.execute(update, params![id, length(interval)])?;
    }
    Ok(changed)
}

pub(crate) fn finish(
    scope: &mut Scope<'_>,
    id: &str,
    ending: &Ending,
    now: SystemTime,
) -> Result<Changed, Stop> {
    let (status, message, result) = match ending {
        Ending::Completed(result) => (TaskStatus::Completed, None, Some(result)),
        Ending::Failed { message, error } => (TaskStatus::Failed, Some(message.as_str()), Some(error)),
        Ending::Cancelled => (TaskStatus::Cancelled, None, None),
    };
    let values = Values { status, message, input_requests: None, result: result.map(Vec::as_slice) };
    write(scope, id, &values, now)
}

struct Values<'a> {
    status: TaskStatus,
    /// `None` leaves the message as it is while the task goes on, and removes it at its end.
    message: Option<&'a str>,
    input_requests: Option<&'a [u8]>,
    result: Option<&'a [u8]>,
}

/// Writes a task of this server that has not ended.
fn write(scope: &mut Scope<'_>, id: &str, values: &Values<'_>, now: SystemTime) -> Result<Changed, Stop> {
    let found = "SELECT status, bytes, status_message, octet_length(owner) + octet_length(method) + octet_length(name)
                 FROM tasks WHERE id = ?1 AND server = ?2";
    let found = scope
        .connection
        .query_row(found, [id, scope.server.name()], |row| {
            Ok((
                status(row, 0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, u32>(3)?,
            ))
        })
        .optional()?;
    let Some((before, bytes_before, message_before, texts)) = found else { return Ok(Changed::Unknown) };
    if before.is_final() {
        return Ok(Changed::HadEnded(before));
    }
    let message = match values.message {
        None if !values.status.is_final() => message_before.as_deref(),
        message => message,
    };
    let length_of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let bytes = charge(&[
        id.len(),
        texts as usize,
        message.map_or(0, str::len),
        length_of(values.input_requests),
        length_of(values.result),
    ]);
    let (_, used) = usage(scope)?;
    let after = used.saturating_sub(bytes_before).saturating_add(bytes);
    if bytes > bytes_before && u64::try_from(after).is_ok_and(|after| after > scope.config.bytes_max) {
        return Err(Quota::Bytes(scope.config.bytes_max).into());
    }
    scope.connection.execute(
        "UPDATE tasks SET status = :status, status_message = :message, input_requests = :requests, result = :result,
             bytes = :bytes, updated = max(updated, :now)
         WHERE id = :id",
        named_params! {
            ":id": id,
            ":status": values.status.name(),
            ":message": message,
            ":requests": values.input_requests,
            ":result": values.result,
            ":bytes": bytes,
            ":now": millis(now),
        },
    )?;
    Ok(Changed::Done)
}

/// A task whose time is over is not found, whether or not it has been removed.
pub(crate) fn task(
    scope: &mut Scope<'_>,
    id: &str,
    owner: &str,
    now: SystemTime,
) -> Result<Option<Task>, Stop> {
    let select =
        "SELECT id, owner, method, name, created, updated, ttl, poll_interval, status, status_message,
                      input_requests, result, server
                  FROM tasks WHERE id = ?1 AND owner = ?2 AND (expires IS NULL OR expires > ?3)";
    let me = scope.server.name();
    let read = |row: &Row<'_>| {
        Ok(Task {
            id: row.get(0)?,
            owner: row.get(1)?,
            method: row.get(2)?,
            name: row.get(3)?,
            created: time(row.get(4)?),
            updated: time(row.get(5)?),
            ttl: row.get::<_, Option<i64>>(6)?.map(duration),
            poll_interval: row.get::<_, Option<i64>>(7)?.map(duration),
            status: status(row, 8)?,
            status_message: row.get(9)?,
            input_requests: row.get(10)?,
            result: row.get(11)?,
            is_mine: row.get::<_, String>(12)? == me,
        })
    };
    Ok(scope.connection.query_row(select, params![id, owner, millis(now)], read).optional()?)
}

/// What a client asks of its task. One that runs in another server's process is told there.
pub(crate) fn request(
    scope: &mut Scope<'_>,
    id: &str,
    owner: &str,
    request: &TaskRequest,
    now: SystemTime,
) -> Result<Requested, Stop> {
    let Some(task) = task(scope, id, owner, now)? else { return Ok(Requested::Unknown) };
    if task.status.is_final() {
        return Ok(Requested::HadEnded(task.status));
    }
    match request {
        TaskRequest::Cancel => {
            let update =
                "UPDATE tasks SET status = 'cancelled', status_message = NULL, input_requests = NULL,
                              updated = max(updated, ?2) WHERE id = ?1";
            scope.connection.execute(update, params![id, millis(now)])?;
        }
        TaskRequest::Answer(_) => {}
    }
    if task.is_mine {
        return Ok(Requested::Mine);
    }
    let answer = match request {
        TaskRequest::Cancel => None,
        TaskRequest::Answer(answer) => {
            // The task is charged for what waits for it, until it changes next.
            let bytes = i64::try_from(answer.len()).unwrap_or(i64::MAX).saturating_add(ROW_BYTES);
            let (_, used) = usage(scope)?;
            if u64::try_from(used.saturating_add(bytes)).is_ok_and(|after| after > scope.config.bytes_max) {
                return Err(Quota::Bytes(scope.config.bytes_max).into());
            }
            scope
                .connection
                .execute("UPDATE tasks SET bytes = bytes + ?2 WHERE id = ?1", params![id, bytes])?;
            Some(answer)
        }
    };
    let insert = "INSERT INTO task_requests (task, answer) VALUES (?1, ?2)";
    scope.connection.execute(insert, params![id, answer])?;
    Ok(Requested::Forwarded)
}

/// Takes out what clients have asked other servers of tasks of this one, in the order in which they did.
pub(crate) fn take_requests(scope: &mut Scope<'_>) -> Result<Vec<(String, TaskRequest)>, Stop> {
    let select = "SELECT number, task, answer FROM task_requests JOIN tasks ON tasks.id = task_requests.task
                  WHERE tasks.server = ?1 ORDER BY number";
    let mut found = Vec::new();
    let mut statement = scope.connection.prepare(select)?;
    let mut rows = statement.query([scope.server.name()])?;
    let mut last = 0i64;
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let request = row.get::<_, Option<Vec<u8>>>(2)?.map_or(TaskRequest::Cancel, TaskRequest::Answer);
        found.push((row.get(1)?, request));
    }
    if !found.is_empty() {
        let delete = "DELETE FROM task_requests WHERE number <= ?1 AND task IN (SELECT id FROM tasks WHERE server = ?2)";
        scope.connection.execute(delete, params![last, scope.server.name()])?;
    }
    Ok(found)
}

/// Ends the tasks whose servers have ended.
pub(crate) fn declare_lost(
    scope: &mut Scope<'_>,
    message: &str,
    error: &[u8],
    now: SystemTime,
) -> Result<Vec<LostTask>, Stop> {
    let select =
        "SELECT DISTINCT server FROM tasks WHERE status IN ('working', 'input_required') AND server <> ?1";
    let servers: Vec<String> = {
        let mut statement = scope.connection.prepare(select)?;
        let names = statement.query_map([scope.server.name()], |row| row.get(0))?;
        names.collect::<rusqlite::Result<_>>()?
    };
    let mut lost = Vec::new();
    for server in servers {
        if !server_lock::has_ended(scope.folder, &server)? {
            continue;
        }
        let update =
            "UPDATE tasks SET status = 'failed', status_message = ?2, result = ?3, input_requests = NULL,
                          bytes = max(?4, bytes), updated = max(updated, ?5)
                      WHERE server = ?1 AND status IN ('working', 'input_required') RETURNING id, owner";
        let mut statement = scope.connection.prepare(update)?;
        let bytes = charge(&[message.len(), error.len()]);
        let rows = statement.query_map(params![server, message, error, bytes, millis(now)], |row| {
            Ok(LostTask { id: row.get(0)?, owner: row.get(1)? })
        })?;
        for row in rows {
            lost.push(row?);
        }
    }
    // Files of servers that have no unfinished task are of use to nobody once these have ended.
    for name in server_lock::names(scope.folder) {
        if name != scope.server.name() {
            server_lock::has_ended(scope.folder, &name)?;
        }
    }
    Ok(lost)
}

/// Removes tasks whose time is over, whether or not they have ended.
pub(crate) fn remove_expired(scope: &mut Scope<'_>, now: SystemTime) -> Result<Vec<RemovedTask>, Stop> {
    let delete =
        "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE expires <= ?1 ORDER BY expires LIMIT ?2)
                  RETURNING id, status, server";
    let me = scope.server.name();
    let mut statement = scope.connection.prepare(delete)?;
    let rows = statement.query_map(params![millis(now), REMOVED_MAX], |row| {
        Ok(RemovedTask { id: row.get(0)?, status: status(row, 1)?, is_mine: row.get::<_, String>(2)? == me })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<TaskStatus> {
    let name: String = row.get(column)?;
    TaskStatus::from_name(&name)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(column, name, rusqlite::types::Type::Text))
}
