//! Which files of a skill lie where nobody looks for them, and where do they belong?
//!
//! Files are opened here only when they are out of place: an ordinary skill costs nothing.

use std::fs::DirEntry;

use super::{EntryKind, SkillFolder, SkillWalk};
use crate::stamp::Stamp;

/// What people call the folder `scripts`, besides its name in capitals.
const NEARLY_SCRIPTS: [&str; 8] =
    ["script", "scrips", "scipts", "sripts", "scriptss", "src", "tools", "python"];

/// What people call a `SKILL.md`, besides its name in other letters.
const NEARLY_SKILL_MD: [&str; 7] =
    ["skill.md", "skills.md", "skil.md", "skill.txt", "skill.markdown", "skill.mdx", "skill"];

/// Files that other tools install from.
const INSTALLERS: [&str; 6] =
    ["requirements.txt", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "environment.yaml"];

/// Names listed in one help at most.
const SHOWN_MAX: usize = 12;

impl SkillWalk<'_> {
    /// Looks at what lies beside `SKILL.md` and is none of the files that are read.
    pub(super) fn beside(&mut self, entry: &DirEntry, name: &str, path: &str) {
        let lower = name.to_ascii_lowercase();
        if INSTALLERS.contains(&name) || (lower.starts_with("requirements") && lower.ends_with(".txt")) {
            return self.installer(name, path);
        }
        if NEARLY_SKILL_MD.contains(&&*lower) {
            if self.kind(entry, path) == EntryKind::File {
                self.warn(
                    path,
                    "misspelt-skill-md",
                    format!("`{name}` is not read"),
                    "rename it to `SKILL.md`, in capitals",
                );
            }
            return;
        }
        if lower.ends_with(".py") && !super::is_for_tests(name) {
            self.source(name, path);
        }
        self.other_sources(name, path);
    }

    /// Python files that are not read because of the end of their names.
    pub(super) fn other_sources(&mut self, name: &str, path: &str) {
        let lower = name.to_ascii_lowercase();
        let is_source = [".pyw", ".py3", ".py.txt"].iter().any(|end| lower.ends_with(end))
            || (lower.ends_with(".py") && !name.ends_with(".py"));
        if is_source {
            let help = "give it a name that ends in `.py`";
            self.warn(path, "not-read", format!("`{name}` is not read"), help);
        } else if lower.ends_with(".ipynb") {
            let help = "tools are functions in files that end in `.py`: copy them there";
            self.note(path, "not-read", format!("`{name}` is a notebook and is not read"), help);
        }
    }

    /// Says of a folder without any skill what in it was probably meant to be one.
    pub(super) fn nothing_here(&mut self, skill: &SkillFolder, folders: &[(String, String)]) {
        if skill.has_scripts {
            return;
        }
        for (name, path) in folders {
            let lower = name.to_ascii_lowercase();
            let nearly = NEARLY_SCRIPTS.contains(&&*lower);
            let inside = if nearly || skill.skill_md.is_none() { self.names(path) } else { Vec::new() };
            let has_source = inside.iter().any(|name| name.ends_with(".py"));
            if lower == "scripts" || nearly && has_source {
                let help =
                    format!("rename it to `scripts`: tools are looked for in `{}/scripts` only", self.folder);
                self.warn(path, "misspelt-scripts", format!("the folder `{name}` is not read"), &help);
            } else if skill.skill_md.is_none()
                && inside.iter().any(|name| matches!(&**name, "SKILL.md" | "scripts"))
            {
                let help = format!(
                    "skills are looked for one level deep: move it up, or name `{}` with `--skills`",
                    self.folder
                );
                self.warn(
                    path,
                    "nested-skill",
                    format!("`{path}` looks like a skill and is not served"),
                    &help,
                );
            }
        }
    }

    fn names(&mut self, folder: &str) -> Vec<String> {
        self.remember(folder, Stamp::of(&self.skills_dir.join(folder)));
        let entries = super::entries(&self.skills_dir.join(folder)).unwrap_or_default();
        entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// A Python file beside `SKILL.md`.
    fn source(&mut self, name: &str, path: &str) {
        let Some(file) = self.read_file(path) else { return };
        let help = format!("move it to `{}/scripts/{name}`: tools are looked for there", self.folder);
        match decorated(&file.text) {
            Some(line) => {
                let message = format!("`{name}` is not read, and it holds what looks like tools");
                self.warn(path, "source-outside-scripts", message, &help);
                self.place(line);
            }
            None => {
                self.note(path, "source-outside-scripts", format!("`{name}` is not read"), &help);
            }
        }
    }

    fn installer(&mut self, name: &str, path: &str) {
        let message = format!("`{name}` is not read, so what it names is not installed");
        let listed = match self.read_file(path).filter(|_| name.ends_with(".txt")) {
            Some(file) => requirements(&file.text),
            None => Vec::new(),
        };
        let help = if listed.is_empty() {
            "list what the skill needs in `pyproject.toml`: `[project]`, `dependencies = [\"…\"]`".to_owned()
        } else {
            let shown: Vec<_> = listed.iter().take(SHOWN_MAX).map(|name| format!("\"{name}\"")).collect();
            let more = if listed.len() > SHOWN_MAX { ", …" } else { "" };
            format!(
                "write in `pyproject.toml`, under `[project]`: `dependencies = [{}{more}]`",
                shown.join(", ")
            )
        };
        self.warn(path, "installer-file", message, &help);
    }

    /// Gives the last finding a line.
    fn place(&mut self, line: usize) {
        if let Some(finding) = self.findings.last_mut() {
            finding.line = u32::try_from(line).unwrap_or(u32::MAX);
            finding.column = 1;
        }
    }
}

/// The line of the first decorator that was meant to make a tool.
pub(super) fn decorated(text: &str) -> Option<usize> {
    let marks = |line: &str| {
        let name = line.strip_prefix('@').map(|rest| rest.split('(').next().unwrap_or(rest).trim());
        let last = name.map(|name| name.rsplit('.').next().unwrap_or(name));
        matches!(last, Some("tool" | "tools" | "skill_command"))
    };
    text.lines().position(marks).map(|at| at + 1)
}

/// The lines of a `requirements.txt` that name packages.
fn requirements(text: &str) -> Vec<String> {
    let lines =
        text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim().trim_end_matches('\\').trim());
    let named = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '-']));
    named.map(|line| line.replace('"', "'")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_taken_from_a_requirements_file_without_comments_and_options() {
        let text = "# all\n-r other.txt\nidna==3.7  # for names\n\nrequests[socks]>=2 ; python_version < \"3.12\"\n--pre\n";
        assert_eq!(requirements(text), ["idna==3.7", "requests[socks]>=2 ; python_version < '3.12'"]);
    }

    #[test]
    fn a_decorator_is_found_with_its_line() {
        assert_eq!(decorated("import x\n@mcp.tool()\ndef f(): ...\n"), Some(2));
        assert_eq!(decorated("@tool\ndef f(): ...\n"), Some(1));
        assert_eq!(decorated("@toolbox\ndef f(): ...\n    # @tool\n"), None);
    }
}
