//! The sockets that a runner listens on: a Unix socket for this user alone, or a port of 127.0.0.1.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::shown_path;
use omni_server::RunnerListener;
use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::{TcpListener, UnixListener};

use crate::http_access::{self, HttpTable};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// A socket's file, removed when this is dropped, if it is still the one that was made.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Held open: while it is, no other file gets its number, also after somebody has removed it.
    made: Option<File>,
}

impl SocketFile {
    pub(crate) fn of(path: PathBuf) -> Self {
        let made = open(&path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        SocketFile { path, made: made.ok().map(File::from) }
    }

    fn is_still_there(&self) -> bool {
        let made = self.made.as_ref().and_then(|file| file.metadata().ok());
        match (made, fs::symlink_metadata(&self.path)) {
            (Some(made), Ok(found)) => (made.dev(), made.ino()) == (found.dev(), found.ino()),
            _ => false,
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_still_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on a Unix socket that only this user may open (0600, from its first moment on). A file that a runner left
/// behind is replaced; one that somebody listens on, and one that is no socket, is not. Needs a tokio runtime.
pub(crate) fn unix(path: &Path) -> Result<(RunnerListener, SocketFile)> {
    let path = std::path::absolute(path)?;
    make_way(&path)?;
    let listener = bound(&path).with_context(|| format!("omni cannot listen on `{}`", shown_path(&path)))?;
    listener.set_nonblocking(true)?;
    let file = SocketFile::of(path);
    Ok((RunnerListener::Unix(UnixListener::from_std(listener)?), file))
}

/// A socket that only this user may open, from its first moment on.
pub(crate) fn bound(path: &Path) -> io::Result<StdListener> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Linux gives the file the mode of the socket. A file that is changed afterwards was open to all for a moment.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    Ok(StdListener::from(socket))
}

fn make_way(path: &Path) -> Result<()> {
    let shown = shown_path(path);
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("`{shown}` cannot be looked at")),
    };
    if !found.file_type().is_socket() {
        bail!("`{shown}` exists and is no socket; name another path with `--unix`");
    }
    match StdStream::connect(path) {
        Ok(_) => bail!("another process listens on `{shown}`; stop it, or name another path with `--unix`"),
        // Nobody listens: the process that made it has ended.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).with_context(|| format!("`{shown}` was left behind and cannot be removed"))
        }
        // Somebody listens: the queue of connections is full, or this user may not connect.
        Err(error) => Err(error).with_context(|| {
            format!("`{shown}` exists and whether somebody listens cannot be found out; name another path")
        }),
    }
}

/// Listens on a port of 127.0.0.1, for those whom `[http]` lets in; 0 takes a free one. Needs a tokio runtime.
pub(crate) fn loopback(port: u16, http: &HttpTable) -> Result<(RunnerListener, SocketAddr)> {
    let listener = match StdTcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bail!("port {port} of 127.0.0.1 is in use; take another one, or `--port 0` for a free one")
        }
        Err(error) => {
            return Err(error).with_context(|| format!("omni cannot listen on 127.0.0.1 port {port}"));
        }
    };
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let (access, open) = http_access::on_loopback(&[], http, address.ip())?;
    if let Some(open) = open {
        bail!("`--port {port}`: {open}; use `--unix PATH`, which only this user can open");
    }
    Ok((RunnerListener::Tcp(TcpListener::from_std(listener)?, access), address))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_its_user_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (listener, file) = unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = unix(&path).map(|_| ()).unwrap_err().to_string();
        assert!(again.contains("another process listens"), "{again}");
        drop(listener);
        // The file is left behind, as by a process that was killed.
        let (_listener, next) = unix(&path).unwrap();
        drop(file);
        assert!(path.exists(), "another one has taken the place");
        drop(next);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        fs::write(&path, "mine").unwrap();
        let refused = unix(&path).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("notes.txt") && refused.contains("no socket"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = unix(&folder.path().join("no/such/folder.sock")).map(|_| ()).unwrap_err();
        assert!(format!("{nowhere:#}").contains("no/such/folder.sock"), "{nowhere:#}");
    }
}
