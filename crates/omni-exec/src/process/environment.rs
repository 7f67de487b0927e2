//! Which environment variables a child sees: a short list, so that no secret of the server reaches a tool by
//! accident.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

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
    if let Some(environment) = &config.environment {
        variables.retain(|(name, _)| name != "PATH" && name != "VIRTUAL_ENV");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(environment.join("bin")).chain(std::env::split_paths(&path));
        variables.push(("PATH".into(), std::env::join_paths(folders).unwrap_or(path)));
        variables.push(("VIRTUAL_ENV".into(), environment.into()));
    }
    variables
}

/// Passed on to installers besides: where packages come from and how they are reached.
const FOR_INSTALLERS: [&str; 12] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NETRC",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
];

/// Of the installers' own variables, those that would lead them to another environment or Python than ours.
const MISLEADING: [&str; 12] = [
    "PIP_PREFIX",
    "PIP_PYTHON",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
    "UV_WORKING_DIR",
];

/// What an installer gets besides that, or instead.
pub(super) fn for_installers(config: &ExecConfig) -> Vec<(OsString, OsString)> {
    let wanted = |name: &str| {
        FOR_INSTALLERS.contains(&name.to_ascii_uppercase().as_str())
            || ((name.starts_with("UV_") || name.starts_with("PIP_")) && !MISLEADING.contains(&name))
    };
    let own = [
        // What tools import is nothing to an installer.
        ("PYTHONPATH", ""),
        ("VIRTUAL_ENV", ""),
        ("NO_COLOR", "1"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("UV_NO_PROGRESS", "1"),
        // A server does not fetch interpreters from the network unless its user says so.
        ("UV_PYTHON_DOWNLOADS", "never"),
    ];
    let own = own.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let passed = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(wanted));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = ("PATH".into(), search_path(&path, &config.interpreter.path));
    own.chain(passed).chain([path]).collect()
}

/// Where an installer finds programs and interpreters: `PATH`, and those that are installed beside ours.
///
/// The scripts of version managers are left out. They stand for interpreters that are not in use, and fail.
fn search_path(path: &OsStr, interpreter: &Path) -> OsString {
    let is_shims = |folder: &PathBuf| folder.file_name().is_some_and(|name| name == "shims");
    let folders = std::env::split_paths(path).filter(|folder| !is_shims(folder));
    // `…/versions/3.11.7/bin/python`: its siblings are beneath `…/versions`.
    let versions = interpreter.ancestors().nth(3).filter(|versions| versions.parent().is_some());
    let mut siblings: Vec<PathBuf> = versions
        .and_then(|versions| std::fs::read_dir(versions).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("python3").exists())
        .collect();
    siblings.sort();
    std::env::join_paths(folders.chain(siblings)).unwrap_or_else(|_| path.to_owned())
}

fn allowed(name: Option<&str>, config: &ExecConfig) -> bool {
    name.is_some_and(|name| {
        ALLOWED.contains(&name)
            || name.starts_with("LC_")
            || config.env_allowed.iter().any(|allowed| allowed == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installers_find_the_interpreters_beside_ours_and_no_shims() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for version in ["3.11.7", "3.12.1"] {
            let bin = dir.path().join("versions").join(version).join("bin");
            std::fs::create_dir_all(&bin).expect("a folder");
            std::fs::write(bin.join("python3"), "").expect("a file");
        }
        let ours = dir.path().join("versions/3.11.7/bin/python3");
        let found = search_path(OsStr::new("/usr/bin:/home/x/.pyenv/shims"), &ours);
        let found: Vec<PathBuf> = std::env::split_paths(&found).collect();
        let bin = |version: &str| dir.path().join("versions").join(version).join("bin");
        assert_eq!(found, ["/usr/bin".into(), bin("3.11.7"), bin("3.12.1")]);
        assert_eq!(search_path(OsStr::new("/bin"), Path::new("/usr/bin/python3")), "/bin");
    }
}
