//! `omni python-path`: where the Python package of this binary is, for a Python that is started by hand.

use anyhow::Result;

use crate::args::PythonPathArguments;
use crate::assets;
use crate::home::Home;
use crate::terminal::Output;

/// Lays the package out, unless that has been done, and prints its folder.
pub(crate) fn run(arguments: &PythonPathArguments, out: &mut Output) -> Result<u8> {
    let cache = Home::find().open_cache(arguments.cache_dir.as_deref())?;
    out.result(&assets::python_package(&cache)?.to_string_lossy())?;
    Ok(0)
}
