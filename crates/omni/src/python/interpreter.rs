//! Finds the Python that runs the tools.
#![expect(
    clippy::disallowed_methods,
    reason = "an interpreter is asked about itself before there is anything to supervise"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use omni_call::shown_path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{private, variables};

/// The oldest Python that runs the `omni` package.
pub(crate) const OLDEST: (u8, u8) = (3, 9);

/// A Python that is there and new enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Python {
    /// The interpreter itself: what a version manager's `python3` on the PATH leads to.
    pub(crate) executable: PathBuf,
    /// `3.11.7`.
    pub(crate) version: String,
    /// What its bytecode is named after: `cpython-311`. Empty where it is not known.
    pub(crate) tag: String,
    /// What was started to find it: a version manager's script, maybe.
    pub(crate) command: Option<PathBuf>,
    /// The folders that it runs code from: its own, those of installed packages, its environment's; and the files
    /// that tell it where these are.
    pub(crate) folders: Vec<PathBuf>,
}

impl Python {
    /// An interpreter of which no more is known.
    pub(crate) fn at(executable: PathBuf, version: String) -> Python {
        Python { executable, version, tag: String::new(), command: None, folders: Vec::new() }
    }
}

/// What an interpreter says of itself besides its path and version.
#[derive(Default, Deserialize)]
struct PythonFacts {
    tag: Option<String>,
    folders: Vec<PathBuf>,
}

/// The interpreter that somebody wants, and how that was written.
#[derive(Clone, Debug)]
pub(crate) struct PythonChoice {
    pub(crate) path: PathBuf,
    /// `--python PATH`, or the variable, or the key of the settings file.
    pub(crate) written: String,
}

/// Finds and asks the interpreter that `chosen` names, else `python3`, else `python` on the PATH.
///
/// Starts Python once and remembers the answer in `cache`, since version managers put slow scripts on the
/// PATH. The answer is asked for anew when the file behind the name changes.
pub(crate) fn find(chosen: Option<&PythonChoice>, cache: &Path) -> Result<Python> {
    let command = match chosen {
        Some(PythonChoice { path, written }) => locate(path).with_context(|| {
            format!("{written}: there is no such program; give the path of a Python 3.9 or newer")
        })?,
        None => ["python3", "python"].iter().find_map(|name| locate(Path::new(name))).context(
            "no `python3` on the PATH; install Python 3.9 or newer, or name one with `--python PATH`",
        )?,
    };
    let stamp = stamp(&command);
    if let Some(python) =
        cached_answer::<Python>(cache, "python", &stamp).filter(|python| python.executable.exists())
    {
        return Ok(python);
    }
    let python = ask(&command)?;
    cache_answer(cache, "python", stamp, &python);
    Ok(python)
}

/// What was found out about a program, and what that depends on.
#[derive(Serialize, Deserialize)]
struct CachedAnswer<T> {
    stamp: Vec<String>,
    answer: T,
}

/// What is remembered in `cache` under `name`, if nothing that it depends on has changed.
pub(super) fn cached_answer<T: DeserializeOwned>(cache: &Path, name: &str, stamp: &[String]) -> Option<T> {
    let text = std::fs::read(cache.join(format!("{name}.json"))).ok()?;
    let cached: CachedAnswer<T> = serde_json::from_slice(&text).ok()?;
    (cached.stamp == stamp).then_some(cached.answer)
}

/// Remembers an answer. A cache that cannot be written costs time only.
pub(super) fn cache_answer<T: Serialize>(cache: &Path, name: &str, stamp: Vec<String>, answer: &T) {
    if let Ok(text) = serde_json::to_vec(&CachedAnswer { stamp, answer }) {
        let _ = private::write(&cache.join(format!("{name}.json")), &text);
    }
}

/// What the answer depends on: the program, and the variables by which version managers choose.
fn stamp(command: &Path) -> Vec<String> {
    let variable = |name: &str| variables::get(name).unwrap_or_default().to_string_lossy().into_owned();
    let mut stamp = file_stamp(command);
    stamp.extend([variable("PYENV_VERSION"), variable("ASDF_PYTHON_VERSION")]);
    stamp
}

/// A program of ours or an interpreter, to be asked something. Not from the working folder: what a version manager puts
/// on the `PATH` would obey files there (`.python-version`), and so let the project choose what is started.
pub(super) fn isolated_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::join_paths(omni_process::path_folders()).unwrap_or_default();
    command.current_dir("/").env("PATH", path).stdin(Stdio::null());
    command
}

/// A program's path, and what changes when another one is put in its place.
pub(super) fn file_stamp(program: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(program)
        .map(|found| format!("{}:{}:{}", found.ino(), found.size(), found.mtime_nsec()))
        .unwrap_or_default();
    vec![shown_path(program), file]
}

/// The program a name or path leads to. A name is not looked for in the working folder, whatever the `PATH` says.
pub(crate) fn locate(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return std::path::absolute(name).ok().filter(|path| path.is_file());
    }
    omni_process::path_folders().into_iter().map(|dir| dir.join(name)).find(|path| is_program(path))
}

/// As a shell looks for one: a text of that name, which any tool can write, does not stand in its place.
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

const ASK: &str = "
import json, os, site, sys, sysconfig
print(sys.executable)
print('.'.join(map(str, sys.version_info[:3])))
# What an interpreter looks for beside itself and above when it starts, also where it is not there yet.
base = getattr(sys, '_base_executable', None) or sys.executable
beside = {os.path.dirname(path) for path in (sys.executable, base, os.path.realpath(base))}
names = ['pyvenv.cfg', 'pybuilddir.txt', 'pip.conf'] + [name + '._pth' for name in ('python', 'python3', os.path.basename(base))]
starts = [os.path.join(folder, name) for folder in beside | {sys.prefix, sys.base_prefix} for name in names]
# It comes before the library, and may be a folder.
starts += [path for path in sys.path if path.endswith('.zip')]
library = [sysconfig.get_config_var(name) for name in ('LIBDIR', 'INSTSONAME')]
if all(library):
    starts.append(os.path.join(*library))
paths = sysconfig.get_paths()
# Not all of `sys.path`: a project that is installed to be edited is in it, and is there to be edited.
folders = {paths['stdlib'], paths['platstdlib'], *site.getsitepackages(), site.getusersitepackages()}
folders = sorted(folders) + sorted(starts)
print(json.dumps({'tag': sys.implementation.cache_tag, 'folders': folders}))
";

fn ask(command: &Path) -> Result<Python> {
    let output = isolated_command(command)
        .args(["-I", "-c", ASK])
        .output()
        .with_context(|| format!("`{}` could not be started", shown_path(command)))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (Some(executable), Some(version)) = (text.lines().next(), text.lines().nth(1)) else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said = stderr.trim().lines().last().unwrap_or("nothing").to_owned();
        bail!(
            "`{}` is not a Python that runs (it said: {said}); name another with `--python PATH`",
            shown_path(command)
        );
    };
    let mut numbers = version.split('.').map(|number| number.parse::<u8>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
        bail!(
            "`{}` is Python {version}, and omni needs {}.{} or newer; name another with `--python PATH`",
            shown_path(command),
            OLDEST.0,
            OLDEST.1
        );
    }
    let more: PythonFacts =
        text.lines().nth(2).and_then(|more| serde_json::from_str(more).ok()).unwrap_or_default();
    let legal = |tag: &String| tag.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '-');
    Ok(Python {
        executable: executable.into(),
        version: version.to_owned(),
        tag: more.tag.filter(legal).unwrap_or_default(),
        command: Some(command.to_owned()),
        folders: more.folders,
    })
}

const COMPILE: &str = "
import os, py_compile, sys
from importlib.util import cache_from_source
os.chdir(sys.argv[1])
os.umask(0o077)
for folder, _, names in os.walk('.'):
    for name in names:
        if name.endswith('.py'):
            source = os.path.normpath(os.path.join(folder, name))
            target = cache_from_source(source)
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            # Tracebacks show where it lies.
            shown = os.path.join(os.getcwd(), source)
            py_compile.compile(source, target, shown, doraise=True, invalidation_mode=mode)
            print(target)
";

/// Has an interpreter compile all modules below `dir`. Returns the files that came of it, relative to `dir`.
///
/// The bytecode says that it need not be compared with its source: that has been done when it is used.
pub(crate) fn compile(python: &Python, dir: &Path) -> Result<Vec<String>> {
    let program = &python.executable;
    let output = Command::new(program)
        .args(["-I", "-c", COMPILE])
        .arg(dir)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` could not be started", shown_path(program)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}`: {}", shown_path(program), stderr.trim().lines().last().unwrap_or("it said nothing"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn chosen(path: &Path) -> PythonChoice {
        PythonChoice { path: path.to_owned(), written: format!("`--python {}`", path.display()) }
    }

    fn fake(dir: &Path, script: &str) -> PathBuf {
        let path = dir.join("python3");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_python_that_is_missing_old_or_broken_is_one_clear_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            ("echo /usr/bin/python3; echo 3.8.19", "is Python 3.8.19, and omni needs 3.9 or newer"),
            ("echo no such version >&2; exit 1", "it said: no such version"),
        ];
        for (script, expected) in cases {
            let error =
                find(Some(&chosen(&fake(dir.path(), script))), &dir.path().join("cache")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let error = find(Some(&chosen(Path::new("/nowhere/python3"))), dir.path()).unwrap_err();
        assert!(error.to_string().contains("there is no such program"), "{error}");
    }

    #[test]
    fn a_python_says_what_it_looks_for_before_its_library() {
        let dir = tempfile::tempdir().unwrap();
        let python = find(None, &dir.path().join("cache")).unwrap();
        let looked_for = |end: &str| python.folders.iter().any(|path| path.to_string_lossy().ends_with(end));
        assert!(looked_for(".zip"), "a folder of that name would do: {:?}", python.folders);
        assert!(looked_for("/bin/pyvenv.cfg") && looked_for("/bin/pybuilddir.txt"), "{:?}", python.folders);
        assert!(python.command.is_some());
    }

    #[test]
    fn a_text_on_the_path_is_no_program() {
        let dir = tempfile::tempdir().unwrap();
        let path = fake(dir.path(), "");
        assert!(is_program(&path) && !is_program(dir.path()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!is_program(&path));
    }

    #[test]
    fn the_answer_is_remembered_until_the_program_changes() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let real = "/bin/sh";
        let command = dir.path().join("asked");
        let script = |version: &str| format!("echo x >> {}; echo {real}; echo {version}", command.display());
        let path = fake(dir.path(), &script("3.11.7"));
        for _ in 0..3 {
            assert_eq!(find(Some(&chosen(&path)), &cache).unwrap().version, "3.11.7");
        }
        assert_eq!(std::fs::read_to_string(&command).unwrap(), "x\n");
        fake(dir.path(), &script("3.12.10"));
        assert_eq!(find(Some(&chosen(&path)), &cache).unwrap().version, "3.12.10");
    }
}
