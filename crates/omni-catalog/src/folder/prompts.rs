//! Which files of a skill are prompts, or texts that prompts include?

use omni_prompts::FILE_BYTES_MAX;

use super::{ReadFile, SkillWalk};
use crate::prompt_names::is_read;
use crate::stamp::Stamp;

/// So many files of prompts one skill has.
const PROMPT_FILES_MAX: usize = 500;
const PROMPT_DEPTH_MAX: usize = 4;

impl SkillWalk<'_> {
    /// Reads what prompts are made of. Links are not followed, since nobody follows them when a prompt is filled in.
    pub(super) fn prompts(&mut self, folder: &str, depth: usize, prompts: &mut Vec<ReadFile>) {
        if depth > PROMPT_DEPTH_MAX {
            let message =
                format!("the folder is nested deeper than {PROMPT_DEPTH_MAX} levels and is not read");
            return self.warn(folder, "nested-too-deep", message, "move it up");
        }
        let Some(entries) = self.enter(folder) else { return };
        for entry in entries {
            let Some(name) = self.name(&entry) else { continue };
            let path = format!("{folder}/{name}");
            let Some(kind) = entry.file_type().ok().filter(|_| !self.hidden(&name)) else { continue };
            if kind.is_dir() {
                self.prompts(&path, depth + 1, prompts);
            } else if !is_read(&name) {
                continue;
            } else if kind.is_symlink() {
                self.linked_prompt(&path);
            } else if !kind.is_file() {
                let message = "it is not an ordinary file and is not read".to_owned();
                self.warn(&path, "not-a-file", message, "replace the pipe, socket or device by a file");
            } else if prompts.len() == PROMPT_FILES_MAX {
                let message = format!(
                    "the skill has more than {PROMPT_FILES_MAX} files of prompts; this one and later ones are not read"
                );
                return self.warn(&path, "too-many-files", message, "split the skill");
            } else {
                prompts.extend(self.read_prompt(&path));
            }
        }
    }

    /// What is too large to be filled in is not read either.
    fn read_prompt(&mut self, path: &str) -> Option<ReadFile> {
        let file = self.read_file(path)?;
        if file.text.len() as u64 <= FILE_BYTES_MAX {
            return Some(file);
        }
        let message = format!("the file is larger than {} MiB and is not read", FILE_BYTES_MAX >> 20);
        self.error(path, "too-large", message, "no prompt is that long: offer the text as a resource");
        None
    }

    pub(super) fn linked_prompt(&mut self, path: &str) {
        self.remember(path, Stamp::of(&self.skills_dir.join(path)));
        let message = "a link among prompts is not followed".to_owned();
        self.warn(path, "linked-prompt", message, "copy what it points to");
    }
}
