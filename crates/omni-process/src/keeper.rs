//! Who ends the tools' own children, and removes their temporary folders, when the server is killed and cannot do it any
//! more.
//!
//! Workers die with the server by themselves. What a tool has started does not: nothing ties it to anyone.
//! So one small process waits for the server's end, and then looks for what carries the server's mark.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::temp::remove_server_folder;
use crate::{starter, sweep};

/// The word after `__launch` that makes a keeper of the process.
pub(crate) const KEEP: &str = "keep";

/// The start of the marks of all children of this server.
pub(crate) fn server_mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        // Process ids come round again; together with the time of the start they do not.
        let born = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        format!("{}-{born}-", std::process::id())
    })
}

/// The pipe to the keeper. Holding this end tells it that the server lives; what comes through are folders to remove.
struct Line {
    writer: PipeWriter,
    told: HashSet<PathBuf>,
    /// Until the keeper is started.
    reader: Option<PipeReader>,
}

fn line() -> Option<&'static Mutex<Line>> {
    static LINE: OnceLock<Option<Mutex<Line>>> = OnceLock::new();
    LINE.get_or_init(|| {
        let (reader, writer) = io::pipe().ok()?;
        Some(Mutex::new(Line { writer, told: HashSet::new(), reader: Some(reader) }))
    })
    .as_ref()
}

/// Has the keeper remove a server's temporary folder, should the server not come to do it.
pub(crate) fn remove_after_death(folder: &Path) {
    let Some(line) = line() else { return };
    let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
    if !line.told.contains(folder) {
        line.told.insert(folder.to_owned());
        // A server has one such folder or two, and the pipe takes some hundreds. Should the keeper be gone, the next
        // server removes what this one leaves.
        let _ = line.writer.write_all(&[folder.as_os_str().as_bytes(), b"\0"].concat());
    }
}

/// Starts the keeper of this server, once. Without one everything works as long as the server is not killed,
/// so a failure is only noted.
pub(crate) async fn ensure(launcher: &Path) {
    let reader = line().and_then(|line| line.lock().unwrap_or_else(PoisonError::into_inner).reader.take());
    let Some(theirs) = reader else { return };
    let mut command = Command::new(launcher);
    command
        .args(["__launch", KEEP, server_mark()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(error) = starter::start(command, Box::new(())).await {
        tracing::warn!(%error, "no keeper could be started: children of tools may outlive a killed server");
    }
}

/// The keeper's life: waits until the server is gone, then kills what carries `mark` and removes the folders that it was
/// told of.
pub(crate) fn keep(mark: &str) {
    let mut folders = Vec::new();
    // Ends with the last holder of the other end.
    let _ = io::stdin().read_to_end(&mut folders);
    sweep::sweep(mark);
    for folder in folders.split(|byte| *byte == 0).filter(|folder| !folder.is_empty()) {
        remove_server_folder(Path::new(&OsString::from_vec(folder.to_vec())));
    }
}
