//! How many files a process may have open: the server as many as it can, its tools as many as they always could.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft limit that was in force before it was raised.
static ORDINARY: OnceLock<u64> = OnceLock::new();

/// Raises this process's soft limit on open files to the hard one, for its connections, and returns that. Every
/// process that is started from now on gets the old limit back: what uses `select` breaks beyond 1,024, and what
/// closes all possible descriptors takes long.
///
/// # Errors
/// The system refuses. The old limit is in force then.
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Some(current) = current.filter(|current| maximum.is_none_or(|maximum| *current < maximum)) {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        ORDINARY.get_or_init(|| current);
    }
    Ok(maximum)
}

/// The soft limit that processes of ours are to have, where it is not the one of this process.
pub(super) fn ordinary() -> Option<u64> {
    ORDINARY.get().copied()
}
