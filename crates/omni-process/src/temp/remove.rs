//! How a tree of files is removed that somebody hostile may have made: of any depth and width, with folders that cannot
//! be entered, and with links that lead elsewhere.
//!
//! No link is followed, neither memory nor descriptors grow with the tree: a folder within a folder is first moved up to
//! the top, so that two are open at a time, and names are read some at a time.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, chmodat, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Names that are read before any is removed.
const BATCH: usize = 512;

/// Removes a folder and all that is in it. A link in its place is removed itself.
pub(super) fn remove_tree(at: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let folder = match open_folder(at, path) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(unlinkat(at, path, AtFlags::empty())?),
        Err(error) => return Err(error.into()),
    };
    empty(folder.as_fd())?;
    Ok(unlinkat(at, path, AtFlags::REMOVEDIR)?)
}

/// Removes all that is in a folder.
fn empty(top: BorrowedFd<'_>) -> io::Result<()> {
    let mut moved = 0;
    loop {
        let names = c_names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        let mut failed = None;
        let count = names.len();
        let removed = names.iter().filter(|name| match remove(top, name, &mut moved) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        // With one removed the next look is at others; what cannot be removed is all that is left at last.
        if removed.count() == 0
            && let Some(error) = failed
        {
            return Err(io::Error::new(
                io::Error::from(error).kind(),
                format!("{count} entries cannot be removed: {error}"),
            ));
        }
    }
}

/// Removes one entry of `top`. Folders in it come to `top` instead, to be removed in their turn.
fn remove(top: BorrowedFd<'_>, name: &CString, moved: &mut u64) -> Result<(), Errno> {
    match unlinkat(top, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error),
    }
    let folder = open_folder(top, name)?;
    loop {
        let names = c_names(folder.as_fd())?;
        if names.is_empty() {
            break;
        }
        let mut failed = None;
        let mut removed = 0;
        for name in &names {
            let gone = match unlinkat(&folder, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => move_up(folder.as_fd(), name, top, moved),
                Err(Errno::NOENT) => Ok(()),
                gone => gone,
            };
            match gone {
                Ok(()) => removed += 1,
                Err(error) => failed = Some(error),
            }
        }
        if removed == 0
            && let Some(error) = failed
        {
            return Err(error);
        }
    }
    unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// Moves a folder to `top`, under a name that is free there.
fn move_up(
    folder: BorrowedFd<'_>,
    name: &CString,
    top: BorrowedFd<'_>,
    moved: &mut u64,
) -> Result<(), Errno> {
    loop {
        *moved += 1;
        let free = format!(".omni-{moved}");
        match renameat(folder, name, top, &free) {
            // Taken: by a file, or by a folder that is not empty.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            Err(Errno::ACCESS) => {
                // A folder that may not be written to cannot get another parent either.
                chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
                return renameat(folder, name, top, &free);
            }
            renamed => return renamed,
        }
    }
}

/// Opens a folder, which is no link, and has it be one that its owner may empty.
pub(super) fn open_folder(at: BorrowedFd<'_>, path: impl rustix::path::Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(at, path, flags, Mode::empty());
    let folder = match open() {
        Err(Errno::ACCESS) => {
            chmodat(at, path, Mode::RWXU, AtFlags::empty())?;
            open()?
        }
        opened => opened?,
    };
    // Another user's cannot be changed, nor emptied.
    let _ = fchmod(&folder, Mode::RWXU);
    Ok(folder)
}

/// Some of the names in a folder, all of them when there are not many.
pub(super) fn names(folder: BorrowedFd<'_>) -> Result<Vec<OsString>, Errno> {
    Ok(c_names(folder)?.into_iter().map(|name| OsString::from_vec(name.into_bytes())).collect())
}

fn c_names(folder: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    // Opens it anew, so each look begins at its start.
    let entries = Dir::read_from(folder)?;
    let names = entries.filter_map(|entry| {
        let name = match entry {
            Ok(entry) => entry.file_name().to_owned(),
            Err(error) => return Some(Err(error)),
        };
        (!matches!(name.as_bytes(), b"." | b"..")).then_some(Ok(name))
    });
    names.take(BATCH).collect()
}
