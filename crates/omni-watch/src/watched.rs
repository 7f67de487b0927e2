//! How is a tree watched, and why not by events?

use std::fmt;
use std::path::PathBuf;

/// Why a tree is looked at every so often, instead of when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// This user watches as many folders as the system lets it.
    WatchLimit,
    /// This user has as many queues of events as the system lets it, or this process as many files open.
    QueueLimit,
    /// The tree lies on a file system of this kind, where changes are made that the kernel does not see.
    FileSystem(&'static str),
    /// The kernel refuses, for this reason.
    Refused(String),
    /// That is what was asked for.
    Wanted,
}

impl fmt::Display for Why {
    /// What is the matter, as a fragment of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::WatchLimit => f.write_str("the limit on watched folders is reached (`fs.inotify.max_user_watches`)"),
            Why::QueueLimit => f.write_str(
                "the limit on processes that watch folders, or on open files, is reached (`fs.inotify.max_user_instances`)",
            ),
            Why::FileSystem(name) => write!(f, "the folder lies on {name}, where others make changes that are not told of"),
            Why::Refused(error) => write!(f, "the kernel watches nothing here ({error})"),
            Why::Wanted => f.write_str("that is how it is set"),
        }
    }
}

/// How a tree is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub path: PathBuf,
    /// `None` where the kernel tells of every change.
    pub why_not: Option<Why>,
}
