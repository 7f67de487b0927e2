//! The command by which a client starts this very server again, in any folder: all settings that count are in it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::args::{Given, Transport};
use crate::settings::{Places, SkillsFolder};
use crate::variables;

/// Flags that only a server over HTTP obeys.
const OF_HTTP: [&str; 7] = ["host", "port", "unix", "allow-user", "allow-host", "allow-origin", "http-token"];

/// Flags whose values here are those of [`Places`], whoever gave them.
const OF_PLACES: [&str; 4] = ["skills", "root", "config", "transport"];

/// Flags that hold a path: a client starts the server in a folder of its own.
const PATHS: [&str; 2] = ["python", "cache-dir"];

/// How a client starts this server on standard input and output.
#[derive(Debug)]
pub(crate) struct StartCommand {
    /// What a shell would start: `omni` where that is this program, else its path.
    pub(super) program: OsString,
    /// For files, which clients read without a shell and perhaps with another `PATH`.
    pub(super) path: PathBuf,
    pub(super) given: Vec<Given>,
}

impl StartCommand {
    /// The server that `places` and `given` make. `transport` is what the settings file says.
    pub(crate) fn of(places: &Places, given: &[Given], transport: Option<Transport>) -> StartCommand {
        let mut all = Vec::new();
        // In a variable a colon would split one path in two.
        let has_colon = |folder: &SkillsFolder| folder.named().as_os_str().as_encoded_bytes().contains(&b':');
        let by_flags = places.folders().iter().any(has_colon);
        let mut add = |flag: &str, value: OsString| {
            let variable = Some(format!("OMNI_{}", flag.to_uppercase()));
            let variable = variable.filter(|_| flag != "skills" || !by_flags);
            all.push(Given { flag: flag.to_owned(), variable, value });
        };
        for folder in places.folders() {
            add("skills", folder.named().into());
        }
        add("root", places.root.clone().into());
        if let Some(config) = places.settings_status.config() {
            add("config", config.as_os_str().to_owned());
        }
        if transport == Some(Transport::Http) {
            add("transport", "stdio".into());
        }
        let lists_all = places.folders().is_empty();
        if lists_all && !given.iter().any(|given| given.flag == "tools") {
            // The client may start it in a folder with a `./skills` of its own, so the folders are named.
            add("tools", "runner".into());
        }
        let others = given.iter().filter(|given| {
            let flag = given.flag.as_str();
            !OF_HTTP.contains(&flag) && !OF_PLACES.contains(&flag)
        });
        all.extend(others.map(|given| Given { value: absolute(given), ..given.clone() }));
        let path = std::env::current_exe().unwrap_or_else(|_| "omni".into());
        let (program, path) = match on_the_path(&path) {
            Some(found) => ("omni".into(), found),
            None => (path.clone().into_os_string(), path),
        };
        StartCommand { program, path, given: all }
    }

    /// The words after the program.
    pub(super) fn words(&self) -> Vec<OsString> {
        let flags =
            self.given.iter().flat_map(|given| [format!("--{}", given.flag).into(), given.value.clone()]);
        std::iter::once("mcp".into()).chain(flags).collect()
    }

    /// The words after the program, without what variables say as well; and these variables.
    pub(super) fn by_variables(&self) -> (Vec<(String, OsString)>, Vec<OsString>) {
        let (said, rest): (Vec<&Given>, Vec<&Given>) =
            self.given.iter().partition(|given| given.variable.is_some());
        let mut variables: Vec<(String, OsString)> = Vec::new();
        for given in said {
            let name = given.variable.clone().unwrap_or_default();
            let value = given.value.clone();
            match variables.iter_mut().find(|(known, _)| *known == name) {
                // Of the flags that have a variable, `--skills` alone may stand several times.
                Some((_, before)) => {
                    before.push(":");
                    before.push(value);
                }
                None => variables.push((name, value)),
            }
        }
        let words = rest.iter().flat_map(|given| [format!("--{}", given.flag).into(), given.value.clone()]);
        (variables, std::iter::once("mcp".into()).chain(words).collect())
    }
}

/// A value that means the same in any folder.
fn absolute(given: &Given) -> OsString {
    let path = Path::new(&given.value);
    // A name alone is looked for on the PATH.
    let is_name = given.flag == "python" && path.components().count() < 2;
    if !PATHS.contains(&given.flag.as_str()) || is_name {
        return given.value.clone();
    }
    std::path::absolute(path).map_or_else(|_| given.value.clone(), PathBuf::into_os_string)
}

/// The path by which a shell finds this program under its usual name, if it does.
fn on_the_path(program: &Path) -> Option<PathBuf> {
    let real = program.canonicalize().ok()?;
    let path = variables::get("PATH")?;
    // The first of that name is the one that is started, be it another.
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("omni"))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())?;
    (found.canonicalize().ok()? == real && found.file_name() == Some(OsStr::new("omni"))).then_some(found)
}
