//! The words and variables by which a launched process is told what to become.

use std::io;

/// The variable in which Python finds the number of its control channel.
pub(crate) const CONTROL_FD: &str = "OMNI_CONTROL_FD";

/// The variable in which a fork parent finds the number of the descriptor that this program is open at.
pub(crate) const LAUNCHER_FD: &str = "OMNI_LAUNCHER_FD";

/// The word after `__launch` for a program that has no control channel.
pub(crate) const RUN: &str = "run";

/// Above the numbers that tools use for plumbing (`exec 3>…` in a shell).
pub(super) const CONTROL_FD_MIN: i32 = 64;

/// The word that has orphans below the process become its children: a daemon that a tool leaves is seen by its worker.
pub(crate) const ADOPT: &str = "adopt";

/// The word after which no program that the process starts can gain rights: set-user-id programs and the like run as
/// whoever starts them.
pub(crate) const NO_NEW_PRIVILEGES: &str = "no-new-privileges";

/// The word that has the program run in a process-id namespace of its own.
pub(crate) const ISOLATE: &str = "isolate";

/// The same for a program whose children are to outlive it.
pub(crate) const ISOLATE_ALL: &str = "isolate-all";

/// The word after `__launch` for what ends well if a process-id namespace is what it should be.
pub(crate) const PROBE: &str = "probe";

pub(super) fn usage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "usage: __launch SERVER_PID PROGRAM [ARG…]")
}
