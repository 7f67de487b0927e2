//! Which environment variables an installer sees: how the network is reached and where packages come from, and no secret
//! that has nothing to do with either.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use omni_process::path_folders;

/// Passed on to installers besides: how the network is reached, and where they keep and look for their own settings.
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

/// Of pip's own variables (`PIP_…`), those that say where packages come from, which, and how they are reached. Left out
/// are those that lead to another environment than ours, and all that we do not know.
const FOR_PIP: [&str; 22] = [
    "BUILD_CONSTRAINT",
    "CACHE_DIR",
    "CERT",
    "CLIENT_CERT",
    "CONFIG_FILE",
    "CONSTRAINT",
    "DEFAULT_TIMEOUT",
    "EXTRA_INDEX_URL",
    "FIND_LINKS",
    "INDEX_URL",
    "KEYRING_PROVIDER",
    "NO_BINARY",
    "NO_CACHE_DIR",
    "NO_INDEX",
    "ONLY_BINARY",
    "PRE",
    "PREFER_BINARY",
    "PROXY",
    "REQUIRE_HASHES",
    "RETRIES",
    "TIMEOUT",
    "TRUSTED_HOST",
];

/// The same of uv's (`UV_…`), and whether and where it may find or fetch interpreters. Its tokens to publish packages
/// with are none of them.
const FOR_UV: [&str; 39] = [
    "BUILD_CONSTRAINT",
    "CACHE_DIR",
    "COMPILE_BYTECODE",
    "CONCURRENT_BUILDS",
    "CONCURRENT_DOWNLOADS",
    "CONCURRENT_INSTALLS",
    "CONFIG_FILE",
    "CONSTRAINT",
    "CREDENTIALS_DIR",
    "DEFAULT_INDEX",
    "EXCLUDE_NEWER",
    "EXTRA_INDEX_URL",
    "FIND_LINKS",
    "HTTP_RETRIES",
    "HTTP_TIMEOUT",
    "INDEX",
    "INDEX_STRATEGY",
    "INDEX_URL",
    "INSECURE_HOST",
    "KEYRING_PROVIDER",
    "LINK_MODE",
    "MANAGED_PYTHON",
    "NATIVE_TLS",
    "NO_BINARY",
    "NO_BUILD",
    "NO_CACHE",
    "NO_CONFIG",
    "NO_INDEX",
    "NO_MANAGED_PYTHON",
    "OFFLINE",
    "OVERRIDE",
    "PRERELEASE",
    "PYTHON_DOWNLOADS",
    "PYTHON_INSTALL_DIR",
    "PYTHON_INSTALL_MIRROR",
    "PYTHON_PREFERENCE",
    "REQUIRE_HASHES",
    "RESOLUTION",
    "SYSTEM_CERTS",
];

/// Whether an installer may have this variable.
fn for_installer(name: &str) -> bool {
    // Name and password for one of its indexes: `UV_INDEX_<NAME>_PASSWORD`.
    let index = name.strip_prefix("UV_INDEX_");
    FOR_INSTALLERS.contains(&name.to_ascii_uppercase().as_str())
        || name.strip_prefix("PIP_").is_some_and(|name| FOR_PIP.contains(&name))
        || name.strip_prefix("UV_").is_some_and(|name| FOR_UV.contains(&name))
        || index.is_some_and(|index| index.ends_with("_USERNAME") || index.ends_with("_PASSWORD"))
}

/// What an installer gets besides that, or instead.
pub(crate) fn of_installers(interpreter: &Path) -> Vec<(OsString, OsString)> {
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
    let passed = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(for_installer));
    let path = ("PATH".into(), search_path(path_folders(), interpreter));
    own.chain(passed).chain([path]).collect()
}

/// Where an installer finds programs and interpreters: `PATH`, and those that are installed beside ours.
///
/// The scripts of version managers are left out. They stand for interpreters that are not in use, and fail.
fn search_path(path: Vec<PathBuf>, interpreter: &Path) -> OsString {
    let is_shims = |folder: &PathBuf| folder.file_name().is_some_and(|name| name == "shims");
    let folders: Vec<PathBuf> = path.into_iter().filter(|folder| !is_shims(folder)).collect();
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
    let all = std::env::join_paths(folders.iter().chain(&siblings));
    all.or_else(|_| std::env::join_paths(&folders)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installers_get_what_leads_to_packages_and_no_other_secret() {
        for passed in [
            "https_proxy",
            "NETRC",
            "PIP_INDEX_URL",
            "UV_DEFAULT_INDEX",
            "UV_INDEX_CORP_PASSWORD",
            "UV_CONFIG_FILE",
        ] {
            assert!(for_installer(passed), "{passed}");
        }
        for kept in [
            "AWS_SECRET_ACCESS_KEY",
            "ANTHROPIC_API_KEY",
            "GITHUB_TOKEN",
            "UV_PUBLISH_TOKEN",
            "UV_PUBLISH_PASSWORD",
            "UV_GITHUB_TOKEN",
            "UV_PROJECT",
            "UV_PYTHON",
            "PIP_TARGET",
            "PIP_PYTHON",
            "PIP_REQUIREMENT",
            "PIP_EDITABLE",
            "TWINE_PASSWORD",
            "LD_PRELOAD",
            "PYTHONSTARTUP",
        ] {
            assert!(!for_installer(kept), "{kept}");
        }
    }

    #[test]
    fn installers_find_the_interpreters_beside_ours_and_no_shims() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for version in ["3.11.7", "3.12.1"] {
            let bin = dir.path().join("versions").join(version).join("bin");
            std::fs::create_dir_all(&bin).expect("a folder");
            std::fs::write(bin.join("python3"), "").expect("a file");
        }
        let ours = dir.path().join("versions/3.11.7/bin/python3");
        let found = search_path(vec!["/usr/bin".into(), "/home/x/.pyenv/shims".into()], &ours);
        let found: Vec<PathBuf> = std::env::split_paths(&found).collect();
        let bin = |version: &str| dir.path().join("versions").join(version).join("bin");
        assert_eq!(found, ["/usr/bin".into(), bin("3.11.7"), bin("3.12.1")]);
        assert_eq!(search_path(vec!["/bin".into()], Path::new("/usr/bin/python3")), "/bin");
    }
}
