//! Which names and modules does the Python package `omni` have? Read from it, so that nobody has to keep a second list.

use std::path::Path;
use std::{env, fs};

fn main() {
    // Asked when it runs: cargo does not build this program anew when the checkout has moved.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where");
    let package = Path::new(&manifest).join("../../python/src/omni");
    println!("cargo::rerun-if-changed={}", package.display());
    println!("cargo::rerun-if-changed={}", package.join("__init__.py").display());
    let mut modules: Vec<String> = fs::read_dir(&package)
        .expect("the package is in the repository")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with("__") && (name.ends_with(".py") || !name.contains('.')))
        .map(|name| name.trim_end_matches(".py").to_owned())
        .collect();
    modules.sort_unstable();
    let start = fs::read_to_string(package.join("__init__.py")).expect("the package is in the repository");
    let all = start.split("__all__ = [").nth(1).and_then(|rest| rest.split(']').next());
    let names: Vec<&str> = all
        .expect("the package says what it exports")
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .collect();
    let written = format!(
        "/// What `from omni import …` brings.\npub(crate) const OMNI_NAMES: &[&str] = &{names:?};\n\n/// Modules of the package \
         `omni`.\npub(crate) const OMNI_MODULES: &[&str] = &{modules:?};\n"
    );
    let out = env::var_os("OUT_DIR").expect("cargo says where");
    fs::write(Path::new(&out).join("omni_names.rs"), written).expect("cargo's folder can be written");
}
