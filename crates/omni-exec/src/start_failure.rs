//! Why a process did not become a worker, in words for whoever operates the server.

use omni_process::StartError;

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
        let (message, hint) = match &error {
            StartError::NoProgram { path } => (
                format!("there is no Python interpreter at `{path}`"),
                "name a Python of 3.9 or later with `--python PATH`",
            ),
            other => (other.to_string(), other.hint()),
        };
        let closing = matches!(error, StartError::Closing);
        StartFailure { message, hint: hint.to_owned(), stderr: None, closing }
    }
}
