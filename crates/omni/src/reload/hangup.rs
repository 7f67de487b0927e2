//! Does a hang-up signal ask for a look, or does it say that the terminal is gone?
//!
//! For a server that runs by itself, `SIGHUP` has meant "read your files again" for as long as there are servers. For one
//! that somebody has started in a terminal, it means that the terminal was closed, and such a server has to end: nobody
//! could stop it any more. The kernel takes a closed terminal from its processes before it sends the signal.

use std::fs::{self, File};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hang-up signals from now on.
pub(crate) struct Hangups {
    signal: Signal,
    /// The server has a terminal that it can lose.
    in_terminal: bool,
}

/// What one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hangup {
    Reload,
    Stop,
}

impl Hangups {
    /// Has the process obey them. Needs a tokio runtime.
    pub(crate) fn new() -> Result<Self> {
        // `nohup` has had them ignored, so that the server outlives its terminal.
        let in_terminal = has_terminal() && !ignored();
        Ok(Hangups { signal: signal(SignalKind::hangup()).context("SIGHUP cannot be handled")?, in_terminal })
    }

    /// Waits for the next one. Cancel safe.
    pub(crate) async fn next(&mut self) -> Hangup {
        if self.signal.recv().await.is_none() {
            return std::future::pending().await;
        }
        if self.in_terminal && !has_terminal() { Hangup::Stop } else { Hangup::Reload }
    }
}

fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether the process was started with hang-ups ignored.
fn ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first signal is SIGHUP.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
