//! Where are the Python files of the versions that are served, once an edit has broken them on disk?
//!
//! Calls go on with the last version without a fault. Workers that have loaded it serve them; one that is started then finds
//! other files, and takes the version from here (`python/src/omni/skill_code.py`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use omni_catalog::{Skill, skill_code};

use crate::private;

/// Skills whose versions are kept when a server begins: with more, those that are edited.
const SKILLS_MAX: usize = 1_000;

/// Files that are kept at most; then the older half goes.
const FILES_MAX: usize = 8_192;

/// The versions that are kept, by the hashes of what is in them. Other servers may use the same folder.
pub(super) struct KeptVersions {
    folder: PathBuf,
}

impl KeptVersions {
    /// Below the folder of compiled code in the cache, which workers know, and not in it: there they make room by age.
    pub(super) fn new(cache: &Path) -> Self {
        KeptVersions { folder: cache.join("code/sources") }
    }

    /// Keeps what is served when a server begins. What cannot be kept is missing only where an edit breaks it.
    pub(super) fn keep_all(&self, skills: &[Skill]) {
        self.make_room();
        skills.iter().take(SKILLS_MAX).for_each(|skill| self.keep(skill));
    }

    /// Keeps the version of a skill, if it is the one on disk.
    pub(super) fn keep(&self, skill: &Skill) {
        let Some(digest) = &skill.digest else { return };
        // Written last.
        let files = self.folder.join(format!("{digest}.files"));
        if files.exists() {
            return;
        }
        let (Some(skills_dir), Some(folder)) = (skill.path.parent(), skill.path.file_name()) else { return };
        let Some(folder) = folder.to_str() else { return };
        let code = skill_code(skills_dir, folder);
        if code.digest != *digest {
            return;
        }
        let kept = || {
            for (hash, bytes) in &code.files {
                let path = self.folder.join(format!("{hash}.py"));
                if !path.exists() {
                    private::write(&path, bytes)?;
                }
            }
            private::write(&files, code.lines.as_bytes())
        };
        if let Err(error) = kept() {
            tracing::debug!(skill = skill.folder, %error, "its version is not kept for broken edits");
        }
    }

    fn make_room(&self) {
        let entries: Vec<fs::DirEntry> = fs::read_dir(&self.folder).into_iter().flatten().flatten().collect();
        if entries.len() <= FILES_MAX {
            return;
        }
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .iter()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        // Versions of which a file is gone are written again.
        let marks = files.iter().filter(|(_, path)| path.extension().is_some_and(|ending| ending == "files"));
        let older = files.iter().take(FILES_MAX / 2);
        for (_, path) in marks.chain(older) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use omni_catalog::{Catalog, FolderConfig};

    use super::*;

    #[test]
    fn a_version_is_kept_whole_and_only_while_it_is_the_one_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join("skills/s").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("SKILL.md", "---\nname: s\ndescription: d\n---\n");
        write("scripts/a.py", "A = 1\n");
        write("lib/b.py", "B = 1\n");
        let skills_dir = dir.path().join("skills");
        let catalog = Catalog::of_folder(FolderConfig { skills_dir, ..FolderConfig::default() }).unwrap();
        catalog.refresh().unwrap();
        let snapshot = catalog.snapshot();
        let versions = KeptVersions::new(&dir.path().join("cache"));
        let kept = || fs::read_dir(&versions.folder).map_or(0, Iterator::count);
        write("scripts/a.py", "A = 2\n");
        versions.keep_all(snapshot.skills());
        assert_eq!(kept(), 0, "it is another one by now");
        write("scripts/a.py", "A = 1\n");
        versions.keep_all(snapshot.skills());
        assert_eq!(kept(), 3, "two files, and which they are");
        let digest = snapshot.skills()[0].digest.clone().unwrap();
        let lines = fs::read_to_string(versions.folder.join(format!("{digest}.files"))).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
    }
}
