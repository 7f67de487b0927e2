//! How a file of a skill is opened so that nothing outside the skill's folder is ever read.
//!
//! From a handle of the folder, in one step in which the kernel follows no link: there is no moment between looking at a
//! path and opening it in which somebody could put a link there (decision 0057).

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;
use thiserror::Error;

/// Why a file of a skill is not read. The text completes a sentence: "`…` cannot be read: ".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum OpenError {
    #[error("its path is none beneath the skill's folder")]
    BadPath,
    #[error("it is not there any more")]
    NotThere,
    #[error("it is, or lies behind, a symbolic link, and none is followed")]
    Link,
    #[error("it is {0}, and no ordinary file")]
    NotAFile(&'static str),
    #[error("the server may not read it")]
    Forbidden,
    #[error("{0}")]
    System(Errno),
}

/// A folder whose files are opened beneath it.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
    /// The kernel's own check is not asked for, as where there is none.
    step_by_step: bool,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    /// Bytes, at the moment of opening.
    pub(crate) size: u64,
}

/// How often an opening is tried again that the kernel could not judge, because somebody renamed a folder meanwhile.
const RACES_MAX: usize = 64;

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
/// A handle that opens nothing: to look at what might do something when it is opened, such as a tape drive.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
/// Opening a named pipe must not wait for its writer, nor a terminal become ours.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Root {
    /// A skill's folder. It may itself be a link, to a folder beneath the one that it lies in: the catalogue serves such a
    /// skill under both names.
    ///
    /// # Errors
    ///
    /// It is not there, or leads out.
    pub(crate) fn of_skill(dir: &Path) -> Result<Root, OpenError> {
        Root::of_skill_by(dir, false)
    }

    pub(crate) fn of_skill_by(dir: &Path, step_by_step: bool) -> Result<Root, OpenError> {
        let (Some(above), Some(name)) = (dir.parent(), dir.file_name()) else {
            return Err(OpenError::BadPath);
        };
        // Whoever named this path to the server may have put links into it.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(above, flags, Mode::empty()).map_err(plain)?;
        let skills = Root { folder, step_by_step };
        let folder = match skills.open(Path::new(name), FOLDER) {
            Err(OpenError::Link | OpenError::NotAFile(_)) => {
                let (above, real) = (above.canonicalize(), dir.canonicalize());
                let (Ok(above), Ok(real)) = (above, real) else { return Err(OpenError::NotThere) };
                // Opened step by step again, or by the kernel's rules, so what this says need not hold any more.
                let beneath = real.strip_prefix(above).map_err(|_| OpenError::Link)?;
                skills.open(beneath, FOLDER)?
            }
            opened => opened?,
        };
        Ok(Root { folder, step_by_step })
    }

    /// A folder beneath this one, by a path with `/`.
    ///
    /// # Errors
    ///
    /// It is not there, or is a link.
    pub(crate) fn folder(&self, path: &str) -> Result<Root, OpenError> {
        let folder = self.open(&checked(path)?, FOLDER)?;
        Ok(Root { folder, step_by_step: self.step_by_step })
    }

    /// Opens a regular file beneath the folder, by a path with `/`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub(crate) fn file(&self, path: &str) -> Result<OpenFile, OpenError> {
        let path = checked(path)?;
        regular(&self.open(&path, LOOK)?)?;
        let file = self.open(&path, READ)?;
        // Something else may be there by now.
        let size = regular(&file)?;
        Ok(OpenFile { file: File::from(file), size })
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, OpenError> {
        if self.step_by_step {
            return walk(self.folder.as_fd(), path, flags);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..RACES_MAX {
            match openat2(&self.folder, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // An old kernel, or a sandbox that knows no such call.
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
                    return walk(self.folder.as_fd(), path, flags);
                }
                // Out of the folder. With no link followed and no `..`, only a mount or a rename can do that.
                Err(Errno::XDEV) => return Err(OpenError::Link),
                opened => return opened.map_err(plain),
            }
        }
        walk(self.folder.as_fd(), path, flags)
    }
}

/// Opens a path component by component, and no link.
fn walk(from: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, OpenError> {
    let mut above: Option<OwnedFd> = None;
    let mut names = path.components().peekable();
    while let Some(component) = names.next() {
        let Component::Normal(name) = component else { return Err(OpenError::BadPath) };
        let from = above.as_ref().map_or_else(|| from.as_fd(), AsFd::as_fd);
        let flags = if names.peek().is_some() { FOLDER } else { flags };
        let opened = openat(from, name, flags, Mode::empty()).map_err(|error| match error {
            // What a link is here that was to be a folder.
            Errno::NOTDIR if is_link(from, name) => OpenError::Link,
            error => plain(error),
        })?;
        if names.peek().is_none() {
            return Ok(opened);
        }
        above = Some(opened);
    }
    Err(OpenError::BadPath)
}

fn is_link(folder: impl AsFd, name: &std::ffi::OsStr) -> bool {
    let looked = openat(folder, name, LOOK, Mode::empty()).and_then(fstat);
    looked.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// A path as a skill's files have it: relative, of plain names.
fn checked(path: &str) -> Result<PathBuf, OpenError> {
    let plain = |name: &str| !name.is_empty() && name != "." && name != "..";
    if path.split('/').all(plain) && !path.contains(['\\', '\0']) {
        Ok(PathBuf::from(path))
    } else {
        Err(OpenError::BadPath)
    }
}

/// The size of a regular file.
fn regular(file: &OwnedFd) -> Result<u64, OpenError> {
    let stat = fstat(file).map_err(plain)?;
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(u64::try_from(stat.st_size).unwrap_or_default()),
        FileType::Symlink => return Err(OpenError::Link),
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something unknown",
    };
    Err(OpenError::NotAFile(what))
}

fn plain(error: Errno) -> OpenError {
    match error {
        Errno::NOENT | Errno::NAMETOOLONG => OpenError::NotThere,
        Errno::NOTDIR => OpenError::NotAFile("below a file"),
        Errno::LOOP | Errno::MLINK => OpenError::Link,
        Errno::NXIO | Errno::NODEV => OpenError::NotAFile("a socket or device"),
        Errno::ACCESS => OpenError::Forbidden,
        error => OpenError::System(error),
    }
}

#[cfg(test)]
mod tests;
