//! What runs as omni or is obeyed by it, so that no tool which writes files may write there.
//!
//! The server tells each of its processes with the first frame; the Python package refuses
//! (`omni.protected`). What a tool's own code does is not held up by this.

use std::path::{Path, PathBuf};

use omni_exec::Protected;

use crate::python::Python;
use crate::user_dirs::UserDirs;

/// The name of a settings file.
pub(crate) const SETTINGS: &str = "omni.toml";
/// The folder of skills that is served without being named.
const SKILLS: &str = "skills";

/// The folders and files from which omni takes what it runs and obeys.
pub(crate) struct ProtectedPlaces<'a> {
    pub(crate) home: &'a UserDirs,
    /// The working folder.
    pub(crate) here: &'a Path,
    pub(crate) root: &'a Path,
    pub(crate) cache: &'a Path,
    /// The folders of skills, but for one that lies in the cache.
    pub(crate) skills: &'a [PathBuf],
    /// The user, or a settings file, has named those folders.
    pub(crate) skills_named: bool,
    /// The settings file that the user has named.
    pub(crate) config: Option<&'a Path>,
}

impl ProtectedPlaces<'_> {
    /// All of it, real paths, the folder of skills first.
    pub(crate) fn protected(&self) -> Vec<Protected> {
        let mut list = List::default();
        for skills in self.skills {
            list.add(skills, "the folder of skills that omni serves");
        }
        for folder in [self.here, self.root] {
            list.add(&folder.join(SETTINGS), "the settings file that omni reads when it starts there");
            if !self.skills_named {
                list.add(&folder.join(SKILLS), "the folder of skills that omni serves when it starts there");
            }
        }
        if let Some(config) = self.config {
            list.add(config, "the settings file in force");
        }
        list.add(&self.home.config, "omni's configuration");
        list.add(self.cache, "omni's cache, which holds code that it runs");
        list.add(&self.home.state, "omni's state");
        list.0.push(secret(&self.home.state.join("session.key"), "the key of omni's sessions"));
        for path in self.home.of_installers() {
            list.add(&path, "what the installer of packages obeys or installs from");
        }
        if let Ok(binary) = std::env::current_exe() {
            list.add(&binary, "omni itself");
        }
        list.0
    }
}

/// The interpreter in use with what it runs code from, and the program that installs packages.
pub(crate) fn of_python(python: &Python, uv: Option<&Path>) -> Vec<Protected> {
    let mut list = List::default();
    list.add(&python.executable, "the Python that runs the tools");
    // A virtual environment's is a link; the link is protected as well as what it leads to.
    list.add_link(&python.executable, "the Python that runs the tools");
    if let Some(command) = &python.command {
        list.add(command, "the program that starts the Python of the tools");
        list.add_link(command, "the program that starts the Python of the tools");
        // A version manager's script starts more scripts, beside its folder.
        if let Some(shims) = command.parent().filter(|folder| folder.ends_with("shims")) {
            for name in ["bin", "lib", "libexec", "plugins", "pyenv.d"] {
                let part = shims.with_file_name(name);
                list.add(&part, "part of the version manager that starts the Python of the tools");
            }
        }
    }
    for folder in &python.folders {
        list.add(folder, "part of the Python that runs the tools");
    }
    if let Some(uv) = uv {
        list.add(uv, "the program that installs packages");
    }
    list.0
}

/// A file that no tool of ours may read either.
pub(crate) fn secret(path: &Path, what: &str) -> Protected {
    Protected { path: real(path), what: what.to_owned(), secret: true }
}

#[derive(Default)]
struct List(Vec<Protected>);

impl List {
    fn add(&mut self, path: &Path, what: &str) {
        self.push(real(path), what);
    }

    /// The place itself, whatever is there: only the folder it is in has its links resolved.
    fn add_link(&mut self, path: &Path, what: &str) {
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            self.push(real(folder).join(name), what);
        }
    }

    fn push(&mut self, path: PathBuf, what: &str) {
        if !self.0.iter().any(|known| known.path == path) {
            self.0.push(Protected { path, what: what.to_owned(), secret: false });
        }
    }
}

/// The path with all links resolved, also where its last names are not there yet.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        if let Ok(real) = above.canonicalize() {
            // Joined with nothing a path would end in a slash.
            let rest = path.strip_prefix(above).ok().filter(|rest| !rest.as_os_str().is_empty());
            return rest.map_or_else(|| real.clone(), |rest| real.join(rest));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_path_is_the_real_one_also_when_it_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().canonicalize().unwrap();
        fs::create_dir(here.join("real")).unwrap();
        std::os::unix::fs::symlink(here.join("real"), here.join("link")).unwrap();
        assert_eq!(real(&here.join("link")).as_os_str(), here.join("real").as_os_str());
        assert_eq!(real(&here.join("link/a/b")), here.join("real/a/b"));
        let python = Python::at(here.join("link/python3"), "3.11.7".into());
        std::os::unix::fs::symlink("/bin/sh", here.join("real/python3")).unwrap();
        let list = of_python(&python, None);
        let paths: Vec<&Path> = list.iter().map(|one| &*one.path).collect();
        assert_eq!(paths, [&*Path::new("/bin/sh").canonicalize().unwrap(), &here.join("real/python3")]);
    }
}
