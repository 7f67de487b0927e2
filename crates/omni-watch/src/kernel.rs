//! What does the kernel tell of the folders that it watches? (inotify, without `unsafe`.)

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// What is told of a folder: all that changes what is in it, and nothing of what is only read. A look opens and reads
/// every file; told of that, it would set off the next look.
fn wanted() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::MODIFY
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
        | WatchFlags::EXCL_UNLINK
}

/// Events are read in portions of so many bytes: some hundred.
const READ_BYTES: usize = 32 << 10;

/// A queue of the kernel's, and the folders it watches. Dropping it ends all watches.
pub(crate) struct Kernel {
    queue: OwnedFd,
}

/// A watch, as the kernel numbers it. One folder has one, by whatever path it is reached.
pub(crate) type WatchId = i32;

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A file or folder in a watched folder came, went or was written to. `entry_changed` where it is not its content
    /// alone that differs: it came, went, or its permissions changed.
    Inside { watch: WatchId, name: &'a OsStr, is_folder: bool, entry_changed: bool },
    /// The watched folder itself went elsewhere, is no more, or may be read by others than before.
    Itself { watch: WatchId },
    /// The kernel does not watch this folder any more.
    Ended { watch: WatchId },
    /// There were more events than the kernel keeps.
    Overflow,
}

impl Kernel {
    /// # Errors
    ///
    /// `EMFILE` where this user, or this process, has as many as it may have; `ENOSYS` where the kernel has none.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Kernel { queue: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)? })
    }

    /// Watches a folder, through links. One that is watched already keeps its number.
    ///
    /// # Errors
    ///
    /// `ENOSPC` where this user watches as many folders as it may; `ENOENT`, `ENOTDIR`, `EACCES`.
    pub(crate) fn watch(&self, folder: &Path) -> Result<WatchId, Errno> {
        inotify::add_watch(&self.queue, folder, wanted())
    }

    /// One that has ended by itself is no error: the folder is no more.
    pub(crate) fn unwatch(&self, watch: WatchId) {
        let _ = inotify::remove_watch(&self.queue, watch);
    }

    /// Reads all there are now.
    ///
    /// # Errors
    ///
    /// When the queue cannot be read, which has no known reason.
    pub(crate) fn read(&self, mut each: impl FnMut(Event<'_>)) -> io::Result<()> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let flags = event.events();
                    let watch = event.wd();
                    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                        each(Event::Overflow);
                    } else if flags.contains(ReadFlags::IGNORED) {
                        each(Event::Ended { watch });
                    } else if let Some(name) = event.file_name() {
                        let entry = ReadFlags::CREATE
                            | ReadFlags::DELETE
                            | ReadFlags::MOVED_FROM
                            | ReadFlags::MOVED_TO
                            | ReadFlags::ATTRIB;
                        each(Event::Inside {
                            watch,
                            name: OsStr::from_bytes(name.to_bytes()),
                            is_folder: flags.contains(ReadFlags::ISDIR),
                            entry_changed: flags.intersects(entry),
                        });
                    } else {
                        each(Event::Itself { watch });
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Kernel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
