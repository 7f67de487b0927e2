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
use crate::{orphans, starter};

/// The word after `__launch` that makes the orphan reaper of the process.
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

/// The pipe to the orphan reaper. Holding this end tells it that the server lives; what comes through are folders to remove.
struct ReaperPipe {
    writer: PipeWriter,
    announced: HashSet<PathBuf>,
    /// Until the orphan reaper is started.
    reader: Option<PipeReader>,
}

fn reaper_pipe() -> Option<&'static Mutex<ReaperPipe>> {
    static PIPE: OnceLock<Option<Mutex<ReaperPipe>>> = OnceLock::new();
    PIPE.get_or_init(|| {
        let (reader, writer) = io::pipe().ok()?;
        Some(Mutex::new(ReaperPipe { writer, announced: HashSet::new(), reader: Some(reader) }))
    })
    .as_ref()
}

/// Has the orphan reaper remove a server's temporary folder, should the server not come to do it.
pub(crate) fn remove_after_death(folder: &Path) {
    let Some(reaper_pipe) = reaper_pipe() else { return };
    let mut reaper_pipe = reaper_pipe.lock().unwrap_or_else(PoisonError::into_inner);
    if !reaper_pipe.announced.contains(folder) {
        reaper_pipe.announced.insert(folder.to_owned());
        // A server has one such folder or two, and the pipe takes some hundreds. Should the orphan reaper be gone, the next
        // server removes what this one leaves.
        let _ = reaper_pipe.writer.write_all(&[folder.as_os_str().as_bytes(), b"\0"].concat());
    }
}

/// Starts the orphan reaper of this server, once. Without one everything works as long as the server is not killed,
/// so a failure is only noted.
pub(crate) async fn ensure(launcher: &Path) {
    let reader = reaper_pipe()
        .and_then(|reaper_pipe| reaper_pipe.lock().unwrap_or_else(PoisonError::into_inner).reader.take());
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
        tracing::warn!(%error, "the process that ends orphans could not be started: children of tools may outlive a killed server");
    }
}

/// The orphan reaper's life: waits until the server is gone, then kills what carries `mark` and removes the folders that it was
/// told of.
pub(crate) fn run_orphan_reaper(mark: &str) {
    let mut folders = Vec::new();
    // Ends with the last holder of the other end.
    let _ = io::stdin().read_to_end(&mut folders);
    orphans::kill_orphans(mark);
    for folder in folders.split(|byte| *byte == 0).filter(|folder| !folder.is_empty()) {
        remove_server_folder(Path::new(&OsString::from_vec(folder.to_vec())));
    }
}
