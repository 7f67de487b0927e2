//! How the folders are named, and the files beside them.

/// How the name of a server's folder begins.
pub(super) const PREFIX: &str = "omni-";

/// Bytes of chance in it; twice as many digits.
pub(super) const RANDOM_BYTES: usize = 6;

/// Held locked by the server as long as it lives.
pub(super) const LOCK: &str = "lock";

/// Ends the name of the file that says that a process's files are to stay.
pub(super) const KEEP: &str = ".keep";
