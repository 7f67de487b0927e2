//! `omni python-path`: where the Python package of this binary is, for a Python that is started by hand.

use std::io::Write;

use anyhow::Result;

use crate::args::PythonPathArguments;
use crate::assets;
use crate::home::Home;

/// Lays the package out, unless that has been done, and prints its folder.
pub(crate) fn run(arguments: &PythonPathArguments, out: &mut dyn Write) -> Result<u8> {
    let cache = arguments.cache_dir.clone().unwrap_or_else(|| Home::find().cache);
    writeln!(out, "{}", assets::python_package(&cache)?.display())?;
    Ok(0)
}
