//! Which files of a skill may clients read, and what is known of each?
//!
//! A public skill names its files in prose, so all that lies in the folder belongs to it: what is left out is what nobody
//! wrote for a reader. Files are hashed here, so that a client can tell whether what it reads is what it was told of.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _};

use omni_call::MimeType;
use sha2::{Digest as _, Sha256};

use super::code::{LEFT_OUT, hex};
use super::held_back::{is_left_by_a_program, is_secret, is_strange};
use super::misplaced::decorated;
use super::page_links::linked_files;
use super::{DEPTH_MAX, SkillFolder, SkillWalk, entries};
use crate::front_matter;
use crate::skill_file::SkillFile;
use crate::some_names::some_of;
use crate::stamp::Stamp;

/// Files of a skill at most, `SKILL.md` among them: what the extension for skills has every client take.
const FILES_MAX: usize = 512;
/// Bytes of all of them at most, likewise.
const BYTES_MAX: u64 = 16 << 20;
/// So many files are looked at before a folder is taken for none that a person made.
const LOOKED_AT_MAX: usize = 10_000;

/// Folders directly beneath the skill's in which its tools keep what they write, or which are for its developers. Of a
/// skill without tools they are files like others.
const OF_TOOLS: [&str; 2] = ["data", "tests"];

/// What makes a folder a virtual environment.
const ENVIRONMENT_MARK: &str = "pyvenv.cfg";

/// What a walk through the folder comes upon.
#[derive(Default)]
struct FoundFiles {
    /// Relative to the skill's folder, and their sizes.
    files: Vec<(String, u64)>,
    looked_at: usize,
    links: Vec<String>,
    secrets: Vec<String>,
    /// What cannot be offered, with the reason.
    strange: BTreeMap<&'static str, Vec<String>>,
}

impl FoundFiles {
    /// `path` is relative to the skills folder, and `folder` is the skill's in it.
    fn strange(&mut self, path: String, folder: &str, why: &'static str) {
        let own = path.strip_prefix(folder).and_then(|own| own.strip_prefix('/')).unwrap_or(&path);
        self.strange.entry(why).or_default().push(own.escape_debug().to_string());
    }
}

impl SkillWalk<'_> {
    /// The files of a skill that clients may read, `SKILL.md` first and then by path. What has been read already is not
    /// read again.
    pub(super) fn skill_files(&mut self, skill: &SkillFolder) -> Vec<SkillFile> {
        if skill.skill_md.is_none() && !skill.has_scripts {
            return Vec::new();
        }
        let mut known: HashSet<String> = self.paths.iter().map(|known| known.path.clone()).collect();
        let mut found = FoundFiles::default();
        let links = skill.skill_md.as_ref().map(|page| linked_files(&page.text)).unwrap_or_default();
        self.find_files(self.folder, 0, (has_tools(skill), &links), &mut known, &mut found);
        self.say_missing(&links, &found);
        let left_out = bounded(skill, &mut found);
        self.say_left_out(&found, &left_out);
        let own = |path: &str| skill.files().find(|file| file.path == path);
        let files = found.files.iter().filter_map(|(path, _)| match own(path) {
            Some(file) => Some(described(path, file.text.as_bytes())),
            None => self.read_skill_file(path, &mut known),
        });
        let mut files: Vec<SkillFile> = files.collect();
        files.sort_by(|a, b| (a.path != "SKILL.md", &a.path).cmp(&(b.path != "SKILL.md", &b.path)));
        files
    }

    fn find_files(
        &mut self,
        folder: &str,
        depth: usize,
        (has_tools, links): (bool, &BTreeMap<String, u32>),
        known: &mut HashSet<String>,
        found: &mut FoundFiles,
    ) {
        let absolute = self.skills_dir.join(folder);
        // Its stamp is taken first: what is added while it is listed changes it again.
        if known.insert(folder.to_owned()) {
            self.remember(folder, Stamp::of(&absolute));
        }
        let entries = match entries(&absolute) {
            Ok(entries) => entries,
            Err(error) => {
                self.not_offered(folder, &error);
                return;
            }
        };
        for entry in entries {
            let Ok(kind) = entry.file_type() else { continue };
            let name = match entry.file_name().into_string() {
                Ok(name) => name,
                Err(name) => {
                    found.strange(
                        format!("{folder}/{}", name.to_string_lossy()),
                        self.folder,
                        "its name is no UTF-8",
                    );
                    continue;
                }
            };
            if self.hidden(&name) || found.looked_at == LOOKED_AT_MAX {
                continue;
            }
            let path = format!("{folder}/{name}");
            let own = path.strip_prefix(self.folder).and_then(|own| own.strip_prefix('/')).unwrap_or(&path);
            if kind.is_dir() {
                let of_tools = depth == 0 && has_tools && OF_TOOLS.contains(&&*name);
                let left_out = LEFT_OUT.contains(&&*name) || entry.path().join(ENVIRONMENT_MARK).exists();
                if of_tools || left_out {
                    continue;
                }
                if let Some(why) = is_strange(&name) {
                    found.strange(path, self.folder, why);
                } else if depth == DEPTH_MAX {
                    found.strange(path, self.folder, "it lies too deep");
                } else {
                    self.find_files(&path, depth + 1, (has_tools, links), known, found);
                }
                continue;
            }
            found.looked_at += 1;
            if kind.is_symlink() {
                // What becomes of a link among the scripts, or the prompts, is said by who reads those.
                if !own.starts_with("scripts/") && !own.starts_with("prompts/") {
                    found.links.push(own.to_owned());
                }
            } else if !kind.is_file() {
                let why = "it is a pipe, a socket or a device";
                found.strange(path, self.folder, why);
            } else if let Some(why) = is_strange(&name) {
                found.strange(path, self.folder, why);
            } else if is_secret(&name) && !links.contains_key(own) {
                found.secrets.push(own.to_owned());
            } else if !is_left_by_a_program(&name) {
                let size = entry.metadata().map_or(0, |metadata| metadata.len());
                found.files.push((own.to_owned(), size));
            }
        }
    }

    /// `None` for what has gone meanwhile, cannot be read, or has grown beyond all bounds.
    fn read_skill_file(&mut self, own: &str, known: &mut HashSet<String>) -> Option<SkillFile> {
        let path = format!("{}/{own}", self.folder);
        let absolute = self.skills_dir.join(&path);
        let metadata = fs::symlink_metadata(&absolute).ok().filter(fs::Metadata::is_file)?;
        if known.insert(path.clone()) {
            self.remember(&path, Stamp::from(&metadata));
        }
        let mut bytes = Vec::new();
        let read = File::open(&absolute).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            self.not_offered(&path, &error);
            return None;
        }
        (bytes.len() as u64 <= BYTES_MAX).then(|| described(own, &bytes))
    }

    fn not_offered(&mut self, path: &str, error: &io::Error) {
        let message =
            format!("the file cannot be read, so clients are not offered it: {}", super::plain(error));
        self.warn(path, "file-not-offered", message, "check its permissions, or move it out of the skill");
    }

    /// Links of the page that lead to no file, at their lines.
    fn say_missing(&mut self, links: &BTreeMap<String, u32>, found: &FoundFiles) {
        for (path, line) in links {
            let absolute = self.skills_dir.join(self.folder).join(path);
            if found.files.iter().any(|(known, _)| known == path) || absolute.symlink_metadata().is_ok() {
                continue;
            }
            let page = format!("{}/SKILL.md", self.folder);
            let message = format!("the page links to `{path}`, and there is no such file");
            let help = "correct the path, which is relative to the skill's folder, or add the file";
            self.note(&page, "broken-page-link", message, help);
            if let Some(found) = self.findings.last_mut() {
                (found.line, found.column) = (*line, 1);
            }
        }
    }

    fn say_left_out(&mut self, found: &FoundFiles, left_out: &[String]) {
        let folder = self.folder.to_owned();
        if !left_out.is_empty() {
            let beyond = if found.looked_at == LOOKED_AT_MAX { ", and what was not looked at" } else { "" };
            let message = format!(
                "clients are not offered {}{beyond}: a skill has at most {FILES_MAX} files and {} MiB",
                some_of(left_out),
                BYTES_MAX >> 20
            );
            let help = "move what no model reads out of the skill, or into a folder whose name begins with a dot; \
                        files that `SKILL.md` names come before others";
            self.warn(&folder, "too-many-skill-files", message, help);
        }
        if !found.links.is_empty() {
            let message =
                format!("clients are not offered {}: a link may lead anywhere", some_of(&found.links));
            self.note(&folder, "file-not-offered", message, "copy what it points to");
        }
        if !found.secrets.is_empty() {
            let message =
                format!("clients are not offered {}: by the name it is a secret", some_of(&found.secrets));
            let help = "keep secrets out of the skill's folder; if it is none, link to it in `SKILL.md`, or rename it";
            self.note(&folder, "file-not-offered", message, help);
        }
        for (why, paths) in &found.strange {
            let message = format!("clients are not offered {}: {why}", some_of(paths));
            self.note(&folder, "file-not-offered", message, "rename or move what a model is to read");
        }
    }
}

/// Leaves as many files as a skill may have: `SKILL.md`, those that it names, those in `references`, then all others by
/// path. Returns what goes.
fn bounded(skill: &SkillFolder, found: &mut FoundFiles) -> Vec<String> {
    let total: u64 = found.files.iter().map(|(_, size)| *size).sum();
    if found.files.len() <= FILES_MAX && total <= BYTES_MAX {
        return Vec::new();
    }
    let page = skill.skill_md.as_ref().map(|file| &*file.text).unwrap_or_default();
    let rank = |path: &str| match path {
        "SKILL.md" => 0,
        path if page.contains(path) => 1,
        path if path.starts_with("references/") => 2,
        _ => 3,
    };
    found.files.sort_by_cached_key(|(path, _)| (rank(path), path.clone()));
    let (mut count, mut bytes, mut left_out) = (0, 0, Vec::new());
    found.files.retain(|(path, size)| {
        let fits = count < FILES_MAX && bytes + size <= BYTES_MAX;
        if fits {
            count += 1;
            bytes += size;
        } else {
            left_out.push(path.clone());
        }
        fits
    });
    left_out
}

/// Whether the skill has tools, as far as a glance at its files tells.
fn has_tools(skill: &SkillFolder) -> bool {
    let mut sources = skill.sources.iter();
    sources.any(|file| decorated(&file.text).is_some())
        || skill.skill_md.as_ref().is_some_and(|file| file.text.contains("\ntools:"))
        || skill.pyproject.as_ref().is_some_and(|file| file.text.contains("[tool.omni"))
}

fn described(path: &str, bytes: &[u8]) -> SkillFile {
    let text = || std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let mime = MimeType::of_path(path)
        .unwrap_or_else(|| if text().is_some() { MimeType::TEXT } else { MimeType::BINARY });
    let mut file = SkillFile {
        path: path.to_owned(),
        size: bytes.len() as u64,
        sha256: hex(&Sha256::digest(bytes)),
        mime_type: mime.name.to_owned(),
        title: None,
        description: None,
    };
    if mime.name == "text/markdown"
        && let Some(text) = text().filter(|text| text.starts_with("---"))
    {
        let (front, _) = front_matter::read(text);
        let said = |key: &str| front.find(key).and_then(|entry| entry.value.text()).map(str::trim);
        let said = |key: &str| said(key).filter(|text| !text.is_empty()).map(str::to_owned);
        (file.title, file.description) = (said("title"), said("description"));
    }
    file
}
