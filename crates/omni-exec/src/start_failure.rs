//! Why a process did not become a worker, in words for whoever operates the server.

use omni_process::StartError;
use rustix::io::Errno;

/// Why there is no worker.
#[derive(Clone, Debug)]
pub(crate) struct StartFailure {
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: String,
    pub(crate) stderr: Option<String>,
    /// The server is stopping: nobody's fault.
    pub(crate) closing: bool,
}

impl From<StartError> for StartFailure {
    fn from(error: StartError) -> Self {
        let hint = match &error {
            StartError::NoProgram { .. } => "name a Python of 3.9 or later with `--python PATH`",
            StartError::Launcher { source, .. } | StartError::System { source, .. }
                if [Errno::MFILE, Errno::NFILE]
                    .iter()
                    .any(|full| source.raw_os_error() == Some(full.raw_os_error())) =>
            {
                "more files must be allowed open (`ulimit -n`), or fewer workers be kept (`--workers`)"
            }
            StartError::Launcher { .. } => "was omni moved or replaced while it ran? Start it again",
            StartError::System { .. } => "`omni doctor` checks what omni needs of this machine",
            StartError::Closing => "start the server again",
        };
        StartFailure {
            message: match &error {
                StartError::NoProgram { path } => format!("there is no Python interpreter at `{path}`"),
                other => other.to_string(),
            },
            hint: hint.to_owned(),
            stderr: None,
            closing: matches!(error, StartError::Closing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_finds_no_descriptors_names_their_limit() {
        let failure = |errno: Errno| {
            StartFailure::from(StartError::Launcher { path: "omni".to_owned(), source: errno.into() }).hint
        };
        assert!(failure(Errno::MFILE).contains("ulimit -n"), "{}", failure(Errno::MFILE));
        assert!(failure(Errno::NOENT).contains("moved"), "{}", failure(Errno::NOENT));
    }
}
