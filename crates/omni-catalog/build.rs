//! Names this build's way of reading skills, so that no cache outlives the code that wrote it.
//!
//! The package version alone would not do: during development the scanner changes many times under one
//! version, and a stale cache would show yesterday's schemas.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let crates = Path::new(&here).join("..");
    let mut hash = FNV_OFFSET;
    for folder in ["omni-call/src", "omni-catalog/src", "omni-scan/src"] {
        let folder = crates.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        mix_folder(&folder, &mut hash)?;
    }
    // The scanner refuses imports of what the Python package does not have.
    let package = crates.join("../python/src/omni");
    for path in [&crates.join("omni-scan/build.rs"), &package.join("__init__.py")] {
        println!("cargo::rerun-if-changed={}", path.display());
        mix(&fs::read(path)?, &mut hash);
    }
    println!("cargo::rerun-if-changed={}", package.display());
    let mut modules = fs::read_dir(package)?.collect::<Result<Vec<_>, _>>()?;
    modules.sort_by_key(fs::DirEntry::file_name);
    // What Python leaves there (`__pycache__`) says nothing.
    for module in modules.iter().filter(|module| !module.file_name().as_encoded_bytes().starts_with(b"__")) {
        mix(module.file_name().as_encoded_bytes(), &mut hash);
    }
    println!("cargo::rustc-env=OMNI_CATALOG_FINGERPRINT={hash:016x}");
    Ok(())
}

fn mix_folder(folder: &Path, hash: &mut u64) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        mix(entry.file_name().as_encoded_bytes(), hash);
        if path.is_dir() {
            mix_folder(&path, hash)?;
        } else {
            mix(&fs::read(path)?, hash);
        }
    }
    Ok(())
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(bytes: &[u8], hash: &mut u64) {
    for byte in bytes {
        *hash = (*hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}
