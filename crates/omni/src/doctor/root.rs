//! Files that omni runs or obeys, in folders where tools may write.

use std::path::{Path, PathBuf};

use omni_call::shown_path;
use omni_exec::Protected;
use serde_json::Value;

use super::finding::{Finding, Level, Section};
use crate::environments;
use crate::protected::{SETTINGS, of_python};
use crate::python::Python;
use crate::settings::{Places, RunSettings, SkillsFolder};

/// Looks which of it is there.
pub(super) fn examine(places: &Places, settings: &RunSettings, python: Option<&Python>) -> Section {
    let mut obeyed = places.protected.clone();
    if let Some(python) = python {
        let uv = environments::uv(&settings.environments).ok().flatten();
        obeyed.extend(of_python(python, uv.as_deref()));
    }
    let served: Vec<PathBuf> = places.folders().iter().map(SkillsFolder::served).collect();
    let within = WithinRoot::of(&obeyed, &places.root, &served);
    Section::of(within.findings(&places.root))
        .with("root", &places.root)
        .with("protected_within_root", within.json())
}

/// What of it lies where tools may write otherwise, and is there.
struct WithinRoot {
    /// As a project is laid out: its skills, its settings.
    usual: Vec<PathBuf>,
    /// What belongs elsewhere: whoever can have a program of the project changed decides what omni runs.
    strange: Vec<Protected>,
}

impl WithinRoot {
    fn of(list: &[Protected], root: &Path, skills: &[PathBuf]) -> WithinRoot {
        let mut found = WithinRoot { usual: Vec::new(), strange: Vec::new() };
        let here = list.iter().filter(|one| one.path.starts_with(root) || root.starts_with(&one.path));
        for one in here.filter(|one| one.path.exists() && !one.secret) {
            let is_settings = one.path.file_name().is_some_and(|name| name == SETTINGS);
            let is_within = one.path != *root && one.path.starts_with(root);
            if is_within && (is_settings || skills.contains(&one.path)) {
                found.usual.push(one.path.clone());
            } else if !found.strange.iter().any(|known| one.path.starts_with(&known.path)) {
                found.strange.push(one.clone());
            }
        }
        found
    }

    fn findings(&self, root: &Path) -> Vec<Finding> {
        let root_shown = shown_path(root);
        let strange = self.strange.iter().map(|one| {
            let place = if one.path.starts_with(root) { "lies beneath the root" } else { "holds the root" };
            let text = format!("`{}` is {}, and {place} `{root_shown}`", shown_path(&one.path), one.what);
            Finding::new(Level::Warning, "protected", text).hint(
                "omni's own tools do not write there; others may. Put it elsewhere, or name another root with `--root`",
            )
        });
        let usual: Vec<String> = self
            .usual
            .iter()
            .map(|path| format!("`{}`", shown_path(path.strip_prefix(root).unwrap_or(path))))
            .collect();
        let fact = match usual.join(", ") {
            usual if usual.is_empty() => root_shown.clone(),
            usual => format!("{root_shown}; tools that write files leave {usual} alone"),
        };
        strange.chain([Finding::fact("root", fact)]).collect()
    }

    /// The paths, for programs.
    fn json(&self) -> Value {
        let paths = self.usual.iter().chain(self.strange.iter().map(|one| &one.path));
        paths.map(|path| path.to_string_lossy().into_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_interpreter_beneath_the_root_is_a_warning_and_skills_and_settings_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().canonicalize().unwrap();
        fs::create_dir(here.join("skills")).unwrap();
        for name in ["python3", SETTINGS] {
            fs::write(here.join(name), "").unwrap();
        }
        let one = |name: &str| Protected { path: here.join(name), what: name.to_owned(), secret: false };
        let list = [one("skills"), one(SETTINGS), one("python3"), one("not-there")];
        let within = WithinRoot::of(&list, &here, &[here.join("skills")]);
        let findings = within.findings(&here);
        assert_eq!(
            findings.iter().map(|found| found.level).collect::<Vec<_>>(),
            [Level::Warning, Level::Fact]
        );
        assert!(findings[0].text.contains("python3` is python3, and lies beneath the root"), "{findings:?}");
        assert!(findings[1].text.ends_with("leave `skills`, `omni.toml` alone"), "{findings:?}");
        assert_eq!(
            within.json(),
            serde_json::json!([here.join("skills"), here.join(SETTINGS), here.join("python3")])
        );
    }
}
