//! The socket by which `omni reload` finds a server that runs, and asks it.
//!
//! Each server has one in a folder of this user's state. The kernel lets nobody connect to a socket whose process is no
//! more, so a file that was left behind is known as such.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use omni_call::shown_path;
use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::listener::{SocketFile, SocketReach, bound};
use crate::private;

/// Below the state folder.
pub(super) const FOLDER: &str = "servers";

/// What may be asked, each a line.
pub(super) const LOOK: &str = "look";
pub(super) const WHO: &str = "who";

/// Whoever connects and says nothing is not waited for.
const ASK_WAIT: Duration = Duration::from_secs(5);

/// Problems that are said one by one.
pub(super) const PROBLEMS_MAX: usize = 20;

/// What a server says of itself, and of its last look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) pid: u32,
    pub(crate) version: String,
    /// `omni mcp` or `omni runner`, and by what clients reach it.
    pub(crate) serves: String,
    /// Where its tools work.
    pub(crate) root: String,
    /// Its folders of skills.
    pub(crate) skills: Vec<String>,
    /// The settings file that it obeys, if there is one.
    pub(crate) settings: Option<String>,
    pub(crate) tools: usize,
    pub(crate) skill_count: usize,
    /// The skills that this look found changed, and the lists that clients were told of.
    pub(crate) changed: Vec<String>,
    pub(crate) lists: Vec<String>,
    /// The last change that took effect since the server started, whoever saw it first.
    pub(crate) last_change: Option<LastChange>,
    /// Errors and warnings, the first of them one by one.
    pub(crate) problems: Vec<Problem>,
    pub(crate) problem_count: usize,
    /// Why the look failed.
    pub(crate) failed: Option<String>,
    /// Why the settings file, as it is now, is not obeyed. What was in force before stays.
    pub(crate) settings_refused: Option<String>,
    /// Skills in which an edit has broken a file, and which are served as they were before it.
    pub(crate) served_as_before: Vec<String>,
    /// Folders that are looked at every so often, and why.
    pub(crate) polled: Vec<String>,
}

/// What took effect, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastChange {
    /// To a tenth of a second.
    pub(crate) seconds_ago: f64,
    pub(crate) changed: Vec<String>,
    pub(crate) lists: Vec<String>,
}

/// Something that is wrong with a skill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) severity: String,
    pub(crate) at: String,
    pub(crate) message: String,
}

/// A server's socket.
pub(super) struct Control {
    listener: UnixListener,
    _file: SocketFile,
}

impl Control {
    /// Makes the socket, for this user alone. Needs a tokio runtime. Dropping this removes it.
    pub(super) fn open(state: &Path) -> Result<Self> {
        let folder = state.join(FOLDER);
        private::make(&folder).with_context(|| format!("`{}` cannot be made", shown_path(&folder)))?;
        let random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}-{:x}.sock", std::process::id(), random.as_nanos());
        let (_opened, short) = by_descriptor(&folder)?;
        let listener = bound(&short.join(&name), SocketReach::User)?;
        let file = SocketFile::of(folder.join(name));
        listener.set_nonblocking(true)?;
        Ok(Control { listener: UnixListener::from_std(listener)?, _file: file })
    }

    /// Waits for the next who asks. Cancel safe.
    pub(super) async fn accept(&self) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                // As many descriptors are open as may be: later there may be one.
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }
}

/// A folder by its descriptor, and a path that is short while that is open: the path of a socket may have no more than 107
/// bytes.
pub(super) fn by_descriptor(folder: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let opened = open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    Ok((opened, short))
}

/// What is asked.
pub(super) async fn asked(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    let read = async {
        let mut byte = [0; 1];
        while line.len() < 64 && stream.read(&mut byte).await? == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        Ok(())
    };
    match tokio::time::timeout(ASK_WAIT, read).await {
        Ok(read) => read.map(|()| String::from_utf8_lossy(&line).into_owned()),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

pub(super) async fn answer(stream: &mut UnixStream, report: &Report) -> io::Result<()> {
    let mut text = serde_json::to_string(report)?;
    text.push('\n');
    match tokio::time::timeout(ASK_WAIT, stream.write_all(text.as_bytes())).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
