//! The catalogue over real folders: what is found, what is reported, and how little is read again.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use omni_call::{Affinity, ExecutorKind, Policy, ProgramInput, ProgramOutput, Trust};
use omni_catalog::{
    Catalog, CatalogKind, Diagnostic, FolderConfig, ListFields, RefreshReport, Severity, Snapshot,
    SourceError,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A skills folder and a cache folder that live as long as the test.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(place.skills()).unwrap();
        place
    }

    fn skills(&self) -> PathBuf {
        self.dir.path().join("skills")
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Place {
        let path = self.skills().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self
    }

    /// A skill with one tool for each name in `tools`.
    fn skill(&self, folder: &str, tools: &[&str]) -> &Place {
        self.write(&format!("{folder}/SKILL.md"), skill_md(folder));
        self.write(&format!("{folder}/scripts/{folder}.py"), source(tools))
    }

    /// Brings the cache to the point where every stamp in it counts as settled: what was written within
    /// the last tick of the clock is looked at again, so this refreshes until nothing is.
    fn settle(&self) {
        let catalog = self.open();
        while catalog.refresh().unwrap().read > 0 {}
    }

    fn open(&self) -> Catalog {
        self.open_with(ExecutorKind::Pool)
    }

    fn open_with(&self, default_executor: ExecutorKind) -> Catalog {
        let (skills_dir, cache_dir) = (self.skills(), Some(self.cache()));
        let config = FolderConfig { skills_dir, cache_dir, default_executor, ..FolderConfig::default() };
        Catalog::of_folder(config).unwrap()
    }

    /// What a process that starts now serves after its first check.
    fn fresh(&self) -> (Arc<Snapshot>, RefreshReport) {
        let catalog = self.open();
        let refreshed = catalog.refresh().unwrap();
        (catalog.snapshot(), refreshed)
    }

    fn cached(&self, name: &str) -> PathBuf {
        let folder = fs::read_dir(self.cache()).unwrap().next().unwrap().unwrap().path();
        folder.join(name)
    }
}

fn skill_md(name: &str) -> String {
    format!("---\nname: {name}\ndescription: Does {name}.\n---\n# {name}\n")
}

fn source(tools: &[&str]) -> String {
    let mut text = String::from("from omni import tool\n");
    for tool in tools {
        text.push_str(&format!("\n\n@tool\ndef {tool}(title: str, count: int = 1) -> str:\n    \"\"\"Does {tool}.\"\"\"\n    return title\n"));
    }
    text
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    let tools: Vec<Value> = serde_json::from_slice(&snapshot.page_all(ListFields::All).items).unwrap();
    // A tool is found by the name in the list, and has a canonical one.
    let canonical = |tool: &Value| snapshot.tool(tool["name"].as_str().unwrap()).unwrap().name().to_owned();
    tools.iter().map(canonical).collect()
}

fn found<'a>(snapshot: &'a Snapshot, code: &str) -> &'a Diagnostic {
    let mut all = snapshot.diagnostics().iter().filter(|finding| finding.code == code);
    let one = all.next().unwrap_or_else(|| panic!("no `{code}` in {:#?}", snapshot.diagnostics()));
    assert!(all.next().is_none(), "more than one `{code}`: {:#?}", snapshot.diagnostics());
    one
}

#[test]
fn a_healthy_folder_is_listed_by_name_with_nothing_to_report() {
    let place = Place::new();
    place.skill("notes", &["save", "find"]).skill("git", &["log"]);
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["git.log", "notes.find", "notes.save"]);
    assert_eq!(snapshot.diagnostics(), []);
    let tool = snapshot.tool("notes.save").unwrap();
    let python = tool.spec.target.python().unwrap();
    assert_eq!(python.dir, place.skills().canonicalize().unwrap().join("notes"));
    assert_eq!((python.file.as_str(), python.function.as_str()), ("scripts/notes.py", "save"));
    assert_eq!((tool.origin.file.as_str(), tool.origin.line), ("notes/scripts/notes.py", 5));
    assert_eq!(tool.description().as_deref(), Some("Does save."));
    assert_eq!(tool.check_arguments(tool.name(), br#"{"title":"x"}"#), Ok(()));
    let faults = tool.check_arguments(tool.name(), br#"{"titel":"x"}"#).unwrap_err();
    assert_eq!(faults.faults().len(), 2);
    let skills: Vec<_> = snapshot.skills().iter().map(|skill| (skill.folder.as_str(), skill.tools)).collect();
    assert_eq!(skills, [("git", 1), ("notes", 2)]);
    assert_eq!(snapshot.tool("notes.nothing").map(|tool| tool.name().to_owned()), None);
    for (name, for_clients, for_people) in [
        ("notes.sav", "did you mean `notes.save`?", "did you mean `notes.save`?"),
        ("notes_sav", "did you mean `notes_save`?", "did you mean `notes.save`?"),
        ("notesSave", "did you mean `notes_save`?", "did you mean `notes.save`?"),
        ("save", "did you mean `notes_save`?", "did you mean `notes.save`?"),
        (
            "weather.today",
            "the tool list names all there are",
            "`omni list` shows all there are, and `omni doctor` says why one is missing",
        ),
    ] {
        let unknown = snapshot.unknown_name(name);
        assert_eq!(unknown.for_clients(), format!("unknown tool `{name}`; {for_clients}"));
        assert_eq!(unknown.for_people(), format!("unknown tool `{name}`; {for_people}"));
    }
}

#[test]
fn front_matter_settles_what_tools_leave_open() {
    let place = Place::new();
    place.skill("slow", &["crawl"]).write(
        "slow/SKILL.md",
        "---\nname: slow\ndescription: d\nmetadata:\n  flat: \"true\"\n  executor: spawn\n  timeout: 2.5\n  idle_timeout: 0\n  version: 1.10\n---\n",
    );
    let (snapshot, _) = place.fresh();
    let tool = snapshot.tool("crawl").unwrap();
    assert_eq!(tool.spec.executor, ExecutorKind::Spawn);
    assert_eq!((tool.spec.limits.timeout_ms, tool.spec.limits.idle_timeout_ms), (Some(2_500), Some(0)));
    assert_eq!(snapshot.skills()[0].version.as_deref(), Some("1.10"));
    assert_eq!(snapshot.diagnostics(), []);
}

#[test]
fn the_server_s_executor_is_for_tools_that_name_none_and_no_part_of_what_is_cached() {
    let place = Place::new();
    place
        .skill("plain", &["a"])
        .write("own/scripts/own.py", source(&["b"]).replace("@tool", "@tool(executor=\"pool\")"));
    for (default, expected) in [
        (ExecutorKind::Fork, [ExecutorKind::Fork, ExecutorKind::Pool]),
        (ExecutorKind::Pool, [ExecutorKind::Pool, ExecutorKind::Pool]),
    ] {
        let catalog = place.open_with(default);
        catalog.refresh().unwrap();
        let ways = ["plain.a", "own.b"].map(|tool| catalog.snapshot().tool(tool).unwrap().spec.executor);
        assert_eq!(ways, expected);
    }
}

#[test]
fn a_skill_s_policy_holds_where_a_tool_has_none_of_its_own() {
    let place = Place::new();
    place.skill("shop", &["buy"]).write(
        "shop/SKILL.md",
        "---\nname: shop\ndescription: d\nconcurrency: 3\naffinity: single\nretry_on: OSError, Own\nmax_attempts: 0\n---\n",
    );
    place.write(
        "shop/scripts/more.py",
        "from omni import tool\n@tool(read_only=True, concurrency=1, affinity=\"none\", retry_on=KeyError)\ndef look(): ...\n",
    );
    let (snapshot, _) = place.fresh();
    let skills = Policy {
        retry_on: vec!["OSError".into(), "Own".into()],
        skill_concurrency: Some(3),
        affinity: Some(Affinity::Single),
        ..Policy::default()
    };
    assert_eq!(snapshot.tool("shop.buy").unwrap().spec.policy, skills);
    let own = Policy {
        retry_on: vec!["KeyError".into()],
        concurrency: Some(1),
        skill_concurrency: Some(3),
        affinity: Some(Affinity::None),
        repeatable: true,
        ..Policy::default()
    };
    assert_eq!(snapshot.tool("shop.look").unwrap().spec.policy, own);
    let finding = found(&snapshot, "bad-value");
    assert_eq!(finding.message, "`max_attempts` must be a number from 1 to 10; it is `0`");
    assert_eq!(finding.line, 7);
}

#[test]
fn tags_are_a_tools_own_and_its_skills() {
    let place = Place::new();
    place
        .write("text/scripts/text.py", "from omni import tool\n\n@tool(tags=[\"own\"])\ndef a(): \"\"\"A.\"\"\"\n")
        .write(
            "text/SKILL.md",
            "---\nname: text\ndescription: d\ntags: [words, own]\ntools:\n  - {name: b, description: B., command: [cat], \
             tags: \"x, y\"}\n  - {name: c, description: C., command: [cat], tags: {x: y}}\n---\n",
        );
    let (snapshot, _) = place.fresh();
    let tags = |name: &str| snapshot.tool(name).unwrap().tags.clone();
    assert_eq!(tags("text.a"), ["own", "words"]);
    assert_eq!(tags("text.b"), ["x", "y", "words", "own"]);
    assert_eq!(tags("text.c"), ["words", "own"]);
    assert_eq!(found(&snapshot, "declared-tool").message, "`tags` must be a list of texts");
    let listed: serde_json::Value =
        serde_json::from_slice(&snapshot.tool("text.a").unwrap().listing).unwrap();
    assert_eq!(
        listed["_meta"]["fastmcp"]["tags"],
        serde_json::json!(["own"]),
        "a skill's tags are for filters"
    );
}

#[test]
fn a_program_is_declared_in_the_front_matter() {
    let place = Place::new();
    place.skill("text", &["shout"]).write(
        "text/SKILL.md",
        r#"---
name: text
description: d
timeout: 9
tools:
  - name: word_count
    description: Count the words of a text.
    command: [bash, scripts/count.sh]
    input: flags
    output: json
    env: {LC_ALL: C}
    read_only: true
    timeout: 2
    input_schema:
      properties:
        text: {type: string, minLength: 1}
        unit: {enum: ["1", words]}
      required: [text]
  - name: shout
    description: The name is taken.
    command: [cat]
  - name: outside
    description: d
    command: [../../bin/rm]
  - description: nameless
    command: [cat]
  - name: odd
    description: d
    command: [cat]
    inpt: file
    cwd: /etc
    output: xml
---
"#,
    );
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["text.odd", "text.shout", "text.word_count"]);
    let tool = snapshot.tool("text.word_count").unwrap();
    let program = tool.spec.target.program().unwrap();
    assert_eq!(program.argv, ["bash", "scripts/count.sh"]);
    assert_eq!((program.input, program.output), (ProgramInput::Flags, ProgramOutput::Json));
    assert_eq!(
        (tool.spec.executor, tool.spec.limits.timeout_ms, tool.spec.policy.repeatable),
        (ExecutorKind::Spawn, Some(2_000), true)
    );
    assert_eq!(tool.title().as_deref(), Some("Word count"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(tool.input_schema().get()).unwrap(),
        serde_json::json!({"type": "object", "properties": {"text": {"type": "string", "minLength": 1},
            "unit": {"enum": ["1", "words"]}}, "required": ["text"]})
    );
    assert!(tool.check_arguments(tool.name(), b"{}").is_err());
    assert!(snapshot.tool("text.shout").unwrap().spec.target.python().is_some(), "the function stays");
    let mut said: Vec<String> = snapshot
        .diagnostics()
        .iter()
        .map(|finding| format!("{}: {}", finding.line, finding.message))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "19: the tool `shout` is not served: the function at scripts/text.py:5 has that name",
            "22: a declared tool is not served: the program of `outside` is outside of the skill's folder",
            "25: a declared tool is not served: it has no `name`",
            "30: a tool has no key `inpt`",
            "31: `cwd` must be a folder beneath the skill's",
            "32: `output` must be `text` or `json`",
        ]
    );
}

#[test]
fn a_program_is_declared_in_the_pyproject_file_too() {
    let place = Place::new();
    place.skill("text", &["shout"]).write(
        "text/SKILL.md",
        "---\nname: text\ndescription: d\ntools:\n  - {name: first, description: d, command: [cat]}\n---\n",
    );
    place.write(
        "text/pyproject.toml",
        r#"[project]
name = "text"

[tool.omni]
retries = 3

[[tool.omni.tools]]
name = "count"
description = "Count the words of a text."
command = ["bash", "scripts/count.sh"]
input = "flags"
read_only = true
timeout = 2.5
concurrency = 4
env = { LC_ALL = "C" }

[tool.omni.tools.input_schema]
required = ["text"]
properties.text = { type = "string", minLength = 1 }

[[tool.omni.tools]]
name = "first"
description = "d"
command = ["cat"]

[[tool.omni.tools]]
name = "shout"
command = ["cat"]
cwd = "../up"
"#,
    );
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["text.count", "text.first", "text.shout"]);
    let tool = snapshot.tool("text.count").unwrap();
    let program = tool.spec.target.program().unwrap();
    assert_eq!((program.input, program.env["LC_ALL"].as_str()), (ProgramInput::Flags, "C"));
    assert_eq!((program.file.as_str(), tool.origin.line), ("pyproject.toml", 8));
    assert_eq!((tool.spec.limits.timeout_ms, tool.spec.policy.concurrency), (Some(2_500), Some(4)));
    assert!(tool.check_arguments(tool.name(), br#"{"text": ""}"#).is_err());
    assert!(snapshot.tool("text.shout").unwrap().spec.target.python().is_some(), "the function stays");
    let mut said: Vec<String> = snapshot
        .diagnostics()
        .iter()
        .map(|finding| format!("{}:{}: {}", finding.file, finding.line, finding.message))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "text/pyproject.toml:22: a declared tool is not served: there is another one named `first` at \
             SKILL.md:5",
            "text/pyproject.toml:27: the tool `shout` has no `description`",
            "text/pyproject.toml:27: the tool `shout` is not served: the function at scripts/text.py:5 has that \
             name",
            "text/pyproject.toml:29: `cwd` must be a folder beneath the skill's",
            "text/pyproject.toml:5: the key `retries` of `[tool.omni]` means nothing to omni",
        ]
    );
}

#[test]
fn a_skill_may_ask_to_be_imported_ahead_of_its_calls() {
    let place = Place::new();
    place.skill("eager", &["a"]).skill("plain", &["b"]);
    place.write("eager/SKILL.md", "---\nname: eager\ndescription: d\npreload: true\n---\n");
    let (snapshot, _) = place.fresh();
    let asks = |tool: &str| snapshot.tool(tool).unwrap().spec.target.python().unwrap().preload;
    assert_eq!((asks("eager.a"), asks("plain.b")), (true, false));
    assert_eq!(snapshot.diagnostics(), []);
}

#[test]
fn a_skill_may_ask_for_processes_of_its_own_and_for_its_temporary_files() {
    let place = Place::new();
    place.skill("apart", &["a"]).skill("plain", &["b"]).skill("wrong", &["c"]);
    place.write("apart/SKILL.md", "---\nname: apart\ndescription: d\ntrust: own\nkeep_temp: true\n---\n");
    place.write("plain/SKILL.md", "---\nname: plain\ndescription: d\ntrust: shared\n---\n");
    place.write("wrong/SKILL.md", "---\nname: wrong\ndescription: d\nkeep_temp: 3\ntrust: onw\n---\n");
    let (snapshot, _) = place.fresh();
    let asks = |tool: &str| {
        let tool = snapshot.tool(tool).unwrap();
        let spec = &tool.spec;
        (spec.trust, spec.keep_temp)
    };
    assert_eq!((asks("apart.a"), asks("plain.b")), ((Trust::Own, true), (Trust::Shared, false)));
    // What was meant to set a skill apart does, and is told.
    assert_eq!(asks("wrong.c"), (Trust::Own, false));
    let told: Vec<String> = snapshot
        .diagnostics()
        .iter()
        .map(|one| format!("{}:{} {}", one.file, one.line, one.message))
        .collect();
    assert_eq!(
        told,
        [
            "wrong/SKILL.md:4 `keep_temp` must be `true` or `false`; it is `3`",
            "wrong/SKILL.md:5 `trust` must be `shared` or `own`; it is `onw`",
        ]
    );
}

#[test]
fn a_skill_with_processes_of_its_own_cannot_run_inside_the_server() {
    let place = Place::new();
    let tool = |executor: &str| format!("from omni import tool\n@tool({executor})\ndef go(): ...\n");
    for (skill, line, executor) in
        [("one", "executor: embedded\n", ""), ("two", "", "executor=\"embedded\""), ("three", "", "")]
    {
        place.write(
            &format!("{skill}/SKILL.md"),
            format!("---\nname: {skill}\ndescription: d\ntrust: own\n{line}---\n"),
        );
        place.write(&format!("{skill}/scripts/tools.py"), tool(executor));
    }
    let (snapshot, _) = place.fresh();
    let told: Vec<String> =
        snapshot.diagnostics().iter().map(|one| format!("{}:{} {}", one.file, one.line, one.code)).collect();
    assert_eq!(told, ["one/scripts/tools.py:3 own-embedded", "two/scripts/tools.py:3 own-embedded"]);
}

#[test]
fn a_changed_pyproject_file_is_noticed() {
    let place = Place::new();
    place.skill("text", &["shout"]);
    place.settle();
    let catalog = place.open();
    let tool = |name: &str| {
        format!("[[tool.omni.tools]]\nname = \"{name}\"\ndescription = \"d\"\ncommand = [\"cat\"]\n")
    };
    place.write("text/pyproject.toml", tool("one"));
    assert!(catalog.refresh().unwrap().replaced);
    assert_eq!(names(&catalog.snapshot()), ["text.one", "text.shout"]);
    place.write("text/pyproject.toml", tool("two"));
    assert!(catalog.refresh().unwrap().replaced);
    assert_eq!(names(&catalog.snapshot()), ["text.shout", "text.two"]);
    place.write("text/pyproject.toml", "[[tool.omni.tools]\n");
    assert!(catalog.refresh().unwrap().replaced);
    assert_eq!(names(&catalog.snapshot()), ["text.shout"]);
    assert_eq!(found(&catalog.snapshot(), "bad-pyproject").line, 1);
}

#[test]
fn tools_of_a_pyproject_file_alone_make_a_skill() {
    let place = Place::new();
    place.write(
        "lone/pyproject.toml",
        "[[tool.omni.tools]]\nname = \"cat\"\ndescription = \"d\"\ncommand = [\"cat\"]\n",
    );
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["lone.cat"]);
    assert_eq!(snapshot.diagnostics(), []);
}

#[test]
fn an_unquoted_colon_yields_the_tools_and_one_warning() {
    let place = Place::new();
    place
        .skill("notes", &["save"])
        .write("notes/SKILL.md", "---\nname: notes\ndescription: Use it when: always\n---\n");
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["notes.save"]);
    assert_eq!(snapshot.diagnostics().len(), 1);
    let finding = found(&snapshot, "bad-front-matter");
    assert_eq!(
        (finding.severity, finding.file.as_str(), finding.line),
        (Severity::Warning, "notes/SKILL.md", 3)
    );
    assert_eq!(snapshot.skills()[0].description.as_deref(), Some("Use it when: always"));
    let text = finding.to_string();
    assert!(text.starts_with("warning[bad-front-matter]: the front matter is not valid YAML"), "{text}");
    assert!(text.contains("\n  --> notes/SKILL.md:3:"), "{text}");
    assert!(text.contains("\n  = help: a value with a colon needs quotes"), "{text}");
}

#[test]
fn a_syntax_error_hides_its_own_file_and_no_neighbour() {
    let place = Place::new();
    place.skill("notes", &["save"]).skill("git", &["log"]);
    place.write("notes/scripts/broken.py", "from omni import tool\n\n@tool\ndef oops(:\n    pass\n");
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["git.log", "notes.save"]);
    let finding =
        snapshot.diagnostics().iter().find(|finding| finding.file == "notes/scripts/broken.py").unwrap();
    assert_eq!((finding.severity, finding.line), (Severity::Error, 4));
}

#[test]
fn what_cannot_be_read_is_reported_and_its_neighbours_are_served() {
    let place = Place::new();
    place.skill("notes", &["save"]);
    place.write("notes/scripts/latin.py", b"# \n# caf\xe9\n");
    place.write("notes/scripts/huge.py", vec![b'#'; (4 << 20) + 1]);
    place.write("notes/scripts/folder.py/inner.txt", "");
    let outside = place.dir.path().join("secret.py");
    fs::write(&outside, source(&["leak"])).unwrap();
    symlink(&outside, place.skills().join("notes/scripts/out.py")).unwrap();
    symlink(place.dir.path(), place.skills().join("everything")).unwrap();
    symlink("notes.py", place.skills().join("notes/scripts/alias.py")).unwrap();
    symlink("nowhere", place.skills().join("notes/scripts/gone.py")).unwrap();
    symlink(".", place.skills().join("notes/scripts/loop")).unwrap();
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["notes.save"]);
    let latin = found(&snapshot, "not-utf-8");
    assert_eq!((latin.file.as_str(), latin.line, latin.column), ("notes/scripts/latin.py", 2, 6));
    assert_eq!(found(&snapshot, "too-large").file, "notes/scripts/huge.py");
    assert_eq!(found(&snapshot, "broken-link").file, "notes/scripts/gone.py");
    assert_eq!(found(&snapshot, "linked-folder").file, "notes/scripts/loop");
    let outside: Vec<_> =
        snapshot.diagnostics().iter().filter(|finding| finding.code == "link-leads-out").collect();
    let files: Vec<_> = outside.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(files, ["everything", "notes/scripts/out.py"]);
}

#[test]
fn a_file_without_permission_is_reported_until_it_is_given() {
    let place = Place::new();
    place.skill("notes", &["save"]).write("notes/scripts/shut.py", source(&["shut"]));
    let shut = place.skills().join("notes/scripts/shut.py");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&shut).is_ok() {
        println!(
            "SKIPPED a_file_without_permission_is_reported_until_it_is_given: this user reads every file"
        );
        return;
    }
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["notes.save"]);
    assert_eq!(found(&snapshot, "unreadable").file, "notes/scripts/shut.py");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(names(&place.fresh().0), ["notes.save", "notes.shut"]);
}

#[test]
fn folders_that_are_no_skills_are_named() {
    let place = Place::new();
    place.skill("notes", &["save"]);
    place
        .write("docs/readme.txt", "")
        .write("_drafts/SKILL.md", "")
        .write(".git/config", "")
        .write("README.md", "");
    place.write("bare/scripts/bare.py", source(&["run"])).write("loose/tool.py", "");
    place.write("low/skill.md", "").write("low/scripts/low.py", source(&["go"]));
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["bare.run", "low.go", "notes.save"]);
    assert_eq!(found(&snapshot, "missing-skill-md").skill, "bare");
    assert_eq!(found(&snapshot, "private-folder").file, "_drafts");
    assert_eq!(found(&snapshot, "not-a-skill").file, "docs");
    assert_eq!(found(&snapshot, "source-outside-scripts").file, "loose/tool.py");
    assert_eq!(found(&snapshot, "misspelt-skill-md").file, "low/skill.md");
    assert_eq!(snapshot.diagnostics().len(), 5);
}

#[test]
fn names_that_clash_or_break_the_rules_are_reported_and_the_first_stays() {
    let place = Place::new();
    let flat = |name: &str| format!("---\nname: {name}\ndescription: d\nflat: true\n---\n");
    place.skill("a", &["run"]).write("a/SKILL.md", flat("a"));
    place.skill("b", &["run", "walk"]).write("b/SKILL.md", flat("b"));
    place.skill("my skill", &["go"]);
    let (snapshot, _) = place.fresh();
    assert_eq!(names(&snapshot), ["run", "walk"]);
    assert_eq!(snapshot.tool("run").unwrap().spec.skill, "a");
    let twice = found(&snapshot, "duplicate-name");
    assert_eq!((twice.file.as_str(), twice.line), ("b/scripts/b.py", 5));
    assert!(twice.message.contains("`run` in the skill `a`"), "{}", twice.message);
    assert_eq!(found(&snapshot, "illegal-name").severity, Severity::Error);
}

#[test]
fn a_second_start_reads_and_scans_nothing() {
    let place = Place::new();
    place.skill("notes", &["save"]).skill("git", &["log"]);
    let (first, refreshed) = place.fresh();
    assert_eq!((refreshed.skills, refreshed.scanned, refreshed.changed), (2, 2, true));
    place.settle();
    let catalog = place.open();
    assert!(catalog.has_cached(CatalogKind::Tools));
    assert_eq!(names(&catalog.snapshot()), ["git.log", "notes.save"], "before any look at the folder");
    let again = catalog.refresh().unwrap();
    assert_eq!(again, RefreshReport { skills: 2, paths_checked: 9, ..RefreshReport::default() });
    assert_eq!(catalog.snapshot().version(CatalogKind::Tools), first.version(CatalogKind::Tools));
}

#[test]
fn one_edit_rescans_one_skill() {
    let place = Place::new();
    place.skill("notes", &["save"]).skill("git", &["log"]);
    place.fresh();
    place.settle();
    place.write("notes/scripts/notes.py", source(&["save", "find"]));
    let catalog = place.open();
    let refreshed = catalog.refresh().unwrap();
    assert_eq!((refreshed.read, refreshed.scanned, refreshed.changed), (1, 1, true));
    assert_eq!(names(&catalog.snapshot()), ["git.log", "notes.find", "notes.save"]);

    // A body that changes replaces the snapshot, not the list.
    place.write(
        "notes/scripts/notes.py",
        source(&["save", "find"]).replace("return title", "return title * 2"),
    );
    let refreshed = catalog.refresh().unwrap();
    assert_eq!((refreshed.scanned, refreshed.changed, refreshed.replaced), (1, false, true));

    // The same text written again is read, and that is all.
    place.write(
        "notes/scripts/notes.py",
        source(&["save", "find"]).replace("return title", "return title * 2"),
    );
    let refreshed = catalog.refresh().unwrap();
    assert_eq!((refreshed.read, refreshed.scanned, refreshed.replaced), (1, 0, false));
}

/// The version of its skill's code that a tool's calls name.
fn digest(snapshot: &Snapshot, tool: &str) -> String {
    snapshot.tool(tool).unwrap().spec.target.python().unwrap().digest.clone().unwrap()
}

#[test]
fn any_python_file_of_a_skill_is_part_of_the_version_that_its_calls_name_and_nothing_else_is() {
    let place = Place::new();
    place.skill("one", &["a", "b"]).skill("two", &["c"]);
    place.write("one/scripts/_helper.py", "x = 1\n").write("one/lib/deep/far.py", "y = 1\n");
    let (before, _) = place.fresh();
    let (first, other) = (digest(&before, "one.a"), digest(&before, "two.c"));
    assert_eq!(first, digest(&before, "one.b"), "a skill has one version");
    assert_eq!(before.skills()[0].digest.as_ref(), Some(&first));
    assert_ne!(first, other);

    for (path, text) in [("one/scripts/_helper.py", "x = 2\n"), ("one/lib/deep/far.py", "y = 2\n")] {
        let (before, _) = place.fresh();
        place.write(path, text);
        let (after, refreshed) = place.fresh();
        assert!(refreshed.replaced && !refreshed.changed, "{path}: no list is another");
        assert_ne!(digest(&before, "one.a"), digest(&after, "one.a"), "{path}");
        assert_eq!(other, digest(&after, "two.c"), "{path}");
    }

    let (before, _) = place.fresh();
    place.write("one/tests/test_a.py", "z = 1\n").write("one/data/kept.py", "z = 1\n");
    place.write("one/SKILL.md", "---\nname: one\ndescription: Another text.\n---\n");
    let (after, _) = place.fresh();
    assert_eq!(digest(&before, "one.a"), digest(&after, "one.a"));

    // As it was, so it is called: an edit that is taken back is no other version.
    place.write("one/scripts/_helper.py", "x = 1\n").write("one/lib/deep/far.py", "y = 1\n");
    assert_eq!(digest(&place.fresh().0, "one.a"), first);
}

#[test]
fn added_renamed_and_deleted_files_and_skills_are_noticed() {
    let place = Place::new();
    place.skill("a", &["one"]).skill("b", &["two"]);
    let catalog = place.open();
    catalog.refresh().unwrap();
    place.settle();
    let expect = |expected: &[&str]| {
        assert!(catalog.refresh().unwrap().changed, "{expected:?}");
        assert_eq!(names(&catalog.snapshot()), expected);
        assert_eq!(names(&place.fresh().0), expected, "a process that starts now");
        place.settle();
    };
    place.write("a/scripts/deep/more.py", source(&["three"]));
    expect(&["a.one", "a.three", "b.two"]);
    fs::rename(place.skills().join("a/scripts/deep/more.py"), place.skills().join("a/scripts/deep/_more.py"))
        .unwrap();
    expect(&["a.one", "b.two"]);
    fs::rename(place.skills().join("b"), place.skills().join("c")).unwrap();
    expect(&["a.one", "c.two"]);
    place.skill("d", &["four"]);
    expect(&["a.one", "c.two", "d.four"]);
    fs::remove_dir_all(place.skills().join("a")).unwrap();
    expect(&["c.two", "d.four"]);
    fs::remove_file(place.skills().join("c/scripts/b.py")).unwrap();
    expect(&["d.four"]);
    fs::remove_dir_all(place.skills().join("d/scripts")).unwrap();
    expect(&[]);
}

#[test]
fn an_edit_that_keeps_size_and_time_is_noticed() {
    let place = Place::new();
    place.skill("notes", &["save"]);
    place.fresh();
    place.settle();
    let file = place.skills().join("notes/scripts/notes.py");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    place.write("notes/scripts/notes.py", source(&["sove"]));
    fs::File::open(&file).unwrap().set_modified(before).unwrap();
    assert_eq!(names(&place.fresh().0), ["notes.sove"]);
}

#[test]
fn a_damaged_cache_is_rebuilt_as_if_there_were_none() {
    let place = Place::new();
    place.skill("notes", &["save"]).skill("git", &["log"]);
    let (whole, _) = place.fresh();
    for file in ["served.bin", "stamps.bin", "manifest.json"] {
        let path = place.cached(file);
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 0x20;
        for bad in [&good[..good.len() / 2], b"", &flipped, b"{}", &[0xff; 4_096]] {
            fs::write(&path, bad).unwrap();
            let (snapshot, _) = place.fresh();
            assert_eq!(snapshot.version(CatalogKind::Tools), whole.version(CatalogKind::Tools), "{file}");
            assert_eq!(names(&snapshot), ["git.log", "notes.save"], "{file}");
            if file != "manifest.json" {
                assert_eq!(fs::read(&path).unwrap().len(), good.len(), "{file} is written again");
            }
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(names(&place.fresh().0), ["git.log", "notes.save"], "{file} is gone");
    }
    // The manifest is needed only when something changed.
    fs::write(place.cached("manifest.json"), "{").unwrap();
    place.skill("git", &["log", "diff"]);
    let (snapshot, refreshed) = place.fresh();
    assert_eq!((names(&snapshot).len(), refreshed.scanned), (3, 2));

    let manifest = place.cached("manifest.json");
    let other = fs::read_to_string(&manifest).unwrap().replace("\"scanner\":\"", "\"scanner\":\"9.9.9-");
    fs::write(&manifest, other).unwrap();
    fs::remove_file(place.cached("stamps.bin")).unwrap();
    let (_, refreshed) = place.fresh();
    assert_eq!(refreshed.scanned, 2, "what another version wrote is not used");
}

#[test]
fn a_cache_that_cannot_be_written_or_is_not_wanted_costs_only_time() {
    let place = Place::new();
    place.skill("notes", &["save"]);
    fs::write(place.cache(), "a file in the way").unwrap();
    let catalog = place.open();
    assert!(catalog.refresh().unwrap().changed);
    place.settle();
    catalog.refresh().unwrap();
    assert_eq!(catalog.refresh().unwrap().read, 0, "what could not be written is kept in memory");
    let config = FolderConfig { skills_dir: place.skills(), ..FolderConfig::default() };
    let catalog = Catalog::of_folder(config).unwrap();
    assert!(!catalog.has_cached(CatalogKind::Tools) && catalog.manifest_paths().is_empty());
    assert!(catalog.refresh().unwrap().changed);
    assert_eq!(names(&catalog.snapshot()), ["notes.save"]);
}

#[test]
fn the_same_files_give_the_same_bytes_wherever_and_whenever() {
    let (one, two) = (Place::new(), Place::new());
    for place in [&one, &two] {
        place.skill("notes", &["save", "find"]).skill("git", &["log"]).write("git/scripts/x.py", "def (");
        place.fresh();
    }
    let manifest = |place: &Place| fs::read_to_string(place.cached("manifest.json")).unwrap();
    assert_eq!(manifest(&one), manifest(&two));
    assert_eq!(one.fresh().0.version(CatalogKind::Tools), two.fresh().0.version(CatalogKind::Tools));
    let parsed: Value = serde_json::from_str(&manifest(&one)).unwrap();
    assert_eq!(parsed["format"], "omni-manifest");
    assert_eq!(parsed["skills"][1]["tools"][0]["detail"]["run"]["target"]["python"]["dir"], "notes");
}

#[test]
fn an_older_client_is_shown_only_what_it_knows() {
    let place = Place::new();
    place.skill("notes", &[]).write(
        "notes/scripts/notes.py",
        "from omni import tool\n\n@tool(title='Save', read_only=True, icons=[{'src': 'https://x/y.png'}], meta={'k': 1})\ndef save(title: str) -> str:\n    \"\"\"Saves.\"\"\"\n",
    );
    let (snapshot, _) = place.fresh();
    let keys = |fields| {
        let tools: Vec<serde_json::Map<String, Value>> =
            serde_json::from_slice(&snapshot.page(fields, 0).unwrap().items).unwrap();
        tools[0].keys().cloned().collect::<Vec<_>>()
    };
    let all =
        ["name", "title", "description", "icons", "inputSchema", "outputSchema", "annotations", "_meta"];
    assert_eq!(keys(ListFields::All), all);
    assert_eq!(
        keys(ListFields::Structured),
        all.map(String::from).into_iter().filter(|k| k != "icons").collect::<Vec<_>>()
    );
    assert_eq!(keys(ListFields::Annotated), ["name", "description", "inputSchema", "annotations"]);
    assert_eq!(keys(ListFields::Basic), ["name", "description", "inputSchema"]);
    assert!(snapshot.page(ListFields::Basic, 1).is_none());
}

#[test]
fn a_list_on_one_page_is_the_pages_one_after_another() {
    let place = Place::new();
    let many: Vec<String> = (0..2_100).map(|n| format!("t{n:04}")).collect();
    place.skill("many", &many.iter().map(String::as_str).collect::<Vec<_>>());
    let (snapshot, _) = place.fresh();
    for fields in [ListFields::All, ListFields::Basic] {
        let mut paged = Vec::new();
        let mut next = Some(0);
        while let Some(n) = next {
            let page = snapshot.page(fields, n).unwrap();
            let tools: Vec<Value> = serde_json::from_slice(&page.items).unwrap();
            assert!(tools.len() <= 1_000 && page.items.len() <= 1_000_000);
            paged.extend(tools);
            next = page.next;
        }
        let all: Vec<Value> = serde_json::from_slice(&snapshot.page_all(fields).items).unwrap();
        assert_eq!(all, paged);
        assert_eq!(all.len(), 2_100);
    }
    assert_eq!(snapshot.tool("many.t1999").unwrap().name(), "many.t1999");
}

#[test]
fn a_diff_says_what_a_refresh_would_do_and_does_not_do_it() {
    let place = Place::new();
    place.skill("a", &["one"]).skill("b", &["two"]);
    let catalog = place.open();
    assert!(!catalog.diff().unwrap().up_to_date);
    assert!(!place.cache().exists());
    catalog.refresh().unwrap();
    assert!(catalog.diff().unwrap().up_to_date);
    place.write("a/scripts/a.py", source(&["three"]));
    fs::remove_dir_all(place.skills().join("b")).unwrap();
    let diff = place.open().diff().unwrap();
    assert_eq!(
        serde_json::to_value(&diff).unwrap(),
        json!({
            "up_to_date": false,
            "skills": [{"name": "a", "kind": "changed"}, {"name": "b", "kind": "removed"}],
            "tools": [
                {"name": "a.one", "kind": "removed"},
                {"name": "a.three", "kind": "added"},
                {"name": "b.two", "kind": "removed"},
            ],
            "resources": [
                {"name": "omni://skill/a/scripts/a.py", "kind": "changed"},
                {"name": "omni://skill/b/SKILL.md", "kind": "removed"},
                {"name": "omni://skill/b/scripts/b.py", "kind": "removed"},
            ],
            "templates": [],
            "prompts": [],
        })
    );
    assert_eq!(place.open().diff().unwrap(), diff, "asking again gives the same answer");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let place = Place::new();
    let open =
        |skills_dir| Catalog::of_folder(FolderConfig { skills_dir, ..FolderConfig::default() }).unwrap_err();
    assert!(matches!(open(place.skills().join("nope")), SourceError::SkillsDir { .. }));
    place.write("file", "");
    let error = open(place.skills().join("file"));
    assert!(error.to_string().contains("skills/file` is not a folder"), "{error}");
}

#[test]
fn two_processes_that_share_a_cache_do_not_spoil_it() {
    let place = Place::new();
    for n in 0..20 {
        place.skill(&format!("s{n}"), &["run"]);
    }
    std::thread::scope(|scope| {
        for n in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for round in 0..5 {
                    place.write(&format!("s{n}/scripts/extra.py"), source(&[&format!("round{round}")]));
                    place.fresh();
                }
            });
        }
    });
    let (snapshot, _) = place.fresh();
    assert_eq!(snapshot.tool_count(), 24);
    assert!(snapshot.tool("s3.round4").is_some());
}

/// What is said of one file or folder: code, line and help.
fn said_of(snapshot: &Snapshot, file: &str) -> Vec<(String, u32, String)> {
    let found = snapshot.diagnostics().iter().filter(|found| found.file == file);
    found.map(|found| (found.code.clone(), found.line, found.help.clone().unwrap_or_default())).collect()
}

#[test]
fn files_that_lie_where_nobody_looks_are_pointed_out_with_their_place() {
    let place = Place::new();
    let tool = "from omni import tool\n@tool\ndef go(): ...\n";
    let front = |name: &str| format!("---\nname: {name}\ndescription: d\n---\n");
    place.write("loose.py", tool);
    place.write("flat/SKILL.md", front("flat")).write("flat/flat.py", tool);
    place.write("bare/server.py", "@mcp.tool()\ndef go(): ...\n");
    place.write("one/SKILL.md", front("one")).write("one/script/a.py", tool);
    place.write("big/SKILL.md", front("big")).write("big/Scripts/a.py", tool);
    place.write("src/SKILL.md", front("src")).write("src/src/a.py", tool);
    place.write("group/deep/SKILL.md", front("deep")).write("group/deep/scripts/a.py", tool);
    place.write("low/Skill.md", front("low")).write("low/scripts/a.py", tool);
    place.write("many/skills.md", front("many")).write("many/scripts/a.py", tool);
    place
        .write("end/SKILL.md", front("end"))
        .write("end/scripts/a.pyw", tool)
        .write("end/scripts/b.PY", tool);
    place.write("end/scripts/c.ipynb", "{}");
    for (file, code, line, help) in [
        ("loose.py", "source-outside-skill", 0, "`loose/scripts/loose.py`"),
        ("flat/flat.py", "source-outside-scripts", 2, "`flat/scripts/flat.py`"),
        ("bare/server.py", "source-outside-scripts", 1, "`bare/scripts/server.py`"),
        ("one/script", "misspelt-scripts", 0, "rename it to `scripts`"),
        ("big/Scripts", "misspelt-scripts", 0, "rename it to `scripts`"),
        ("src/src", "misspelt-scripts", 0, "rename it to `scripts`"),
        ("group/deep", "nested-skill", 0, "name `group` with `--skills`"),
        ("low/Skill.md", "misspelt-skill-md", 0, "`SKILL.md`"),
        ("many/skills.md", "misspelt-skill-md", 0, "`SKILL.md`"),
        ("end/scripts/a.pyw", "not-read", 0, "ends in `.py`"),
        ("end/scripts/b.PY", "not-read", 0, "ends in `.py`"),
        ("end/scripts/c.ipynb", "not-read", 0, "copy them there"),
    ] {
        let said = said_of(&place.fresh().0, file);
        assert_eq!(said.len(), 1, "{file}: {said:?}");
        assert_eq!((&*said[0].0, said[0].1), (code, line), "{file}");
        assert!(said[0].2.contains(help), "{file}: {said:?}");
    }
}

#[test]
fn a_file_that_others_install_from_comes_with_the_lines_to_write() {
    let place = Place::new();
    place.skill("a", &["go"]).write("a/requirements.txt", "idna==3.7\n# more\nrequests>=2\n");
    place.skill("b", &["go"]).write("b/setup.py", "from setuptools import setup\nsetup(name='b')\n");
    place.skill("c", &["go"]).write("c/scripts/requirements.txt", "idna\n");
    let (snapshot, _) = place.fresh();
    let help =
        "write in `pyproject.toml`, under `[project]`: `dependencies = [\"idna==3.7\", \"requests>=2\"]`";
    assert_eq!(said_of(&snapshot, "a/requirements.txt"), [("installer-file".into(), 0, help.into())]);
    assert_eq!(said_of(&snapshot, "b/setup.py").len(), 1);
    assert_eq!(said_of(&snapshot, "c/scripts/requirements.txt").len(), 1);
    // What it says is news, though no other file has changed.
    place.settle();
    place.write("a/requirements.txt", "idna==3.8\n");
    let catalog = place.open();
    catalog.refresh().unwrap();
    assert!(said_of(&catalog.snapshot(), "a/requirements.txt")[0].2.contains("idna==3.8"));
}

#[test]
fn what_lies_beside_a_skill_on_purpose_is_left_alone() {
    let place = Place::new();
    place.skill("a", &["go"]);
    for file in [
        "README.md",
        "references/x.md",
        "assets/src/a.py",
        "tests/test_a.py",
        "conftest.py",
        "__init__.py",
        "scripts/a.pyi",
        "LICENSE",
    ] {
        place.write(&format!("a/{file}"), "X = 1\n");
    }
    let said: Vec<_> = place.fresh().0.diagnostics().to_vec();
    assert_eq!(said, []);
}
