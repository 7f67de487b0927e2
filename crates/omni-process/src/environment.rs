//! Which environment variables a child sees: a short list, so that no secret of the server reaches a tool by
//! accident.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::ProcessConfig;

/// Passed on when the server has them; `LC_…` too.
const ALLOWED: [&str; 6] = ["PATH", "HOME", "LANG", "TMPDIR", "TZ", "VIRTUAL_ENV"];

/// The variable that marks every process of one server, its tools' children included: see
/// [`orphans`](crate::orphans).
pub(crate) const MARK: &str = "OMNI_WORKER";

/// The variables for a child, without its mark.
pub(crate) fn inherited(config: &ProcessConfig) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| allowed(name.to_str(), config)).collect();
    let folders = path_folders();
    let path = std::env::join_paths(config.programs.iter().chain(&folders))
        .or_else(|_| std::env::join_paths(&folders))
        .unwrap_or_else(|_| USUAL_PATH.join(":").into());
    variables.retain(|(name, _)| name != "PATH" && config.env.iter().all(|(own, _)| own != name));
    variables.push(("PATH".into(), path));
    variables.extend(config.env.iter().cloned());
    variables
}

/// The folders of `PATH` that are the same wherever a program is started. `.` or nothing between two colons is the
/// working folder, where whoever wrote the project may have put a `python3` or a `git`.
///
/// Where the variable is unset or empty, or names no such folder, they are the usual ones.
pub fn path_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    if folders.is_empty() { USUAL_PATH.map(PathBuf::from).to_vec() } else { folders }
}

/// Where programs are when nobody says.
const USUAL_PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

fn allowed(name: Option<&str>, config: &ProcessConfig) -> bool {
    name.is_some_and(|name| {
        ALLOWED.contains(&name)
            || name.starts_with("LC_")
            || config.env_allowed.iter().any(|allowed| allowed == name)
    })
}
