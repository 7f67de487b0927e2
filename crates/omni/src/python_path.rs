//! `omni python-path`: where the Python package of this binary is, for a Python that is started by hand, and with it the
//! package that the way back needs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use omni_call::{Requirements, RequirementsSource, shown_path};
use omni_environments::Environment;

use crate::args::{FolderArguments, PlaceArguments, PythonPathArguments, RunArguments, WorkArguments};
use crate::progress_line::ProgressLine;
use crate::settings::{Places, RunSettings};
use crate::terminal::{Output, say};
use crate::user_dirs::UserDirs;
use crate::{assets, cache, executors, process_setup, variables};

/// The official SDK that `omni.mcp` is an adapter on, as it was tried.
const MCP_PACKAGE: &str = "mcp==2.3.0";

/// Lays the package out, unless that has been done, and prints its folder; with the SDK, what `PYTHONPATH` has to be.
pub(crate) fn run(arguments: &PythonPathArguments, out: &mut Output) -> Result<u8> {
    let cache = cache::open(&UserDirs::find(), arguments.cache_dir.as_deref(), false)?.folder;
    let package = assets::python_package(&cache)?;
    if !arguments.with_mcp {
        out.result(&package.to_string_lossy())?;
        return Ok(0);
    }
    let environment = prepare(arguments, &cache)?;
    let python = environment.interpreter();
    let packages = packages(&environment)?;
    let path =
        std::env::join_paths([package.as_os_str(), &packages]).context("no folder may have a colon")?;
    out.result(&path.to_string_lossy())?;
    say(&format!(
        "`{}` is ready for Python {}; the way back is started with this as PYTHONPATH and\n  {} -m omni.mcp --skills DIR",
        MCP_PACKAGE,
        environment.made.python,
        shown_path(&python)
    ));
    Ok(0)
}

/// Makes the environment, as one is made for a skill. It is there at once where it has been made before.
fn prepare(arguments: &PythonPathArguments, cache: &Path) -> Result<Arc<Environment>> {
    let config = variables::get("OMNI_CONFIG").map(PathBuf::from);
    let folders = FolderArguments { cache_dir: Some(cache.to_owned()), config, ..FolderArguments::default() };
    let places = Places::resolve(&PlaceArguments { folders, ..PlaceArguments::default() })?;
    let work = WorkArguments { python: arguments.python.clone(), ..WorkArguments::default() };
    let settings = RunSettings::resolve(&RunArguments { work, ..RunArguments::default() }, &places.file)?;
    let environments = executors::environments(&places, &settings, true)?;
    let requirements = Requirements {
        key: format!("omni-{}", MCP_PACKAGE.replace("==", "-")),
        source: RequirementsSource::Script,
        file: "omni.mcp".to_owned(),
        python: Some(">=3.10".to_owned()),
        dependencies: vec![MCP_PACKAGE.to_owned()],
        locked: None,
    };
    let runtime = process_setup::runtime()?;
    let mut line = ProgressLine::new();
    // Kept under the path of the cache instead of a skill's, so `omni sync --prune` leaves it alone.
    let made = runtime.block_on(environments.prepare(&requirements, cache, |progress| {
        line.show(progress.done, progress.total, &format!("mcp: {}", progress.text));
    }));
    line.clear();
    match made {
        Ok(environment) => Ok(environment),
        Err(error) => bail!("`{MCP_PACKAGE}` could not be installed: {} ({})", error.message, error.hint),
    }
}

/// Where an environment keeps its packages.
fn packages(environment: &Environment) -> Result<OsString> {
    let mut version = environment.made.python.split('.');
    let (major, minor) = (version.next().unwrap_or("3"), version.next().unwrap_or_default());
    let folder = environment.folder.join(format!("lib/python{major}.{minor}/site-packages"));
    if !folder.is_dir() {
        bail!("`{}` holds no packages; remove it and try again", shown_path(&environment.folder));
    }
    Ok(folder.into_os_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_the_one_that_python_names() {
        let shared = include_str!("../../../conformance/shared.json");
        let shared: serde_json::Value = serde_json::from_str(shared).unwrap();
        assert_eq!(shared["mcp_package"], MCP_PACKAGE);
    }
}
