//! Which files of a skill are pages that hosts show beside a chat?

use super::{ReadFile, SkillWalk};
use crate::app_page_names::is_page;
use crate::stamp::Stamp;

/// More pages, or deeper folders, are a web site.
const PAGES_MAX: usize = 100;
const PAGE_DEPTH_MAX: usize = 4;

impl SkillWalk<'_> {
    /// Reads the pages. Links are not followed, since nobody follows them when a page is read.
    pub(super) fn pages(&mut self, folder: &str, depth: usize, pages: &mut Vec<ReadFile>) {
        if depth > PAGE_DEPTH_MAX {
            let message = format!("the folder is nested deeper than {PAGE_DEPTH_MAX} levels and is not read");
            return self.warn(folder, "nested-too-deep", message, "move it up");
        }
        let Some(entries) = self.enter(folder) else { return };
        for entry in entries {
            let Some(name) = self.name(&entry) else { continue };
            let path = format!("{folder}/{name}");
            let Some(kind) = entry.file_type().ok().filter(|_| !self.hidden(&name)) else { continue };
            if kind.is_dir() {
                self.pages(&path, depth + 1, pages);
            } else if !is_page(&name) {
                continue;
            } else if kind.is_symlink() {
                self.remember(&path, Stamp::of(&self.skills_dir.join(&path)));
                let message = "a link among pages is not followed".to_owned();
                self.warn(&path, "linked-page", message, "copy what it points to");
            } else if !kind.is_file() {
                let message = "it is not an ordinary file and is not read".to_owned();
                self.warn(&path, "not-a-file", message, "replace the pipe, socket or device by a file");
            } else if pages.len() == PAGES_MAX {
                let message = format!(
                    "the skill has more than {PAGES_MAX} pages for apps; this one and later ones are not offered as such"
                );
                return self.warn(&path, "too-many-files", message, "split the skill");
            } else {
                pages.extend(self.read_file(&path));
            }
        }
    }
}
