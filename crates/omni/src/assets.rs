//! The Python package and the shipped skills, which travel inside the binary and are laid out on disk when
//! they are needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use omni_call::shown_path;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../python/src"]
#[exclude = "**/__pycache__/*"]
struct Package;

#[derive(RustEmbed)]
#[folder = "../../skills"]
#[exclude = "**/__pycache__/*"]
#[exclude = "*/tests/*"]
#[exclude = "conftest.py"]
#[exclude = "ruff.toml"]
struct Skills;

/// The folder to put on `PYTHONPATH`: holds the `omni` package of this very binary.
pub(crate) fn python_package(cache: &Path) -> Result<PathBuf> {
    lay_out::<Package>(cache, "python")
}

/// The folder of the skills shipped with omni.
pub(crate) fn shipped_skills(cache: &Path) -> Result<PathBuf> {
    lay_out::<Skills>(cache, "skills")
}

/// Writes a set of files below `cache`, under a name made from their contents, unless they are there.
///
/// Several processes, and several threads of one, may do it at once: each writes a folder of its own and renames it, and whoever comes
/// second finds the work done.
fn lay_out<A: RustEmbed>(cache: &Path, name: &str) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    for path in A::iter() {
        let file = A::get(&path).expect("an embedded file that is listed can be read");
        hasher.update(path.as_bytes()).update(&[0]).update(&file.metadata.sha256_hash());
    }
    let dir = cache.join(format!("{name}-{}", &hasher.finalize().to_hex()[..16]));
    if is_complete::<A>(&dir) {
        return Ok(dir);
    }
    let hint = || format!("`{}` cannot be written; name another place with `--cache-dir`", shown_path(cache));
    fs::create_dir_all(cache).with_context(hint)?;
    // One call that is taken back may leave its laying out to go on beside that of the next.
    static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    let temporary = cache.join(format!(".{name}-{}-{attempt}", std::process::id()));
    write::<A>(&temporary).with_context(hint)?;
    if dir.exists() && !is_complete::<A>(&dir) {
        // Incomplete: somebody deleted parts of it. Out of the way, then replaced.
        let _ = fs::remove_dir_all(&dir);
    }
    match fs::rename(&temporary, &dir) {
        Ok(()) => Ok(dir),
        Err(_) if is_complete::<A>(&dir) => {
            let _ = fs::remove_dir_all(&temporary);
            Ok(dir)
        }
        Err(error) => Err(error).with_context(hint),
    }
}

fn is_complete<A: RustEmbed>(dir: &Path) -> bool {
    A::iter().all(|path| {
        let size = A::get(&path).map(|file| file.data.len() as u64);
        fs::metadata(dir.join(&*path)).ok().map(|found| found.len()) == size
    })
}

fn write<A: RustEmbed>(dir: &Path) -> io::Result<()> {
    let _ = fs::remove_dir_all(dir);
    for path in A::iter() {
        let file = A::get(&path).expect("an embedded file that is listed can be read");
        let target = dir.join(&*path);
        fs::create_dir_all(target.parent().unwrap_or(dir))?;
        fs::write(target, &file.data)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_laid_out_once_and_repaired_when_parts_are_missing() {
        let cache = tempfile::tempdir().unwrap();
        let dir = python_package(cache.path()).unwrap();
        let worker = dir.join("omni/worker.py");
        assert!(worker.is_file());
        fs::remove_file(&worker).unwrap();
        assert_eq!(python_package(cache.path()).unwrap(), dir);
        assert!(worker.is_file());
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1, "no temporary folder stays behind");
    }

    #[test]
    fn threads_that_lay_it_out_at_once_all_find_it_whole() {
        let cache = tempfile::tempdir().unwrap();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let dir = python_package(cache.path()).unwrap();
                    assert!(is_complete::<Package>(&dir));
                });
            }
        });
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1, "no temporary folder stays behind");
    }

    #[test]
    fn shipped_skills_come_without_their_tests() {
        let cache = tempfile::tempdir().unwrap();
        let dir = shipped_skills(cache.path()).unwrap();
        assert!(dir.join("files/SKILL.md").is_file());
        assert!(!dir.join("files/tests").exists());
    }
}
