//! The Python package and the shipped skills, which travel inside the binary and are laid out on disk when
//! they are needed.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use omni_call::shown_path;
use rust_embed::RustEmbed;

use crate::private;
use crate::python::{self, Python};

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

/// Whether the package has been laid out in `cache` before. What is there is compared when it is used.
pub(crate) fn has_package(cache: &Path) -> bool {
    fs::symlink_metadata(cache.join(folder_name::<Package>("python"))).is_ok_and(|found| found.is_dir())
}

/// The folder of the skills shipped with omni.
pub(crate) fn shipped_skills(cache: &Path) -> Result<PathBuf> {
    lay_out::<Skills>(cache, "skills")
}

/// Writes a set of files below `cache`, under a name made from their contents, unless they are there.
///
/// What is there is compared with what this binary holds, byte for byte, since it will be run; of bytecode what
/// [`bytecode`] has made is left, and all else is removed: a module beside ours would stand in for one of Python's.
///
/// Several processes, and several threads of one, may do it at once: each writes a folder of its own and renames it, and whoever comes
/// second finds the work done.
fn lay_out<A: RustEmbed>(cache: &Path, name: &str) -> Result<PathBuf> {
    let dir = cache.join(folder_name::<A>(name));
    if is_ours::<A>(&dir) {
        return Ok(dir);
    }
    let hint = || format!("`{}` cannot be written; name another place with `--cache-dir`", shown_path(cache));
    private::make(cache).with_context(hint)?;
    // One call that is taken back may leave its laying out to go on beside that of the next.
    static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    let temporary = cache.join(format!(".{name}-{}-{attempt}", std::process::id()));
    if let Err(error) = write::<A>(&temporary) {
        // A half-written folder is removed: the disk may be full.
        let _ = fs::remove_dir_all(&temporary);
        return Err(error).with_context(hint);
    }
    if fs::symlink_metadata(&dir).is_ok() && !is_ours::<A>(&dir) {
        // Incomplete or changed: moved aside, then replaced.
        tracing::debug!(folder = shown_path(&dir), "this was not what omni had put there; it is made anew");
        let _ = remove(&dir);
    }
    match fs::rename(&temporary, &dir) {
        Ok(()) => Ok(dir),
        Err(_) if is_ours::<A>(&dir) => {
            let _ = fs::remove_dir_all(&temporary);
            Ok(dir)
        }
        Err(error) => {
            let _ = fs::remove_dir_all(&temporary);
            Err(error).with_context(hint)
        }
    }
}

/// The name of a set of files, made from their contents.
fn folder_name<A: RustEmbed>(name: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for path in A::iter() {
        let file = A::get(&path).expect("an embedded file that is listed can be read");
        hasher.update(path.as_bytes()).update(&[0]).update(&file.metadata.sha256_hash());
    }
    format!("{name}-{}", &hasher.finalize().to_hex()[..16])
}

/// Removes whatever is there: a link as a link.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Whether a folder holds exactly these files. Bytecode that is not ours is removed on the way.
fn is_ours<A: RustEmbed>(dir: &Path) -> bool {
    fn walk<A: RustEmbed>(dir: &Path, inner: &Path, known: &Digests, found: &mut usize) -> io::Result<bool> {
        for entry in fs::read_dir(dir.join(inner))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = inner.join(entry.file_name());
            let is_bytecode = inner.file_name().is_some_and(|name| name == BYTECODE_FOLDER);
            if kind.is_dir() && !is_bytecode {
                if !walk::<A>(dir, &path, known, found)? {
                    return Ok(false);
                }
            } else if is_bytecode {
                let wanted = path.to_str().and_then(|path| known.get(path));
                let is_known = kind.is_file() && wanted.is_some() && digest(&entry.path()).as_ref() == wanted;
                if !is_known {
                    remove(&entry.path())?;
                }
            } else {
                let wanted = path.to_str().and_then(A::get);
                let same = |wanted: &[u8]| fs::read(entry.path()).is_ok_and(|found| found == wanted);
                if !kind.is_file() || !wanted.is_some_and(|wanted| same(&wanted.data)) {
                    return Ok(false);
                }
                *found += 1;
            }
        }
        Ok(true)
    }
    let mut found = 0;
    let is_folder = fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir());
    is_folder
        && walk::<A>(dir, Path::new(""), &known_bytecode(dir), &mut found).unwrap_or(false)
        && found == A::iter().count()
}

fn write<A: RustEmbed>(dir: &Path) -> io::Result<()> {
    let _ = fs::remove_dir_all(dir);
    for path in A::iter() {
        let file = A::get(&path).expect("an embedded file that is listed can be read");
        let target = dir.join(&*path);
        private::make(target.parent().unwrap_or(dir))?;
        private::create(&target)?.write_all(&file.data)?;
    }
    Ok(())
}

/// Where Python looks for the bytecode of the modules beside it.
const BYTECODE_FOLDER: &str = "__pycache__";

/// BLAKE3 of files in hexadecimal, by their paths in a folder that was laid out here.
type Digests = HashMap<String, String>;

/// The bytecode that [`bytecode`] has made for the files in `dir`, for any interpreter.
fn known_bytecode(dir: &Path) -> Digests {
    let records = dir.parent().and_then(|cache| fs::read_dir(cache).ok());
    let prefix = record_prefix(dir);
    let records = records
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)));
    let read = |entry: fs::DirEntry| serde_json::from_slice::<Digests>(&fs::read(entry.path()).ok()?).ok();
    records.filter_map(read).flatten().collect()
}

fn digest(file: &Path) -> Option<String> {
    Some(blake3::hash(&fs::read(file).ok()?).to_hex().to_string())
}

fn record_prefix(dir: &Path) -> String {
    format!("bytecode-{}-", dir.file_name().unwrap_or_default().to_string_lossy())
}

/// Has `python` compile the modules in `dir`, a folder that was laid out here, once for each kind of interpreter, and
/// keeps a record of what came of it. Python itself believes any bytecode beside a module whose date fits; so what lies
/// there is compared with the record at every start, and what has no record is removed. Without bytecode of ours tools
/// only start later.
pub(crate) fn bytecode(dir: &Path, python: &Python) {
    let Some(cache) = dir.parent() else { return };
    let record = cache.join(format!("{}{}.json", record_prefix(dir), python.tag));
    let kept = fs::read(&record).ok().and_then(|kept| serde_json::from_slice::<Digests>(&kept).ok());
    let is_there = kept.is_some_and(|kept| kept.keys().all(|path| dir.join(path).is_file()));
    if is_there || python.tag.is_empty() {
        return;
    }
    match python::compile(python, dir) {
        Ok(files) => {
            let digests: Digests = files
                .into_iter()
                .filter_map(|file| Some((file.clone(), digest(&dir.join(&file))?)))
                .collect();
            let kept = serde_json::to_vec(&digests).map_err(io::Error::from);
            if let Err(error) = kept.and_then(|kept| private::write(&record, &kept)) {
                tracing::debug!(%error, "the record of bytecode cannot be kept; tools start a little later");
            }
        }
        Err(error) => tracing::debug!(error = format!("{error:#}"), "no bytecode could be made ahead"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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
    fn what_is_not_ours_in_it_is_gone_before_anything_is_run() {
        let cache = tempfile::tempdir().unwrap();
        let dir = python_package(cache.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&dir), mode(&dir.join("omni")), mode(&dir.join("omni/worker.py"))),
            (0o700, 0o700, 0o600)
        );
        let worker = dir.join("omni/worker.py");
        let text = fs::read_to_string(&worker).unwrap();
        // As long as the right one.
        let changed = text.replacen("import os", "import  0", 1);
        assert_eq!(changed.len(), text.len());
        type Plant<'a> = (&'a str, &'a dyn Fn(&Path));
        let file: &dyn Fn(&Path) = &|path| fs::write(path, "planted").unwrap();
        let plants: [Plant<'_>; 7] = [
            ("omni/worker.py", &|path| fs::write(path, &changed).unwrap()),
            ("json.py", file),
            ("sitecustomize.py", file),
            ("evil.pth", file),
            ("omni/json.abi3.so", file),
            ("json", &|path| {
                fs::create_dir(path).unwrap();
                fs::write(path.join("__init__.py"), "").unwrap();
            }),
            ("omni/wire.py", &|path| {
                fs::rename(path, cache.path().join("elsewhere")).unwrap();
                std::os::unix::fs::symlink(cache.path().join("elsewhere"), path).unwrap();
            }),
        ];
        for (name, plant) in plants {
            plant(&dir.join(name));
            assert_eq!(python_package(cache.path()).unwrap(), dir);
            let is_real = fs::symlink_metadata(dir.join(name)).is_ok_and(|found| found.is_file());
            assert!(!dir.join(name).exists() || is_real && Package::get(name).is_some(), "{name}");
            assert_eq!(fs::read_to_string(&worker).unwrap(), text, "{name}");
        }
        // All of it put in another place, and a link to that.
        fs::rename(&dir, cache.path().join("moved")).unwrap();
        std::os::unix::fs::symlink(cache.path().join("moved"), &dir).unwrap();
        python_package(cache.path()).unwrap();
        assert!(fs::symlink_metadata(&dir).unwrap().is_dir());
    }

    #[test]
    fn bytecode_is_ours_or_gone() {
        let cache = tempfile::tempdir().unwrap();
        let python = python::find(None, cache.path()).unwrap();
        let dir = python_package(cache.path()).unwrap();
        bytecode(&dir, &python);
        let compiled = dir.join(format!("omni/__pycache__/worker.{}.pyc", python.tag));
        let ours = fs::read(&compiled).unwrap();
        python_package(cache.path()).unwrap();
        assert_eq!(fs::read(&compiled).unwrap(), ours, "ours stays");
        let planted = dir.join(format!("omni/__pycache__/wire.{}.pyc", python.tag));
        let folder = dir.join("omni/__pycache__/nested");
        fs::write(&planted, &ours).unwrap();
        fs::write(&compiled, b"planted").unwrap();
        fs::create_dir(&folder).unwrap();
        python_package(cache.path()).unwrap();
        assert!(!compiled.exists() && !folder.exists());
        assert!(!planted.exists(), "the bytecode of another module is not this one's");
        bytecode(&dir, &python);
        python_package(cache.path()).unwrap();
        assert!(compiled.exists() && planted.exists(), "it is made anew");
    }

    #[test]
    fn threads_that_lay_it_out_at_once_all_find_it_whole() {
        let cache = tempfile::tempdir().unwrap();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let dir = python_package(cache.path()).unwrap();
                    assert!(is_ours::<Package>(&dir));
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
