//! How processes are started and bounded.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::TempFolders;

/// What every process of one set of [`ProcessTable`](crate::ProcessTable) gets.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// The program that is started as `<launcher> __launch …` and becomes the one that is wanted: see
    /// [`launch`](crate::launch). Usually our own binary.
    pub launcher: PathBuf,
    /// Working directory of every process that names no other.
    pub root: PathBuf,
    /// Names of environment variables passed on besides the usual ones (`PATH`, `HOME`, `LANG`, …). Default none.
    pub env_allowed: Vec<String>,
    /// Variables that every process gets, whatever they are in our own environment. Default none.
    pub env: Vec<(OsString, OsString)>,
    /// A folder whose programs come first in `PATH`. Default none.
    pub programs: Option<PathBuf>,
    /// What every process may take from the machine, each by itself. Default no limits.
    pub limits: ProcessLimits,
    /// What stands between these processes and all others. Default [`Isolation::None`].
    pub isolation: Isolation,
    /// Where processes get temporary folders of their own. Default: beneath `/tmp`.
    pub temp: TempFolders,
}

impl ProcessConfig {
    /// A configuration with the documented defaults.
    pub fn new(launcher: PathBuf, root: PathBuf) -> Self {
        ProcessConfig {
            launcher,
            root,
            env_allowed: Vec::new(),
            env: Vec::new(),
            programs: None,
            limits: ProcessLimits::default(),
            isolation: Isolation::default(),
            temp: TempFolders::below("/tmp".into()),
        }
    }
}

/// Limits that the kernel holds a process to; `None` is no limit of ours. What a process forks has the same limits,
/// each for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Private memory (`RLIMIT_DATA`), in bytes. What wants more gets a `MemoryError`.
    pub memory_bytes: Option<u64>,
    /// The highest number of open files (`RLIMIT_NOFILE`). Below 64 Python itself does not run.
    pub open_files: Option<u64>,
    /// The size of a file that is written (`RLIMIT_FSIZE`), in bytes. What would grow further gets an `OSError`.
    pub file_bytes: Option<u64>,
}

/// What surrounds a tool's processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// A process-id namespace where the machine allows it, else process groups, marks and death signals. In either case
    /// no program that a tool starts gains rights (`PR_SET_NO_NEW_PRIVS`).
    Auto,
    /// Process groups, marks and death signals. Programs that gain rights when they start, such as `sudo`, do.
    #[default]
    None,
}
