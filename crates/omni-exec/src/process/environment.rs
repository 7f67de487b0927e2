//! Which environment variables a child sees: a short list, so that no secret of the server reaches a tool by
//! accident.

use std::ffi::OsString;

use crate::ExecConfig;

/// Passed on when the server has them; `LC_…` too.
const ALLOWED: [&str; 6] = ["PATH", "HOME", "LANG", "TMPDIR", "TZ", "VIRTUAL_ENV"];

/// The variable that marks every process of one server, its tools' children included: see
/// [`sweep`](super::sweep).
pub(super) const MARK: &str = "OMNI_WORKER";

/// The variables for a child, without its mark.
pub(super) fn inherited(config: &ExecConfig) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| allowed(name.to_str(), config)).collect();
    variables.push(("PYTHONPATH".into(), config.package_dir.clone().into_os_string()));
    variables
}

fn allowed(name: Option<&str>, config: &ExecConfig) -> bool {
    name.is_some_and(|name| {
        ALLOWED.contains(&name)
            || name.starts_with("LC_")
            || config.env_allowed.iter().any(|allowed| allowed == name)
    })
}
