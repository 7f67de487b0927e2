//! Which files make up a skill, and what stands in them.

pub(crate) mod code;
mod held_back;
mod misplaced;
mod page_links;
mod skill_files;
mod unlinked;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::app_page_names;
use crate::file_stamps::PathStamp;
use crate::skill_file::SkillFile;
use crate::stamp::Stamp;
use crate::{Diagnostic, Severity};

/// A larger source file is not read: a person did not write it.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 20;
/// More source files, or deeper folders, are not one skill.
const SOURCE_FILES_MAX: usize = 2_000;
const DEPTH_MAX: usize = 16;
/// How often a skill is read that goes on changing.
const READS_MAX: usize = 4;

/// The folders in the skills folder that may be skills.
#[derive(Debug, Default)]
pub(crate) struct Root {
    /// Folder names, sorted.
    pub(crate) folders: Vec<String>,
    pub(crate) findings: Vec<Diagnostic>,
    pub(crate) paths: Vec<PathStamp>,
}

/// A skill as it is on disk.
#[derive(Debug)]
pub(crate) struct SkillFolder {
    pub(crate) folder: String,
    /// Where it is.
    pub(crate) place: PathBuf,
    pub(crate) skill_md: Option<ReadFile>,
    /// Every Python file below `scripts/`, sorted by path.
    pub(crate) sources: Vec<ReadFile>,
    pub(crate) pyproject: Option<ReadFile>,
    pub(crate) lock: Option<ReadFile>,
    /// The texts below `prompts/`, sorted by path.
    pub(crate) prompts: Vec<ReadFile>,
    /// The HTML files below `ui/`, sorted by path.
    pub(crate) pages: Vec<ReadFile>,
    /// Whether there is a `scripts` folder.
    pub(crate) has_scripts: bool,
    /// The digest over all Python files of the skill; `None` where there is no `scripts`, and so nothing that a worker
    /// loads.
    pub(crate) code: Option<String>,
    /// What clients may read, `SKILL.md` first.
    pub(crate) offered: Vec<SkillFile>,
    pub(crate) findings: Vec<Diagnostic>,
    pub(crate) paths: Vec<PathStamp>,
}

#[derive(Debug)]
pub(crate) struct ReadFile {
    /// Relative to the skill's folder, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) hash: blake3::Hash,
}

/// A Python file of a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the skill's folder, with `/`.
    pub path: String,
    pub text: String,
}

/// Reads the Python files of one skill anew, those below `scripts`, sorted by path. What cannot be read is left out: the
/// catalogue has a finding about it.
pub fn sources(skills_dir: &Path, folder: &str) -> Vec<SourceFile> {
    let read = SkillFolder::read(skills_dir, skills_dir, folder);
    read.sources.into_iter().map(|file| SourceFile { path: file.path, text: file.text }).collect()
}

/// Lists the skills folder, which is canonical.
pub(crate) fn list(skills_dir: &Path) -> io::Result<Root> {
    let mut walk = SkillWalk::new(skills_dir, "");
    let stamp = Stamp::of(skills_dir);
    let mut root = Root::default();
    for entry in entries(skills_dir)? {
        let Some(name) = walk.name(&entry) else { continue };
        if walk.hidden(&name) {
            continue;
        }
        if name.starts_with('_') {
            walk.note(
                &name,
                "private-folder",
                format!("`{name}` is not served"),
                "names with a leading underscore are private; rename it to serve it",
            );
        } else {
            match walk.kind(&entry, &name) {
                EntryKind::Folder => root.folders.push(name),
                EntryKind::File if name.ends_with(".py") && !is_for_tests(&name) => {
                    let stem = name.trim_end_matches(".py");
                    let help = format!(
                        "a skill is a folder: move it to `{stem}/scripts/{name}`, and write a `{stem}/SKILL.md`"
                    );
                    walk.warn(
                        &name,
                        "source-outside-skill",
                        format!("`{name}` belongs to no skill and is not read"),
                        &help,
                    );
                }
                EntryKind::File | EntryKind::Other => {}
            }
        }
    }
    walk.remember("", stamp);
    root.findings = walk.findings;
    root.paths = walk.paths;
    root.paths.iter_mut().for_each(|known| known.stamp = known.stamp.settled(walk.started));
    Ok(root)
}

impl SkillFolder {
    /// Reads what is in `folder` of the canonical `skills_dir`. What cannot be read is a finding, and so is a link that
    /// leads out of `within`.
    ///
    /// What is written to while it is read would be half of one version and half of another. So it is read anew where
    /// something has changed by then, a few times at most: what is still being written is looked at again by whoever
    /// watches, since its stamps are not settled.
    pub(crate) fn read(skills_dir: &Path, within: &Path, folder: &str) -> SkillFolder {
        let mut read = SkillFolder::read_once(skills_dir, within, folder);
        for _ in 1..READS_MAX {
            if read.0.is_unchanged(skills_dir) {
                break;
            }
            read = SkillFolder::read_once(skills_dir, within, folder);
        }
        let (mut skill, started) = read;
        skill.paths.iter_mut().for_each(|known| known.stamp = known.stamp.settled(started));
        skill
    }

    /// Whether nothing that was read is another one by now. The stamps must be those of the reading.
    fn is_unchanged(&self, skills_dir: &Path) -> bool {
        self.paths.iter().all(|known| Stamp::of(&skills_dir.join(&known.path)) == known.stamp)
    }

    /// The stamps are those of the reading, and the time is that of its beginning.
    fn read_once(skills_dir: &Path, within: &Path, folder: &str) -> (SkillFolder, SystemTime) {
        let mut walk = SkillWalk { within, ..SkillWalk::new(skills_dir, folder) };
        let mut skill = SkillFolder {
            folder: folder.to_owned(),
            place: skills_dir.join(folder),
            skill_md: None,
            sources: Vec::new(),
            pyproject: None,
            lock: None,
            prompts: Vec::new(),
            pages: Vec::new(),
            has_scripts: false,
            code: None,
            offered: Vec::new(),
            findings: Vec::new(),
            paths: Vec::new(),
        };
        walk.top(&mut skill);
        skill.sources.sort_by(|a, b| a.path.cmp(&b.path));
        skill.prompts.sort_by(|a, b| a.path.cmp(&b.path));
        skill.pages.sort_by(|a, b| a.path.cmp(&b.path));
        skill.code = skill.has_scripts.then(|| walk.code_digest(&skill.sources));
        skill.offered = walk.skill_files(&skill);
        skill.findings = walk.findings;
        skill.paths = walk.paths;
        (skill, walk.started)
    }

    /// Every file that was read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &ReadFile> {
        let own = self.skill_md.iter().chain(&self.pyproject).chain(&self.lock);
        own.chain(&self.sources).chain(&self.prompts).chain(&self.pages)
    }

    /// Names the content: equal digests give equal records.
    pub(crate) fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(self.folder.as_bytes());
        for file in self.files() {
            part(file.path.as_bytes());
            part(file.hash.as_bytes());
        }
        part(&[u8::from(self.has_scripts)]);
        part(self.code.as_deref().unwrap_or_default().as_bytes());
        for file in &self.offered {
            part(file.path.as_bytes());
            part(file.sha256.as_bytes());
        }
        for finding in &self.findings {
            part(finding.file.as_bytes());
            part(finding.message.as_bytes());
            part(finding.help.as_deref().unwrap_or_default().as_bytes());
            part(&finding.line.to_le_bytes());
        }
        hasher.finalize()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    Folder,
    File,
    Other,
}

struct SkillWalk<'a> {
    skills_dir: &'a Path,
    /// Where links may lead: the skills folder, or the one skill that is served.
    within: &'a Path,
    folder: &'a str,
    /// The time before the first file was read; see [`Stamp::settled`].
    started: SystemTime,
    findings: Vec<Diagnostic>,
    paths: Vec<PathStamp>,
}

impl<'a> SkillWalk<'a> {
    fn new(skills_dir: &'a Path, folder: &'a str) -> Self {
        let started = SystemTime::now();
        SkillWalk { skills_dir, within: skills_dir, folder, started, findings: Vec::new(), paths: Vec::new() }
    }

    fn top(&mut self, skill: &mut SkillFolder) {
        let Some(entries) = self.enter(self.folder) else { return };
        let mut folders = Vec::new();
        for entry in entries {
            let Some(name) = self.name(&entry) else { continue };
            let path = format!("{}/{name}", self.folder);
            match name.as_str() {
                "SKILL.md" if self.kind(&entry, &path) == EntryKind::File => {
                    skill.skill_md = self.read_file(&path);
                }
                "scripts" if self.kind(&entry, &path) == EntryKind::Folder => {
                    skill.has_scripts = true;
                    self.scripts(&path, 1, &mut skill.sources);
                }
                "pyproject.toml" if self.kind(&entry, &path) == EntryKind::File => {
                    skill.pyproject = self.read_file(&path);
                }
                "uv.lock" if self.kind(&entry, &path) == EntryKind::File => {
                    skill.lock = self.read_file(&path);
                }
                omni_prompts::FOLDER if entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
                    self.prompts(&path, &mut skill.prompts);
                }
                omni_prompts::FOLDER if entry.file_type().is_ok_and(|kind| kind.is_symlink()) => {
                    self.linked_prompts(&path);
                }
                app_page_names::FOLDER if entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
                    self.pages(&path, &mut skill.pages);
                }
                // A link that leads out, which is reported.
                "SKILL.md" | "scripts" | "pyproject.toml" | "uv.lock" => {}
                _ if self.hidden(&name) => {}
                _ => {
                    self.beside(&entry, &name, &path);
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        folders.push((name, path));
                    }
                }
            }
        }
        self.nothing_here(skill, &folders);
    }

    fn scripts(&mut self, folder: &str, depth: usize, sources: &mut Vec<ReadFile>) {
        if depth > DEPTH_MAX {
            let message = format!("the folder is nested deeper than {DEPTH_MAX} levels and is not read");
            return self.error(folder, "nested-too-deep", message, "move it up");
        }
        let Some(entries) = self.enter(folder) else { return };
        for entry in entries {
            let Some(name) = self.name(&entry) else { continue };
            if self.hidden(&name) {
                continue;
            }
            let path = format!("{folder}/{name}");
            match self.kind(&entry, &path) {
                EntryKind::Folder => self.scripts(&path, depth + 1, sources),
                EntryKind::File if name.ends_with(".py") && name != "setup.py" => {
                    if sources.len() == SOURCE_FILES_MAX {
                        let message = format!(
                            "the skill has more than {SOURCE_FILES_MAX} Python files; this one and later ones are not read"
                        );
                        return self.error(
                            &path,
                            "too-many-files",
                            message,
                            "split the skill, or move data and tests out of `scripts`",
                        );
                    }
                    sources.extend(self.read_file(&path));
                }
                EntryKind::Other
                    if name.ends_with(".py") && entry.file_type().is_ok_and(|kind| !kind.is_symlink()) =>
                {
                    let message = "it is not an ordinary file and is not read".to_owned();
                    self.warn(&path, "not-a-file", message, "replace the pipe, socket or device by a file");
                }
                EntryKind::File if matches!(&*name, "requirements.txt" | "setup.py") => {
                    self.beside(&entry, &name, &path)
                }
                EntryKind::File => self.other_sources(&name, &path),
                EntryKind::Other => {}
            }
        }
    }

    /// Remembers a folder and lists it in order. Its stamp is taken first: what is added while it is
    /// listed changes it again.
    fn enter(&mut self, folder: &str) -> Option<Vec<fs::DirEntry>> {
        let path = self.skills_dir.join(folder);
        self.remember(folder, Stamp::of(&path));
        match entries(&path) {
            Ok(entries) => Some(entries),
            Err(error) => {
                let message = format!("the folder cannot be listed: {}", plain(&error));
                self.error(folder, "unreadable", message, "check its permissions");
                None
            }
        }
    }

    fn read_file(&mut self, path: &str) -> Option<ReadFile> {
        let mut bytes = Vec::new();
        match self.read_bytes(path, &mut bytes) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("the file is larger than {} MiB and is not read", FILE_BYTES_MAX >> 20);
                self.error(path, "too-large", message, "move data out of the source, or split it");
                return None;
            }
            Err(error) => {
                let message = format!("the file cannot be read: {}", plain(&error));
                self.error(path, "unreadable", message, "check its permissions");
                return None;
            }
        }
        let hash = blake3::hash(&bytes);
        let own = path.strip_prefix(self.folder).and_then(|own| own.strip_prefix('/')).unwrap_or(path);
        match String::from_utf8(bytes) {
            Ok(text) => Some(ReadFile { path: own.to_owned(), text, hash }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                self.not_utf8(path, &error.as_bytes()[..good]);
                None
            }
        }
    }

    /// `false` when the file is too large.
    fn read_bytes(&mut self, path: &str, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let absolute = self.skills_dir.join(path);
        let opened = File::open(&absolute).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.remember(path, Stamp::of(&absolute));
                return Err(error);
            }
        };
        self.remember(path, Stamp::from(&metadata));
        if metadata.len() > FILE_BYTES_MAX {
            return Ok(false);
        }
        // The file may grow while it is read.
        file.take(FILE_BYTES_MAX + 1).read_to_end(bytes)?;
        Ok(bytes.len() as u64 <= FILE_BYTES_MAX)
    }

    fn not_utf8(&mut self, path: &str, good: &[u8]) {
        let line_start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&good[line_start..]).chars().count() + 1;
        self.error(path, "not-utf-8", "the file is not UTF-8 and is not read".to_owned(), "save it as UTF-8");
        if let Some(finding) = self.findings.last_mut() {
            finding.line = u32::try_from(line).unwrap_or(u32::MAX);
            finding.column = u32::try_from(column).unwrap_or(u32::MAX);
        }
    }

    fn name(&mut self, entry: &fs::DirEntry) -> Option<String> {
        match entry.file_name().into_string() {
            Ok(name) => Some(name),
            Err(name) => {
                let shown = format!("{}/{}", self.folder, name.to_string_lossy());
                let message = "the name is not UTF-8, so it is not read".to_owned();
                self.error(shown.trim_start_matches('/'), "bad-file-name", message, "rename it");
                None
            }
        }
    }

    fn hidden(&self, name: &str) -> bool {
        name.starts_with('.') || name == "__pycache__"
    }

    /// What an entry is, through a link that stays within the skills folder. A link that leads out is a
    /// finding: serving a skills folder must not serve what it happens to point at.
    fn kind(&mut self, entry: &fs::DirEntry, path: &str) -> EntryKind {
        let Ok(kind) = entry.file_type() else { return EntryKind::Other };
        if !kind.is_symlink() {
            return match (kind.is_dir(), kind.is_file()) {
                (true, _) => EntryKind::Folder,
                (_, true) => EntryKind::File,
                _ => EntryKind::Other,
            };
        }
        let absolute = self.skills_dir.join(path);
        self.remember(path, Stamp::of(&absolute));
        match fs::canonicalize(&absolute) {
            Err(error) => {
                let message = format!("the link leads nowhere: {}", plain(&error));
                self.warn(path, "broken-link", message, "remove it, or restore what it points to");
                EntryKind::Other
            }
            Ok(target) if !target.starts_with(self.within) => {
                let message = "the link leads out of the skills folder and is not followed".to_owned();
                self.error(path, "link-leads-out", message, "copy what it points to into the skills folder");
                EntryKind::Other
            }
            Ok(target) if target.is_dir() && !self.folder.is_empty() => {
                let message = "a link to a folder inside a skill is not followed".to_owned();
                self.warn(path, "linked-folder", message, "link single files, or copy the folder");
                EntryKind::Other
            }
            Ok(target) if target.is_dir() => EntryKind::Folder,
            Ok(target) if target.is_file() => EntryKind::File,
            Ok(_) => EntryKind::Other,
        }
    }

    fn remember(&mut self, path: &str, stamp: Stamp) {
        self.paths.push(PathStamp { path: path.to_owned(), stamp });
    }

    fn error(&mut self, path: &str, code: &str, message: String, help: &str) {
        self.find(Severity::Error, path, code, message, help);
    }

    fn warn(&mut self, path: &str, code: &str, message: String, help: &str) {
        self.find(Severity::Warning, path, code, message, help);
    }

    fn note(&mut self, path: &str, code: &str, message: String, help: &str) {
        self.find(Severity::Note, path, code, message, help);
    }

    fn find(&mut self, severity: Severity, path: &str, code: &str, message: String, help: &str) {
        self.findings.push(Diagnostic {
            severity,
            skill: self.folder.to_owned(),
            file: path.to_owned(),
            line: 0,
            column: 0,
            code: code.to_owned(),
            message,
            help: Some(help.to_owned()),
        });
    }
}

/// Files that test runners look for, and the mark of a package: they hold no tools.
fn is_for_tests(name: &str) -> bool {
    matches!(name, "__init__.py" | "conftest.py") || name.starts_with("test_")
}

/// The entries of a folder, by name: the file system gives them in any order.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

/// An operating system error without its number, which tells an author nothing.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
