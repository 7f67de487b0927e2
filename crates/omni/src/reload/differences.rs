//! How does one snapshot of the catalogue differ from the one before, for people?

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use omni_catalog::{CatalogKind, Diagnostic, Severity, Skill, Snapshot};

/// What differs between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// Folders of the skills of which anything differs, sorted: what they say of themselves, their code, or their tools.
    pub(crate) skills: Vec<String>,
    /// Other filters, overrides or profiles are in force.
    pub(crate) rules: bool,
    /// What clients can list and see another list of.
    pub(crate) lists: Vec<&'static str>,
    /// Errors and warnings that there were not before, and those that are no more.
    pub(crate) new: Vec<Diagnostic>,
    pub(crate) healed: Vec<Diagnostic>,
}

impl Differences {
    pub(crate) fn between(before: &Snapshot, after: &Snapshot) -> Self {
        fn by_folder(snapshot: &Snapshot) -> HashMap<&str, &Skill> {
            snapshot.skills().iter().map(|skill| (&*skill.folder, skill)).collect()
        }
        let (old, new) = (by_folder(before), by_folder(after));
        let mut skills = after.skills_with_other_tools(before);
        let rules = !after.has_rules_of(before);
        let differs = |folder: &&str| match (old.get(*folder), new.get(*folder)) {
            (Some(old), Some(new)) => old != new,
            // A skill that other rules leave out, or no longer, is what it was.
            _ => !rules,
        };
        skills.extend(old.keys().chain(new.keys()).copied().filter(differs).map(str::to_owned));
        let lists = [
            (CatalogKind::Tools, "tools"),
            (CatalogKind::Resources, "resources"),
            (CatalogKind::Templates, "resource templates"),
            (CatalogKind::Prompts, "prompts"),
        ];
        let differs = |kind: CatalogKind| {
            let versions = |snapshot: &Snapshot| -> Vec<String> {
                snapshot.profiles().map(|id| snapshot.version_for(id, kind).to_owned()).collect()
            };
            versions(before) != versions(after)
        };
        let lists = lists.into_iter().filter(|(kind, _)| differs(*kind)).map(|(_, name)| name).collect();
        Differences {
            skills: skills.into_iter().collect(),
            rules,
            lists,
            new: without(after.diagnostics(), before.diagnostics()),
            healed: without(before.diagnostics(), after.diagnostics()),
        }
    }
}

impl Differences {
    /// The skills of which anything differs, what is wrong with them too.
    pub(crate) fn concerned(&self) -> Vec<String> {
        let found = self.new.iter().chain(&self.healed).map(|found| &found.skill);
        let all: BTreeSet<&String> =
            self.skills.iter().chain(found).filter(|skill| !skill.is_empty()).collect();
        all.into_iter().cloned().collect()
    }
}

/// Errors and warnings of `all` that are not among `others`, wherever in their file.
fn without(all: &[Diagnostic], others: &[Diagnostic]) -> Vec<Diagnostic> {
    // A line more at the top of a file makes no new mistakes.
    fn key(found: &Diagnostic) -> impl Hash + Eq {
        (found.file.clone(), found.code.clone(), found.message.clone())
    }
    let known: HashSet<_> = others.iter().map(key).collect();
    let matters = all.iter().filter(|found| found.severity != Severity::Note);
    matters.filter(|found| !known.contains(&key(found))).cloned().collect()
}

/// `notes/scripts/a.py:3:5`, as far as it is known.
pub(crate) fn place(found: &Diagnostic) -> String {
    match (found.line, found.column) {
        (0, _) => found.file.clone(),
        (line, 0) => format!("{}:{line}", found.file),
        (line, column) => format!("{}:{line}:{column}", found.file),
    }
}

#[cfg(test)]
mod tests {
    use omni_catalog::{Catalog, FolderConfig, NameStyle};

    use super::*;

    #[test]
    fn skills_lists_and_findings_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join("skills").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let tool = |body: &str| format!("from omni import tool\n@tool\ndef run() -> str:\n    {body}\n");
        for skill in ["a", "b", "c"] {
            write(&format!("{skill}/SKILL.md"), &format!("---\nname: {skill}\ndescription: d\n---\n"));
            write(&format!("{skill}/scripts/t.py"), &tool("return '1'"));
        }
        let skills_dir = dir.path().join("skills");
        let catalog = Catalog::of_folder(FolderConfig { skills_dir, ..FolderConfig::default() }).unwrap();
        let step = || {
            let before = catalog.snapshot();
            catalog.refresh().unwrap();
            Differences::between(&before, &catalog.snapshot())
        };
        assert_eq!(step().skills, ["a", "b", "c"]);
        assert_eq!(step(), Differences::default());
        write("a/scripts/t.py", &tool("return '2'"));
        let body = step();
        assert_eq!((body.skills, body.lists), (vec!["a".to_owned()], vec![]));
        write("b/SKILL.md", "---\nname: b\ndescription: another\n---\n");
        let words = step();
        assert_eq!(words.skills, ["b"]);
        write("c/scripts/more.py", "from omni import tool\n@tool\ndef more() -> str: ...\n@tool\ndef (\n");
        let worse = step();
        assert_eq!(worse.new.iter().map(place).collect::<Vec<_>>(), ["c/scripts/more.py:5:5"]);
        write("c/scripts/more.py", "from omni import tool\n@tool\ndef more() -> str: ...\n");
        let mended = step();
        assert_eq!((mended.healed.len(), mended.lists), (1, vec!["tools"]));
        // A program's own words and its command line are in no Python file, and in no field of its skill.
        let declared = |description: &str, command: &str| {
            let tool = format!("  - name: p\n    description: {description}\n    command: [{command}]\n");
            format!("---\nname: b\ndescription: another\ntools:\n{tool}---\n")
        };
        write("b/SKILL.md", &declared("Runs.", "cat"));
        assert_eq!(step().skills, ["b"]);
        write("b/SKILL.md", &declared("Runs it.", "cat"));
        let described = step();
        // The page is a resource, whose size is listed.
        assert_eq!((described.skills, described.lists), (vec!["b".to_owned()], vec!["tools", "resources"]));
        write("b/SKILL.md", &declared("Runs it.", "tac"));
        let other_command = step();
        assert_eq!((other_command.skills, other_command.lists), (vec!["b".to_owned()], vec![]));
    }

    #[test]
    fn an_edit_that_is_broken_changes_no_tool_and_one_of_the_rules_no_skill() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("skills/a/scripts/t.py");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "from omni import tool\n@tool\ndef run() -> str: ...\n").unwrap();
        let skills_dir = dir.path().join("skills");
        let catalog = Catalog::of_folder(FolderConfig { skills_dir, ..FolderConfig::default() }).unwrap();
        catalog.keep_last_good();
        catalog.refresh().unwrap();
        let before = catalog.snapshot();
        std::fs::write(&file, "def (\n").unwrap();
        catalog.refresh().unwrap();
        let broken = Differences::between(&before, &catalog.snapshot());
        assert_eq!((broken.skills, broken.new.len(), broken.rules), (vec![], 1, false));
        let rules = std::sync::Arc::new(omni_catalog::ToolRules::plain(NameStyle::Underscore));
        let prepared = catalog.prepare(Some(rules)).unwrap().unwrap();
        let other_rules = Differences::between(prepared.before(), prepared.after());
        assert_eq!((other_rules.skills, other_rules.rules), (vec![], true));
    }
}
