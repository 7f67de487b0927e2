//! What is kept for clients that come back: tasks, in a store that servers share.

use omni_call::shown_path;
use omni_store::{OpenError, Overview, StoreConfig, overview};
use serde_json::{Value, json};

use super::finding::{Finding, Level, Section};
use crate::settings::Places;
use crate::text::{plural, size};

/// Looks at the store, where there is one, and changes nothing in it.
pub(super) fn examine(places: &Places) -> Section {
    let found = overview(&places.store(), &StoreConfig::default());
    Section::of(findings(&found)).with("store", member(&found))
}

fn findings(found: &Result<Option<Overview>, OpenError>) -> Vec<Finding> {
    let found = match found {
        Ok(None) => return Vec::new(),
        Ok(Some(found)) => found,
        Err(error) => return vec![not_usable(error)],
    };
    let tasks = plural(usize::try_from(found.tasks).unwrap_or(usize::MAX), "task");
    let text = format!(
        "{tasks}, {} of them at work, {} in `{}`",
        found.unfinished,
        size(found.bytes),
        shown_path(&found.database)
    );
    let mut findings = vec![Finding::fact("store", text)];
    if let Some(last) = found.put_aside.last() {
        let text =
            format!("the store was damaged, and is kept as `{}`; a new one was begun", shown_path(last));
        findings.push(
            Finding::new(Level::Warning, "store-damaged", text)
                .note("tasks that were in it are unknown to their clients")
                .hint("look after the disk; remove the file when you need nothing of it"),
        );
    }
    findings
}

/// Servers run without it, and make no tasks.
fn not_usable(error: &OpenError) -> Finding {
    let text = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    let hint = match error {
        OpenError::Newer { .. } => "update this omni, or give it a state of its own with `XDG_STATE_HOME`",
        OpenError::Foreign { .. } => "move the file away",
        OpenError::DiskFull { .. } => "make room on the disk",
        OpenError::Locked { .. } => "find out which process holds it; `fuser` names it",
        OpenError::Folder { .. }
        | OpenError::Thread { .. }
        | OpenError::Unreadable { .. }
        | OpenError::Damaged { .. }
        | OpenError::Io { .. } => "look after the disk and the permissions of the folder",
    };
    Finding::new(Level::Warning, "store", text).hint(hint)
}

fn member(found: &Result<Option<Overview>, OpenError>) -> Value {
    match found {
        Ok(None) => Value::Null,
        Ok(Some(found)) => json!({
            "database": found.database,
            "tasks": found.tasks,
            "unfinished": found.unfinished,
            "bytes": found.bytes,
            "damaged": found.put_aside,
        }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
