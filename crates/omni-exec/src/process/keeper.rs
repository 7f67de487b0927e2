//! Who ends the tools' own children when the server is killed and cannot do it any more.
//!
//! Workers die with the server by themselves. What a tool has started does not: nothing ties it to anyone.
//! So one small process waits for the server's end, and then looks for what carries the server's mark.

use std::io::{self, PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use super::{starter, sweep};

/// The word after `__launch` that makes a keeper of the process.
pub(crate) const KEEP: &str = "keep";

/// The start of the marks of all children of this server.
pub(super) fn server_mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        // Process ids come round again; together with the time of the start they do not.
        let born = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        format!("{}-{born}-", std::process::id())
    })
}

/// Starts the keeper of this server, once. Without one everything works as long as the server is not killed,
/// so a failure is only noted.
pub(super) async fn ensure(launcher: &Path) {
    // Holding the pipe is what tells the keeper that the server lives.
    static SERVER_LIVES: OnceLock<Option<PipeWriter>> = OnceLock::new();
    let mut theirs = None;
    SERVER_LIVES.get_or_init(|| {
        let (reader, writer) = io::pipe().ok()?;
        theirs = Some(reader);
        Some(writer)
    });
    let Some(theirs) = theirs else { return };
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

/// The keeper's life: waits until the server is gone, then kills what carries `mark`.
pub(crate) fn keep(mark: &str) {
    // Nothing is ever sent, so this ends with the last holder of the other end.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    sweep::sweep(mark);
}
