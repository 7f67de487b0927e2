//! A Unix socket to listen on: where it may lie, what may be there already, and that it goes with its server.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use omni_call::shown_path;
use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, open};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::UnixListener;

use super::occupant::Occupant;
use crate::private;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// The longest path of a socket, in bytes: `sun_path` of unix(7) has one more, for the zero at its end.
const PATH_BYTES_MAX: usize = 107;

/// How long another omni may take that makes, or removes, a socket in the same folder.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Who may connect, as far as the file's permissions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketReach {
    /// This user, and root: 0600.
    User,
    /// Everybody who may enter the folder: 0666. For who is asked whose each connection is.
    Everybody,
}

/// A socket's file, removed when this is dropped, if it is still the one that was made.
#[derive(Debug)]
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

/// Listens on a Unix socket that has its permissions from its first moment on. A file that a server left behind is
/// replaced; one that somebody listens on, and one that is no socket, is not. `written` says how the path was given. Needs a
/// tokio runtime.
///
/// # Errors
///
/// The path can be no socket's, others could put another socket there, something is there, or the system refuses.
pub(crate) fn unix(path: &Path, reach: SocketReach, written: &str) -> Result<(UnixListener, SocketFile)> {
    let path = &checked(path, written)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    private::check_folder_of_socket(folder).with_context(|| written.to_owned())?;
    // Two that find the same file left behind, one after the other, must not remove what the first of them has made.
    let lock = Lock::of(folder);
    let free = make_way(path)?;
    let listener = match free {
        Way::Free => bound(path, reach).with_context(|| format!("{written}: omni cannot listen there"))?,
        Way::Taken(stream) => {
            // To ask who it is can take a second.
            drop(lock);
            let shown = shown_path(path);
            let by =
                Occupant::of_unix(stream).map_or_else(|| "another process".to_owned(), |by| by.to_string());
            bail!("{by} listens on `{shown}`; stop it, or name another path with `--unix`");
        }
    };
    drop(lock);
    listener.set_nonblocking(true)?;
    let file = SocketFile::of(path.clone());
    Ok((UnixListener::from_std(listener)?, file))
}

/// The absolute path, if it can be a socket's.
fn checked(path: &Path, written: &str) -> Result<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.first() == Some(&b'@') || bytes.first() == Some(&0) {
        bail!(
            "{written}: a socket in the abstract namespace is open to every program of this machine; name a file, and one \
             whose name begins with `@` as `./@…`"
        );
    }
    if bytes.is_empty() || bytes.ends_with(b"/") || path.file_name().is_none() {
        bail!("{written}: that is no path of a file");
    }
    let path = std::path::absolute(path).with_context(|| written.to_owned())?;
    let length = path.as_os_str().len();
    if length > PATH_BYTES_MAX {
        bail!(
            "{written}: `{}` has {length} bytes, and the path of a Unix socket has {PATH_BYTES_MAX} at most; name a shorter one",
            shown_path(&path)
        );
    }
    Ok(path)
}

/// Holds a folder against others who make a socket in it. Without a lock it goes on as well: anybody who can read a folder
/// can hold its lock for ever.
struct Lock {
    _folder: Option<File>,
}

impl Lock {
    fn of(folder: &Path) -> Lock {
        let Ok(opened) = File::open(folder) else { return Lock { _folder: None } };
        let until = Instant::now() + LOCK_PATIENCE;
        while flock(&opened, FlockOperation::NonBlockingLockExclusive).is_err() && Instant::now() < until {
            std::thread::sleep(LOCK_PAUSE);
        }
        Lock { _folder: Some(opened) }
    }
}

/// A socket with the permissions of its reach from its first moment on.
pub(crate) fn bound(path: &Path, reach: SocketReach) -> io::Result<StdListener> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Linux gives the file the mode of the socket, less the umask. A file that is made narrower afterwards was open to all
    // for a moment; one that is made wider is not.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    if reach == SocketReach::Everybody {
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    }
    listen(&socket, BACKLOG)?;
    Ok(StdListener::from(socket))
}

/// What is at a path.
enum Way {
    /// Nothing, or nothing any more.
    Free,
    /// A socket that somebody listens on, and a connection to it.
    Taken(StdStream),
}

fn make_way(path: &Path) -> Result<Way> {
    let shown = shown_path(path);
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Way::Free),
        Err(error) => return Err(error).with_context(|| format!("`{shown}` cannot be looked at")),
    };
    if !found.file_type().is_socket() {
        bail!("`{shown}` exists and is no socket; name another path with `--unix`");
    }
    match StdStream::connect(path) {
        Ok(stream) => Ok(Way::Taken(stream)),
        // Nobody listens: the process that made it has ended.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path)
                .with_context(|| format!("`{shown}` was left behind and cannot be removed"))?;
            Ok(Way::Free)
        }
        // Somebody listens: the queue of connections is full, or this user may not connect.
        Err(error) => Err(error).with_context(|| {
            format!("`{shown}` exists and whether somebody listens cannot be found out; name another path")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &Path) -> Result<(UnixListener, SocketFile), String> {
        unix(path, SocketReach::User, "`--unix x`").map_err(|error| format!("{error:#}"))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_for_its_user_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (listener, file) = opened(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        let again = opened(&path).unwrap_err();
        let process = format!("process {}", std::process::id());
        assert!(again.contains("listens on") && again.contains(&process), "{again}");
        drop(listener);
        // The file is left behind, as by a process that was killed.
        let (_listener, next) = opened(&path).unwrap();
        drop(file);
        assert!(path.exists(), "another one has taken the place");
        drop(next);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_for_others_is_open_to_all_who_enter_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let _both = unix(&path, SocketReach::Everybody, "`--unix x`").unwrap();
        assert_eq!(mode(&path), 0o666);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        fs::write(&path, "mine").unwrap();
        let refused = opened(&path).unwrap_err();
        assert!(refused.contains("notes.txt") && refused.contains("no socket"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        // Neither is what a link leads to.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        assert!(opened(&link).unwrap_err().contains("no socket"));
        assert!(opened(folder.path()).unwrap_err().contains("no socket"));
    }

    #[tokio::test]
    async fn a_path_that_can_be_no_socket_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(PATH_BYTES_MAX));
        let missing = folder.path().join("no/such/folder.sock");
        for (path, why) in [
            (Path::new("@name"), "abstract"),
            (Path::new("\0name"), "abstract"),
            (Path::new(""), "no path of a file"),
            (Path::new("/"), "no path of a file"),
            (Path::new("a/"), "no path of a file"),
            (Path::new("a/.."), "no path of a file"),
            (&long, "107 at most"),
            (&missing, "no/such` is not there"),
        ] {
            let refused = opened(path).unwrap_err();
            assert!(refused.contains(why) && refused.contains("--unix x"), "{path:?}: {refused}");
        }
        let exact = PATH_BYTES_MAX - folder.path().as_os_str().len() - 1;
        opened(&folder.path().join("x".repeat(exact))).unwrap();
    }

    #[tokio::test]
    async fn a_folder_in_which_others_could_exchange_the_socket_is_refused_and_a_sticky_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("shared");
        fs::create_dir(&shared).unwrap();
        // A group that is not this user's own, where the test may choose one.
        let has_group = rustix::fs::chown(&shared, None, Some(rustix::fs::Gid::from_raw(60_000))).is_ok();
        for (mode, refused) in [(0o777, true), (0o775, has_group), (0o1777, false), (0o755, false)] {
            fs::set_permissions(&shared, fs::Permissions::from_mode(mode)).unwrap();
            let got = opened(&shared.join("a.sock")).map(|_| ());
            assert_eq!(got.is_err(), refused, "{mode:o}: {got:?}");
            assert!(got.err().is_none_or(|why| why.contains("in the place of omni's")));
        }
    }

    #[tokio::test]
    async fn of_many_that_find_a_file_left_behind_one_listens_and_the_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        for _ in 0..3 {
            drop(StdListener::bind(&path).unwrap());
            let start = std::sync::Arc::new(std::sync::Barrier::new(4));
            let tries: Vec<_> = (0..4)
                .map(|_| {
                    let (path, start) = (path.clone(), start.clone());
                    tokio::task::spawn_blocking(move || {
                        start.wait();
                        opened(&path)
                    })
                })
                .collect();
            let mut listening = Vec::new();
            for tried in tries {
                listening.extend(tried.await.unwrap().ok());
            }
            assert_eq!(listening.len(), 1);
            StdStream::connect(&path).expect("the one that listens is the one that is there");
            drop(listening);
        }
    }
}
