//! What skills ask to have installed: where it is read, which of several places counts, and what is reported.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use omni_call::{Requirements, RequirementsSource};
use omni_catalog::{Catalog, Diagnostic, FolderConfig, Severity, Snapshot};
use tempfile::TempDir;

struct Place {
    dir: TempDir,
}

const TOOL: &str =
    "from omni import tool\n\n\n@tool\ndef NAME() -> str:\n    \"\"\"Do it.\"\"\"\n    return \"x\"\n";

impl Place {
    /// A skill `s` with a tool `one` in a file without a block.
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        place.write("SKILL.md", "---\nname: s\ndescription: Does it.\n---\n");
        place.write("scripts/one.py", &TOOL.replace("NAME", "one"));
        place
    }

    fn write(&self, path: &str, text: &str) -> &Place {
        let path = self.dir.path().join("skills/s").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A tool in a file of its own, below a block.
    fn script(&self, tool: &str, block: &str) -> &Place {
        let commented: String = block.lines().map(|line| format!("# {line}\n")).collect();
        let text = format!("# /// script\n{commented}# ///\n{}", TOOL.replace("NAME", tool));
        self.write(&format!("scripts/{tool}.py"), &text)
    }

    fn catalog(&self) -> Catalog {
        let path = |name: &str| -> PathBuf { self.dir.path().join(name) };
        let (skills_dir, cache_dir) = (path("skills"), Some(path("cache")));
        Catalog::of_folder(FolderConfig { skills_dir, cache_dir, ..FolderConfig::default() }).unwrap()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let catalog = self.catalog();
        catalog.refresh().unwrap();
        catalog.snapshot()
    }
}

fn of(snapshot: &Snapshot, tool: &str) -> Option<Requirements> {
    snapshot.tool(&format!("s.{tool}")).unwrap().spec.target.requirements().cloned()
}

#[track_caller]
fn found<'a>(snapshot: &'a Snapshot, words: &str) -> &'a Diagnostic {
    let mut all = snapshot.diagnostics().iter().filter(|finding| finding.message.contains(words));
    let one = all.next().unwrap_or_else(|| panic!("no `{words}` in {:#?}", snapshot.diagnostics()));
    assert_eq!(one.code, "requirements");
    one
}

#[test]
fn a_pyproject_holds_for_all_tools_of_its_skill() {
    let place = Place::new();
    place.write(
        "pyproject.toml",
        "[project]\nname = \"s\"\nrequires-python = \">=3.10\"\ndependencies = [\"idna==3.7\", \"attrs>=23\"]\n",
    );
    place.write("scripts/two.py", &TOOL.replace("NAME", "two"));
    let snapshot = place.snapshot();
    let one = of(&snapshot, "one").unwrap();
    assert_eq!(one.source, RequirementsSource::Pyproject);
    assert_eq!(one.file, "pyproject.toml");
    assert_eq!(one.python.as_deref(), Some(">=3.10"));
    assert_eq!(one.dependencies, ["idna==3.7", "attrs>=23"]);
    assert_eq!(of(&snapshot, "two"), Some(one));
    assert_eq!(snapshot.diagnostics(), []);
}

#[test]
fn each_script_has_what_its_own_block_asks_for() {
    let place = Place::new();
    place.script("old", "dependencies = [\"idna==2.10\"]");
    place.script("new", "requires-python = \">=3.11\"\ndependencies = [\n  \"idna==3.7\",\n]");
    place.script("same", "# in another order and file\ndependencies = [\"idna==2.10\"]");
    let snapshot = place.snapshot();
    assert_eq!(of(&snapshot, "one"), None);
    let (old, new) = (of(&snapshot, "old").unwrap(), of(&snapshot, "new").unwrap());
    assert_eq!((old.source, old.file.as_str()), (RequirementsSource::Script, "scripts/old.py"));
    assert_eq!(new.python.as_deref(), Some(">=3.11"));
    assert_ne!(old.key, new.key);
    assert_eq!(of(&snapshot, "same").unwrap().key, old.key, "equal requirements share an environment");
    assert_eq!(snapshot.diagnostics(), []);
}

#[test]
fn a_project_with_dependencies_wins_over_blocks_and_one_without_leaves_them_be() {
    let place = Place::new();
    place.script("two", "dependencies = [\"idna\"]");
    place.write("pyproject.toml", "[project]\ndependencies = [\"attrs\"]\n");
    let snapshot = place.snapshot();
    assert_eq!(of(&snapshot, "two").unwrap().dependencies, ["attrs"]);
    let note = found(&snapshot, "this block is not used");
    assert_eq!((note.severity, note.file.as_str(), note.line), (Severity::Note, "s/scripts/two.py", 1));

    place
        .write("pyproject.toml", "[project]\nrequires-python = \">=3.10\"\n[tool.ruff]\nline-length = 100\n");
    let snapshot = place.snapshot();
    let two = of(&snapshot, "two").unwrap();
    assert_eq!((two.dependencies, two.python.as_deref()), (vec!["idna".to_owned()], Some(">=3.10")));
    let one = of(&snapshot, "one").unwrap();
    assert_eq!((one.dependencies.len(), one.python.as_deref()), (0, Some(">=3.10")));
    assert_eq!(snapshot.diagnostics(), []);
}

#[test]
fn a_lock_decides_what_is_installed_and_its_change_is_noticed() {
    let place = Place::new();
    place.write("pyproject.toml", "[project]\ndependencies = [\"idna\"]\n");
    let unlocked = of(&place.snapshot(), "one").unwrap();
    place.write("uv.lock", "version = 1\n");
    let locked = of(&place.snapshot(), "one").unwrap();
    assert_eq!(locked.source, RequirementsSource::Lock);
    place.write("uv.lock", "version = 1\nrevision = 3\n");
    let newer = of(&place.snapshot(), "one").unwrap();
    fs::remove_file(place.dir.path().join("skills/s/uv.lock")).unwrap();
    assert_eq!(of(&place.snapshot(), "one").unwrap(), unlocked);
    let keys = std::collections::BTreeSet::from([&unlocked.key, &locked.key, &newer.key]);
    assert_eq!(keys.len(), 3);
    assert_ne!(locked.locked, newer.locked);
}

#[test]
fn a_project_that_asks_for_nothing_makes_no_environment() {
    for text in ["", "[project]\nname = \"s\"\ndependencies = []\n", "[tool.ruff]\nline-length = 100\n"] {
        let place = Place::new();
        place.write("pyproject.toml", text);
        place.script("two", "dependencies = []");
        let snapshot = place.snapshot();
        assert_eq!((of(&snapshot, "one"), of(&snapshot, "two")), (None, None), "{text}");
        assert_eq!(snapshot.diagnostics(), [], "{text}");
    }
}

#[test]
fn what_is_wrong_has_its_place_and_costs_no_tool() {
    let place = Place::new();
    place.write(
        "pyproject.toml",
        "[project]\nname = \"s\"\nrequires-python = \"3.10\"\ndependencies = [\n  \"idna\",\n  \"attrs^23\",\n  7,\n]\n",
    );
    let snapshot = place.snapshot();
    let bad = found(&snapshot, "the dependency `attrs^23`");
    assert_eq!((bad.file.as_str(), bad.line, bad.column), ("s/pyproject.toml", 6, 3));
    assert_eq!(found(&snapshot, "a dependency must be a text").line, 7);
    assert_eq!(found(&snapshot, "`requires-python`: `3.10`").line, 3);
    assert_eq!(of(&snapshot, "one").unwrap().dependencies, ["idna"]);

    place.write("pyproject.toml", "[project]\ndependencies = [\"idna\"]\nname =\n");
    let snapshot = place.snapshot();
    assert!(snapshot.diagnostics().iter().any(|bad| bad.file == "s/pyproject.toml" && bad.line == 3));
    assert_eq!(of(&snapshot, "one").unwrap().dependencies, ["idna"], "the line before is read");

    place.write("pyproject.toml", "[project]\n");
    place.script("two", "dependencies = [\n  \"idna\",\n  \"--pre\",\n]");
    let snapshot = place.snapshot();
    let bad = found(&snapshot, "the dependency `--pre`");
    assert_eq!((bad.file.as_str(), bad.line, bad.column), ("s/scripts/two.py", 4, 5));
    assert_eq!(of(&snapshot, "two").unwrap().dependencies, ["idna"]);
    place.script("two", "dependencies = [\"idna\"]\nname =");
    let snapshot = place.snapshot();
    let bad = found(&snapshot, "the block is not valid TOML");
    assert_eq!((bad.severity, bad.line), (Severity::Error, 3), "{bad}");
    assert_eq!(snapshot.tool_count(), 2);
}

#[test]
fn what_other_tools_would_read_and_omni_does_not_is_said() {
    for (text, words) in [
        ("[tool.poetry.dependencies]\nidna = \"^3\"\n", "`[tool.poetry.dependencies]` is not read"),
        ("[project]\ndynamic = [\"version\", \"dependencies\"]\n", "worked out at build time"),
        ("[tool.uv.sources]\nidna = {git = \"https://example.org\"}\n", "counts only through `uv.lock`"),
        ("[project]\nrequires-python = \"<3.9\"\n", "allows no Python that omni runs on"),
    ] {
        let place = Place::new();
        place.write("pyproject.toml", text);
        found(&place.snapshot(), words);
    }
    let place = Place::new();
    place.write("uv.lock", "version = 1\n");
    found(&place.snapshot(), "`uv.lock` is not used");
}

#[test]
fn a_program_that_runs_a_script_of_the_skill_has_what_the_script_asks_for() {
    let place = Place::new();
    place.write(
        "SKILL.md",
        "---\nname: s\ndescription: Does it.\ntools:\n  - name: run\n    description: Run it.\n    command: [python, ./scripts/two.py]\n---\n",
    );
    place.script("two", "dependencies = [\"idna\"]");
    assert_eq!(of(&place.snapshot(), "run").unwrap().dependencies, ["idna"]);
}
