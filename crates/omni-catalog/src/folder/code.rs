//! Which Python files are a skill's code, and by which digest is one version of them told from another?
//!
//! A worker reads the same files when it first loads the skill, and runs a call only where it finds what the call names
//! (`python/src/omni`). `conformance/skill-digest.json` says the rules in words and holds both to the same cases.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{DEPTH_MAX, FILE_BYTES_MAX, ReadFile, SOURCE_FILES_MAX, SkillWalk, entries};
use crate::stamp::Stamp;

/// Folders that hold others' code, wherever they lie, or none.
pub(super) const LEFT_OUT: [&str; 3] = ["__pycache__", "node_modules", "site-packages"];

/// Folders directly beneath the skill's that are for data and for tests: what a tool writes there makes no new version.
const LEFT_OUT_AT_TOP: [&str; 5] = ["assets", "data", "references", "templates", "tests"];

impl SkillWalk<'_> {
    /// The digest over all Python files of the skill: SHA-256 of a line for each, sorted by path, with the SHA-256 of its
    /// bytes, two blanks and its path relative to the skill's folder. `sources` are those that have been read already,
    /// sorted by path. What cannot be read is left out: it cannot be imported either.
    pub(super) fn code_digest(&mut self, sources: &[ReadFile]) -> String {
        let mut known: HashSet<String> = self.paths.iter().map(|known| known.path.clone()).collect();
        let mut files = Vec::new();
        self.code_files(self.folder, 0, &mut known, &mut files);
        files.sort_unstable();
        let mut all = Sha256::new();
        for own in files {
            let hash = match sources.binary_search_by(|file| file.path.cmp(&own)) {
                Ok(at) => Sha256::digest(&sources[at].text),
                Err(_) => match self.hash_of(&format!("{}/{own}", self.folder), &mut known) {
                    Some(hash) => hash,
                    None => continue,
                },
            };
            all.update(format!("{}  {own}\n", hex(&hash)));
        }
        hex(&all.finalize())
    }

    /// Lists the Python files of a folder and those beneath it, relative to the skill's folder. A link to a file counts as
    /// the file, wherever that lies; a link to a folder is not followed.
    fn code_files(
        &mut self,
        folder: &str,
        depth: usize,
        known: &mut HashSet<String>,
        files: &mut Vec<String>,
    ) {
        let absolute = self.skills_dir.join(folder);
        // Its stamp is taken first: what is added while it is listed changes it again.
        if known.insert(folder.to_owned()) {
            self.remember(folder, Stamp::of(&absolute));
        }
        for entry in entries(&absolute).unwrap_or_default() {
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else { continue };
            let left_out = LEFT_OUT.contains(&&*name) || depth == 0 && LEFT_OUT_AT_TOP.contains(&&*name);
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{folder}/{name}");
            if kind.is_dir() {
                if !left_out && depth < DEPTH_MAX {
                    self.code_files(&path, depth + 1, known, files);
                }
            } else if name.ends_with(".py") && files.len() < SOURCE_FILES_MAX {
                let own = path.strip_prefix(self.folder).and_then(|own| own.strip_prefix('/'));
                files.extend(own.map(str::to_owned));
            }
        }
    }

    /// `None` for what is no file, is too large to be one that a person wrote, or cannot be read.
    fn hash_of(&mut self, path: &str, known: &mut HashSet<String>) -> Option<sha2::digest::Output<Sha256>> {
        let absolute = self.skills_dir.join(path);
        let new = known.insert(path.to_owned());
        // Of a link its own stamp would not tell that what it points to has changed.
        let metadata = absolute.metadata().ok().filter(std::fs::Metadata::is_file);
        let Some(metadata) = metadata.filter(|metadata| metadata.len() <= FILE_BYTES_MAX) else {
            if new {
                self.remember(path, Stamp::of(&absolute));
            }
            return None;
        };
        if new {
            self.remember(path, Stamp::from(&metadata));
        }
        let mut bytes = Vec::new();
        File::open(&absolute).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).ok()?;
        (bytes.len() as u64 <= FILE_BYTES_MAX).then(|| Sha256::digest(&bytes))
    }
}

/// The Python files of a skill, as they were read just now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkillCode {
    /// Names the version that they make.
    pub digest: String,
    /// What that is the digest of: a line for each file.
    pub lines: String,
    /// The SHA-256 of each file, in hexadecimal digits, and its bytes.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Reads the code of one skill, by the rules by which its version is named. `skills_dir` is canonical. Blocks.
pub fn skill_code(skills_dir: &Path, folder: &str) -> SkillCode {
    let mut walk = SkillWalk::new(skills_dir, folder);
    let mut paths = Vec::new();
    walk.code_files(folder, 0, &mut HashSet::new(), &mut paths);
    paths.sort_unstable();
    let mut code = SkillCode::default();
    for path in paths {
        let absolute = skills_dir.join(folder).join(&path);
        let is_file = absolute.metadata().is_ok_and(|found| found.is_file() && found.len() <= FILE_BYTES_MAX);
        let Some(bytes) = is_file.then(|| std::fs::read(&absolute).ok()).flatten() else { continue };
        let hash = hex(&Sha256::digest(&bytes));
        code.lines.push_str(&format!("{hash}  {path}\n"));
        code.files.push((hash, bytes));
    }
    code.digest = hex(&Sha256::digest(&code.lines));
    code
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use serde::Deserialize;

    use crate::folder::SkillFolder;

    const CASES: &str = include_str!("../../../../conformance/skill-digest.json");

    #[derive(Deserialize)]
    struct Cases {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        #[serde(default)]
        files: BTreeMap<String, String>,
        #[serde(default)]
        sizes: BTreeMap<String, usize>,
        #[serde(default)]
        many: BTreeMap<String, usize>,
        #[serde(default)]
        links: BTreeMap<String, String>,
        digest: String,
    }

    fn write(skill: &Path, path: &str, bytes: &[u8]) {
        let path = skill.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn laid_out(case: &Case) -> tempfile::TempDir {
        let skills = tempfile::tempdir().unwrap();
        let skill = skills.path().join("notes");
        fs::create_dir(&skill).unwrap();
        case.files.iter().for_each(|(path, text)| write(&skill, path, text.as_bytes()));
        case.sizes.iter().for_each(|(path, size)| write(&skill, path, &vec![b'#'; *size]));
        for (folder, count) in &case.many {
            (0..*count).for_each(|n| write(&skill, &format!("{folder}/m{n:04}.py"), b""));
        }
        for (path, target) in &case.links {
            let path = skill.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        skills
    }

    fn read(skills: &Path) -> SkillFolder {
        let skills = skills.canonicalize().unwrap();
        SkillFolder::read(&skills, &skills, "notes")
    }

    #[test]
    fn the_digest_of_a_skill_is_what_both_languages_make_of_it() {
        let cases: Cases = serde_json::from_str(CASES).unwrap();
        let mut wrong = Vec::new();
        for case in &cases.cases {
            let skills = laid_out(case);
            let digest = read(skills.path()).code.unwrap_or_default();
            let skills_dir = skills.path().canonicalize().unwrap();
            if !digest.is_empty() {
                assert_eq!(super::skill_code(&skills_dir, "notes").digest, digest, "{}", case.name);
            }
            if digest != case.digest {
                wrong.push(format!("{}: {digest}, not {}", case.name, case.digest));
            }
        }
        assert!(wrong.is_empty() && cases.cases.len() > 8, "{wrong:#?}");
    }

    #[test]
    fn every_file_of_the_digest_is_known_by_its_stamp_and_none_twice() {
        let cases: Cases = serde_json::from_str(CASES).unwrap();
        // A link is known twice: by what it is, and by what it points to.
        for case in cases.cases.iter().filter(|case| case.links.is_empty()) {
            let skills = laid_out(case);
            let mut paths: Vec<String> =
                read(skills.path()).paths.into_iter().map(|known| known.path).collect();
            let all = paths.len();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), all, "{}", case.name);
        }
        let skills = tempfile::tempdir().unwrap();
        write(skills.path(), "notes/scripts/a.py", b"");
        write(skills.path(), "notes/lib/b.py", b"");
        let paths: Vec<String> = read(skills.path()).paths.into_iter().map(|known| known.path).collect();
        for path in ["notes", "notes/scripts", "notes/scripts/a.py", "notes/lib", "notes/lib/b.py"] {
            assert!(paths.iter().any(|known| known == path), "{path} of {paths:?}");
        }
    }

    #[test]
    fn a_folder_without_scripts_has_no_code_and_is_not_walked() {
        let skills = tempfile::tempdir().unwrap();
        write(skills.path(), "notes/src/deep/a.py", b"");
        let skill = read(skills.path());
        assert_eq!(skill.code, None);
        assert!(skill.paths.iter().all(|known| !known.path.contains("deep")));
    }
}
