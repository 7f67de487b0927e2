//! Which files of a skill are prompts, texts that prompts include, or pages that hosts show beside a chat?
//!
//! They are read wherever they lie below a folder of their own, and never through a link: nobody follows one when a prompt is
//! filled in or a page is served.

use super::{ReadFile, SkillWalk};
use crate::stamp::Stamp;
use crate::{app_page_names, prompt_names};

/// More folders within each other are a web site.
const DEPTH_MAX: usize = 4;

/// What is read so, and what is said of the rest.
struct UnlinkedFiles {
    /// Whether a file is one, by its name.
    is_one: fn(&str) -> bool,
    /// What they are called among each other.
    plural: &'static str,
    link_code: &'static str,
    count_max: usize,
    /// What there are too many of, and what becomes of them.
    too_many: (&'static str, &'static str),
    bytes_max: u64,
    /// What to do with one that is larger.
    too_large: &'static str,
}

/// What prompts are made of. What is too large to be filled in is not read either.
const PROMPTS: UnlinkedFiles = UnlinkedFiles {
    is_one: prompt_names::is_read,
    plural: "prompts",
    link_code: "linked-prompt",
    count_max: 500,
    too_many: ("files of prompts", "are not read"),
    bytes_max: omni_prompts::FILE_BYTES_MAX,
    too_large: "no prompt is that long: offer the text as a resource",
};

/// Pages for apps; any file that is read has a bound of its own.
const PAGES: UnlinkedFiles = UnlinkedFiles {
    is_one: app_page_names::is_page,
    plural: "pages",
    link_code: "linked-page",
    count_max: 100,
    too_many: ("pages for apps", "are not offered as such"),
    bytes_max: u64::MAX,
    too_large: "",
};

impl SkillWalk<'_> {
    /// Reads what prompts are made of, below a folder.
    pub(super) fn prompts(&mut self, folder: &str, prompts: &mut Vec<ReadFile>) {
        self.unlinked(&PROMPTS, folder, 1, prompts);
    }

    /// Says that a folder of prompts is a link.
    pub(super) fn linked_prompts(&mut self, path: &str) {
        self.link(&PROMPTS, path);
    }

    /// Reads the pages for apps, below a folder.
    pub(super) fn pages(&mut self, folder: &str, pages: &mut Vec<ReadFile>) {
        self.unlinked(&PAGES, folder, 1, pages);
    }

    /// Adds those below `folder` to `found`. `depth` is that of the folder, from 1.
    fn unlinked(&mut self, files: &UnlinkedFiles, folder: &str, depth: usize, found: &mut Vec<ReadFile>) {
        if depth > DEPTH_MAX {
            let message = format!("the folder is nested deeper than {DEPTH_MAX} levels and is not read");
            return self.warn(folder, "nested-too-deep", message, "move it up");
        }
        let Some(entries) = self.enter(folder) else { return };
        for entry in entries {
            let Some(name) = self.name(&entry) else { continue };
            let path = format!("{folder}/{name}");
            let Some(kind) = entry.file_type().ok().filter(|_| !self.hidden(&name)) else { continue };
            if kind.is_dir() {
                self.unlinked(files, &path, depth + 1, found);
            } else if !(files.is_one)(&name) {
                continue;
            } else if kind.is_symlink() {
                self.link(files, &path);
            } else if !kind.is_file() {
                let message = "it is not an ordinary file and is not read".to_owned();
                self.warn(&path, "not-a-file", message, "replace the pipe, socket or device by a file");
            } else if found.len() == files.count_max {
                let (what, outcome) = files.too_many;
                let message = format!(
                    "the skill has more than {} {what}; this one and later ones {outcome}",
                    files.count_max
                );
                return self.warn(&path, "too-many-files", message, "split the skill");
            } else {
                found.extend(self.unlinked_file(files, &path));
            }
        }
    }

    fn unlinked_file(&mut self, files: &UnlinkedFiles, path: &str) -> Option<ReadFile> {
        let file = self.read_file(path)?;
        if file.text.len() as u64 <= files.bytes_max {
            return Some(file);
        }
        let message = format!("the file is larger than {} MiB and is not read", files.bytes_max >> 20);
        self.error(path, "too-large", message, files.too_large);
        None
    }

    /// Says of a link that it is not followed.
    fn link(&mut self, files: &UnlinkedFiles, path: &str) {
        self.remember(path, Stamp::of(&self.skills_dir.join(path)));
        let message = format!("a link among {} is not followed", files.plural);
        self.warn(path, files.link_code, message, "copy what it points to");
    }
}
