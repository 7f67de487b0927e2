//! Whether an interpreter can run inside a process of ours, and with which library.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::shown_path;
use omni_exec::Embedding;
use serde::{Deserialize, Serialize};

use super::interpreter::{Python, cache_answer, cached_answer, file_stamp, isolated_command};
use crate::variables;

/// Why an interpreter cannot run inside a process of ours: what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// An interpreter that has run inside a process of ours once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EmbeddingProbe {
    pub(crate) library: PathBuf,
    /// From loading the library until Python could run a call.
    pub(crate) ready_ms: f64,
    /// What the process that tried took of memory altogether.
    pub(crate) rss_kib: u64,
}

impl EmbeddingProbe {
    pub(crate) fn embedding(&self) -> Embedding {
        Embedding { library: self.library.clone(), utf8: plain_locale() }
    }
}

/// What the interpreter says of itself.
#[derive(Debug, Default, Deserialize)]
struct Facts {
    implementation: String,
    prefix: String,
    /// The library's name.
    library: Option<String>,
    /// Where it may be, the likeliest first.
    folders: Vec<Option<String>>,
    shared: Option<u8>,
    free_threaded: Option<u8>,
}

const FACTS: &str = "
import json, os, sys, sysconfig
value = sysconfig.get_config_var
libdir, multiarch = value('LIBDIR'), value('MULTIARCH')
print(json.dumps({
    'implementation': sys.implementation.name, 'prefix': sys.prefix, 'library': value('INSTSONAME'),
    'folders': [libdir, os.path.join(sys.base_prefix, 'lib'), multiarch and os.path.join(libdir or '/', multiarch),
                multiarch and '/usr/lib/' + multiarch],
    'shared': value('Py_ENABLE_SHARED'), 'free_threaded': value('Py_GIL_DISABLED')}))
";

/// What the process says that tries the library.
#[derive(Deserialize)]
struct Probed {
    prefix: String,
    ready_ms: f64,
    rss_kib: u64,
}

/// Asks the interpreter, and tries its library in a process that may be lost. Remembers that it worked.
pub(crate) fn embedding(python: &Python, package: &Path, cache: &Path) -> Result<EmbeddingProbe, Refusal> {
    // Package and binary change together, and the folder's name is made from what is in it.
    let mut stamp = file_stamp(&python.executable);
    stamp.push(shown_path(package));
    if let Some(probe) = cached_answer::<EmbeddingProbe>(cache, "embedding", &stamp)
        && probe.library.is_file()
    {
        return Ok(probe);
    }
    let facts = facts(python).map_err(|error| Refusal {
        message: format!("{error:#}"),
        hint: "name another Python with `--python PATH`, or use `executor: pool`".into(),
    })?;
    let library = library(python, &facts)?;
    let probe = try_out(python, &facts, library, package)?;
    cache_answer(cache, "embedding", stamp, &probe);
    Ok(probe)
}

fn facts(python: &Python) -> Result<Facts> {
    let program = &python.executable;
    let output = isolated_command(program)
        .args(["-I", "-c", FACTS])
        .output()
        .with_context(|| format!("`{}` could not be started", shown_path(program)))?;
    if !output.status.success() {
        bail!("`{}` does not say how it was built: {}", shown_path(program), last_line(&output.stderr));
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`{}` does not say how it was built", shown_path(program)))
}

/// The interpreter's library, if it has one that can be used.
fn library(python: &Python, facts: &Facts) -> Result<PathBuf, Refusal> {
    let program = shown_path(&python.executable);
    let instead = "or use `executor: pool`";
    if facts.implementation != "cpython" {
        return Err(Refusal {
            message: format!("`{program}` is {}, and only CPython can be embedded", facts.implementation),
            hint: format!("name a CPython with `--python PATH`, {instead}"),
        });
    }
    if facts.free_threaded.is_some_and(|is| is != 0) {
        return Err(Refusal {
            message: format!(
                "`{program}` is a free-threaded build, and embedded calls rely on the interpreter lock"
            ),
            hint: format!("name an ordinary build with `--python PATH`, {instead}"),
        });
    }
    let name = facts.library.as_deref().unwrap_or_default();
    if facts.shared.is_none_or(|is| is == 0) || !name.contains(".so") {
        return Err(Refusal {
            message: format!("`{program}` was built without a shared library, so there is nothing to load"),
            hint: format!("build Python with `--enable-shared` or name one that was, {instead}"),
        });
    }
    let folders: Vec<&str> = facts.folders.iter().flatten().map(String::as_str).collect();
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file()).ok_or_else(|| {
        let package = name.split(".so").next().unwrap_or(name);
        Refusal {
            message: format!("the library `{name}` of `{program}` is not in {}", folders.join(", ")),
            hint: format!("install it (on Debian: `apt install {package}`), {instead}"),
        }
    })
}

/// Starts the interpreter in a process of our own program. A broken one ends its process, and the server's must not be
/// the first to find out.
fn try_out(
    python: &Python,
    facts: &Facts,
    library: PathBuf,
    package: &Path,
) -> Result<EmbeddingProbe, Refusal> {
    let program = shown_path(&python.executable);
    let refusal = |message| Refusal {
        message,
        hint: "name another Python with `--python PATH`, or use `executor: pool`".into(),
    };
    let mut command = isolated_command(Path::new("/proc/self/exe"));
    command.arg("embed-check");
    if plain_locale() {
        command.arg("--utf8");
    }
    command
        .arg("--python")
        .arg(&python.executable)
        .arg("--library")
        .arg(&library)
        .env_remove("PYTHONHOME")
        .env("PYTHONPATH", package);
    let output =
        command.output().map_err(|error| refusal(format!("omni cannot start itself anew: {error}")))?;
    let probed: Probed = match serde_json::from_slice(&output.stdout) {
        Ok(probed) if output.status.success() => probed,
        _ => {
            let said = last_line(&output.stderr);
            return Err(refusal(format!("`{}` does not run inside omni: {said}", shown_path(&library))));
        }
    };
    if probed.prefix != facts.prefix {
        return Err(refusal(format!(
            "`{}` takes itself for the Python in `{}` where `{program}` is that in `{}`",
            shown_path(&library),
            probed.prefix,
            facts.prefix
        )));
    }
    Ok(EmbeddingProbe { library, ready_ms: probed.ready_ms, rss_kib: probed.rss_kib })
}

fn last_line(stderr: &[u8]) -> String {
    let stderr = String::from_utf8_lossy(stderr);
    stderr.trim().lines().last().unwrap_or("it said nothing").to_owned()
}

/// Whether the locale says nothing about how text is encoded. Python's own program takes UTF-8 then.
fn plain_locale() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variables::get);
    locale.is_none_or(|locale| locale == "C" || locale == "POSIX")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> Python {
        Python::at("/opt/python3".into(), "3.11.7".into())
    }

    fn ordinary(folder: &Path) -> Facts {
        Facts {
            implementation: "cpython".into(),
            prefix: "/opt".into(),
            library: Some("libpython3.11.so.1.0".into()),
            folders: vec![None, Some(folder.display().to_string())],
            shared: Some(1),
            free_threaded: None,
        }
    }

    #[test]
    fn the_library_is_found_where_the_interpreter_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("libpython3.11.so.1.0");
        std::fs::write(&path, "").unwrap();
        assert_eq!(library(&python(), &ordinary(dir.path())), Ok(path));
    }

    #[test]
    fn an_interpreter_that_cannot_be_embedded_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        type Case = (fn(&mut Facts), &'static str, &'static str);
        let cases: [Case; 5] = [
            (|facts| facts.implementation = "pypy".into(), "is pypy", "name a CPython"),
            (|facts| facts.free_threaded = Some(1), "free-threaded", "an ordinary build"),
            (|facts| facts.shared = Some(0), "without a shared library", "--enable-shared"),
            (
                |facts| facts.library = Some("libpython3.11.a".into()),
                "without a shared library",
                "executor: pool",
            ),
            (|_| {}, "`libpython3.11.so.1.0`", "apt install libpython3.11"),
        ];
        for (change, what, next) in cases {
            let mut facts = ordinary(dir.path());
            change(&mut facts);
            let refusal = library(&python(), &facts).unwrap_err();
            assert!(refusal.message.contains(what) && refusal.hint.contains(next), "{refusal:?}");
        }
    }
}
