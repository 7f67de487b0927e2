//! Why there is no environment, in words for people.

use std::io;
use std::path::Path;

use omni_process::StartError;

/// Why there is no environment.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EnvironmentError {
    /// What happened, and to which environment.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// What the installer said, without passwords, where one failed.
    pub output: Option<String>,
    /// The server is stopping: nobody's fault, and no reason to wait before it is tried again.
    pub closing: bool,
}

impl EnvironmentError {
    pub(crate) fn new(message: String, hint: impl Into<String>) -> Self {
        EnvironmentError { message, hint: hint.into(), output: None, closing: false }
    }

    /// A file or folder cannot be read or written.
    pub(crate) fn unusable(path: &Path, error: &io::Error) -> Self {
        let message = format!("`{}` cannot be used for an environment: {error}", path.display());
        EnvironmentError::new(message, "make it writable, or name another place with `--cache-dir`")
    }

    /// The server is stopping.
    pub(crate) fn closing() -> Self {
        EnvironmentError { closing: true, ..EnvironmentError::new(String::new(), "") }
    }

    /// The task that makes an environment ended without a word: a panic of ours.
    pub(crate) fn abandoned() -> Self {
        let message = "making its environment stopped without an error".to_owned();
        EnvironmentError::new(message, "this is a bug of omni; its log says more")
    }
}

impl From<StartError> for EnvironmentError {
    fn from(error: StartError) -> Self {
        let closing = matches!(error, StartError::Closing);
        EnvironmentError { closing, ..EnvironmentError::new(error.to_string(), error.hint()) }
    }
}
