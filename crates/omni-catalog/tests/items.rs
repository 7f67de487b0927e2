//! What a folder's skills offer besides tools: its lists without Python, what a URI or a name means, arguments that do not
//! fit, and what an edit changes.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

use std::fs;
use std::sync::Arc;

use omni_call::{ExecutorKind, FunctionKind};
use omni_catalog::{
    ArgumentCompletion, Catalog, CatalogKind, ClientPattern, Filter, FilterRule, FolderConfig, FolderSource,
    FoundResource, Item, ListFields, NameStyle, Overrides, Profile, ProfileId, SettingLocation, Snapshot,
    Source, ToolRules,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const EVERYBODY: ProfileId = ProfileId::EVERYBODY;

const NOTES: &str = r#"
from typing import Literal

from omni import completion, prompt, resource, tool


@tool
def save(text: str) -> str:
    """Save a note."""


@resource("notes://today", mime_type="text/markdown", tags=["daily"])
def today() -> str:
    """What is on today."""


@resource("notes://{year}/{name*}{?raw}")
def note(year: int, name: str, raw: bool = False) -> str:
    """One note."""


@resource
def all_of_them() -> str:
    """All notes."""


@prompt(title="Review")
def review(topic: str, depth: Literal["low", "high"] = "low", count: int = 3) -> str:
    """Review what was written."""


@completion("topic", prompt=review, concurrency=2)
def topics(value: str) -> list:
    return []
"#;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        place.write("notes/SKILL.md", "---\nname: notes\ndescription: Keeps notes.\n---\n");
        place.write("notes/scripts/notes.py", NOTES);
        place
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join("skills").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(&self) -> FolderConfig {
        FolderConfig {
            skills_dir: self.dir.path().join("skills"),
            only: None,
            name: None,
            cache_dir: Some(self.dir.path().join("cache")),
            default_executor: ExecutorKind::Pool,
            names: NameStyle::Underscore,
            ..FolderConfig::default()
        }
    }

    fn with(&self, rules: ToolRules) -> Catalog {
        let source: Arc<dyn Source> = Arc::new(FolderSource::open(self.config()).unwrap());
        let catalog = Catalog::new(vec![source], rules).unwrap();
        catalog.refresh().unwrap();
        catalog
    }

    fn catalog(&self) -> Catalog {
        self.with(ToolRules::default())
    }
}

/// The functions' own items: what the files of a skill are listed by begins with `omni://skill/`.
fn listed(snapshot: &Snapshot, id: ProfileId, kind: CatalogKind) -> Vec<Value> {
    let page = snapshot.items_all(id, kind, ListFields::All).unwrap();
    let all: Vec<Value> = serde_json::from_slice(&page.items).unwrap();
    let is_file = |item: &Value| {
        item["uri"].as_str().is_some_and(|uri| uri.starts_with("omni://") && uri.contains('.'))
    };
    all.into_iter().filter(|item| !is_file(item)).collect()
}

fn keys(snapshot: &Snapshot, id: ProfileId, kind: CatalogKind, member: &str) -> Vec<String> {
    listed(snapshot, id, kind).iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
}

fn template(snapshot: &Snapshot, uri: &str) -> (Arc<Item>, Value) {
    match snapshot.resource(EVERYBODY, uri, None) {
        Some(FoundResource::FromTemplate(item, variables)) => (item, Value::Object(variables)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn functions_are_listed_as_clients_expect_them_and_run_as_calls() {
    let place = Place::new();
    let snapshot = place.catalog().snapshot();
    let resources = listed(&snapshot, EVERYBODY, CatalogKind::Resources);
    assert_eq!(resources.len(), 2, "{resources:?}");
    assert_eq!(
        (&resources[0]["uri"], &resources[0]["name"], &resources[0]["mimeType"]),
        (&json!("notes://today"), &json!("today"), &json!("text/markdown"))
    );
    assert_eq!(resources[1]["uri"], "omni://skill/notes/all_of_them");
    let templates = listed(&snapshot, EVERYBODY, CatalogKind::Templates);
    assert_eq!(templates[0]["uriTemplate"], "notes://{year}/{name*}{?raw}");
    let prompts = listed(&snapshot, EVERYBODY, CatalogKind::Prompts);
    assert_eq!((&prompts[0]["name"], &prompts[0]["title"]), (&json!("notes_review"), &json!("Review")));
    let arguments = prompts[0]["arguments"].as_array().unwrap();
    let required: Vec<(&Value, &Value)> =
        arguments.iter().map(|argument| (&argument["name"], &argument["required"])).collect();
    assert_eq!(
        required,
        [(&json!("topic"), &json!(true)), (&json!("depth"), &json!(false)), (&json!("count"), &json!(false))]
    );

    let Some(FoundResource::Listed(today)) = snapshot.resource(EVERYBODY, "notes://today", None) else {
        panic!()
    };
    let spec = today.spec.as_ref().unwrap();
    let python = spec.target.python().unwrap();
    assert_eq!(
        (&*spec.tool, &*python.function, python.kind),
        ("notes.today", "today", FunctionKind::Resource)
    );
    assert_eq!(python.dir, place.dir.path().canonicalize().unwrap().join("skills/notes"));
    assert!(python.digest.is_some() && spec.policy.repeatable);
    assert_eq!(today.tags, ["daily"]);
    for name in ["notes_review", "notes.review"] {
        let prompt = snapshot.prompt(EVERYBODY, name, None).unwrap();
        assert_eq!(prompt.spec.as_ref().unwrap().target.python().unwrap().kind, FunctionKind::Prompt);
    }
    assert!(snapshot.prompt(EVERYBODY, "review", None).is_none());
    assert!(snapshot.resource(EVERYBODY, "notes://tomorrow", None).is_none());
}

#[test]
fn the_variables_of_a_uri_are_checked_against_the_function() {
    let snapshot = Place::new().catalog().snapshot();
    let (item, variables) = template(&snapshot, "notes://2026/a%20b/c.md?raw=true");
    assert_eq!(variables, json!({"year": "2026", "name": "a b/c.md", "raw": "true"}));
    assert_eq!(item.check_arguments("u", variables.to_string().as_bytes()), Ok(()));
    let (item, variables) = template(&snapshot, "notes://today/x?raw=perhaps");
    let faults = item.check_arguments("notes://today/x", variables.to_string().as_bytes()).unwrap_err();
    assert!(faults.starts_with("`notes://today/x` was not called: 2 problems"), "{faults}");
    assert!(faults.contains("/year") && faults.contains("/raw"), "{faults}");
}

#[test]
fn all_faults_of_a_prompts_arguments_are_told_at_once() {
    let snapshot = Place::new().catalog().snapshot();
    let prompt = snapshot.prompt(EVERYBODY, "notes_review", None).unwrap();
    let check = |arguments: Value| prompt.check_arguments("notes_review", arguments.to_string().as_bytes());
    assert_eq!(check(json!({"topic": "3", "depth": "high", "count": "5"})), Ok(()));
    let faults = check(json!({"depth": "hihg", "count": "many", "tpoic": "x"})).unwrap_err();
    for (place, words) in [("topic", "missing"), ("/depth", "hihg"), ("/count", "many"), ("/tpoic", "topic")]
    {
        assert!(faults.lines().any(|line| line.contains(place) && line.contains(words)), "{place}: {faults}");
    }
}

#[test]
fn fixed_values_complete_without_python_and_a_function_counts_before_them() {
    let snapshot = Place::new().catalog().snapshot();
    let prompt = snapshot.prompt(EVERYBODY, "notes_review", None).unwrap();
    let complete = |argument: &str, typed: &str| {
        let completion = prompt.completion(argument).unwrap().fixed(typed).unwrap();
        (String::from_utf8(completion.values.to_vec()).unwrap(), completion.total, completion.has_more)
    };
    assert_eq!(complete("depth", ""), (r#"["low","high"]"#.into(), Some(2), Some(false)));
    assert_eq!(complete("depth", "H"), (r#"["high"]"#.into(), Some(1), Some(false)));
    assert_eq!(complete("depth", "ow").0, r#"["low"]"#, "what has it further on comes after what begins so");
    let Some(ArgumentCompletion::Function(spec)) = prompt.completion("topic") else { panic!() };
    assert_eq!(spec.target.python().unwrap().kind, FunctionKind::Completion);
    assert_eq!(spec.policy.concurrency, Some(2), "its options are those of its calls");
    assert!(prompt.completion("count").is_none() && prompt.has_argument("count"));
    assert!(!prompt.has_argument("counts"));
    let (item, _) = template(&snapshot, "notes://2026/x");
    assert_eq!(item.completion("raw").unwrap().fixed("t").unwrap().values, r#"["true"]"#);
}

#[test]
fn lists_are_ready_before_anything_is_read_and_are_those_of_the_folder() {
    let place = Place::new();
    let before = place.catalog().snapshot();
    let cached = Catalog::of_folder(place.config()).unwrap();
    for kind in [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts] {
        assert!(cached.has_cached(kind) && cached.offers(kind));
        assert_eq!(cached.snapshot().version(kind), before.version(kind));
    }
    assert!(cached.completes());
    assert!(snapshot_has_prompt(&cached.snapshot(), "notes_review"));
}

fn snapshot_has_prompt(snapshot: &Snapshot, name: &str) -> bool {
    snapshot.prompt(EVERYBODY, name, None).is_some_and(|prompt| prompt.spec.is_some())
}

#[test]
fn an_edit_changes_the_version_of_the_kind_that_it_changes_and_of_no_other() {
    let place = Place::new();
    let catalog = place.catalog();
    let kinds = [CatalogKind::Tools, CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];
    let mut before = catalog.snapshot();
    for (from, to, changed) in [
        ("What is on today.", "What today brings.", Some(CatalogKind::Resources)),
        ("One note.", "A note.", Some(CatalogKind::Templates)),
        ("title=\"Review\"", "title=\"Look again\"", Some(CatalogKind::Prompts)),
        ("Save a note.", "Keep a note.", Some(CatalogKind::Tools)),
        ("return []", "return ['x']", None),
    ] {
        let text = fs::read_to_string(place.dir.path().join("skills/notes/scripts/notes.py")).unwrap();
        place.write("notes/scripts/notes.py", &text.replace(from, to));
        let report = catalog.refresh().unwrap();
        assert_eq!((report.replaced, report.changed), (true, changed.is_some()), "{from}");
        let after = catalog.snapshot();
        let others: Vec<_> =
            kinds.into_iter().filter(|kind| before.version(*kind) != after.version(*kind)).collect();
        assert_eq!(others, changed.into_iter().collect::<Vec<_>>(), "{from}");
        before = after;
    }
}

#[test]
fn a_broken_edit_leaves_resources_and_prompts_as_they_were() {
    let place = Place::new();
    let catalog = place.catalog();
    catalog.keep_last_good();
    catalog.refresh().unwrap();
    let before = catalog.snapshot();
    let text = NOTES.replace("What is on today.", "Another day.") + "\ndef (\n";
    place.write("notes/scripts/notes.py", &text);
    catalog.refresh().unwrap();
    let after = catalog.snapshot();
    for kind in [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts] {
        assert_eq!(after.version(kind), before.version(kind), "{kind:?}");
    }
    let prompt = after.prompt(EVERYBODY, "notes.review", None).unwrap();
    assert!(prompt.spec.as_ref().unwrap().target.python().unwrap().last_good);
    let Some(ArgumentCompletion::Function(completes)) = prompt.completion("topic") else { panic!() };
    assert!(completes.target.python().unwrap().last_good);
    assert!(after.skills_with_other_tools(&before).is_empty(), "it is served as it was");
    assert!(after.diagnostics().iter().any(|found| found.code == "syntax-error"));
    place.write("notes/scripts/notes.py", &NOTES.replace("What is on today.", "Another day."));
    catalog.refresh().unwrap();
    let mended = catalog.snapshot();
    assert_ne!(mended.version(CatalogKind::Resources), before.version(CatalogKind::Resources));
    assert_eq!(mended.skills_with_other_tools(&before).into_iter().collect::<Vec<_>>(), ["notes"]);
}

#[test]
fn of_two_skills_with_one_uri_the_first_has_it_and_the_other_is_told() {
    let place = Place::new();
    place.write("zettel/SKILL.md", "---\nname: zettel\ndescription: Keeps more.\nflat: true\n---\n");
    let source = "from omni import prompt, resource\n@resource(\"notes://today\")\ndef other(): ...\n\
                  @resource(\"notes://{year}/{name*}{?raw}\")\ndef others(year, name, raw=''): ...\n\
                  @prompt\ndef ask(): ...\n";
    place.write("zettel/scripts/z.py", source);
    let snapshot = place.catalog().snapshot();
    let found: Vec<(&str, &str, u32)> = snapshot
        .diagnostics()
        .iter()
        .filter(|found| found.code.starts_with("duplicate-"))
        .map(|found| (&*found.code, &*found.file, found.line))
        .collect();
    assert_eq!(
        found,
        [("duplicate-resource", "zettel/scripts/z.py", 3), ("duplicate-template", "zettel/scripts/z.py", 5)]
    );
    let Some(FoundResource::Listed(today)) = snapshot.resource(EVERYBODY, "notes://today", None) else {
        panic!()
    };
    assert_eq!(today.name(), "notes.today");
    assert!(
        snapshot.prompt(EVERYBODY, "ask", None).is_some(),
        "a flat skill's prompts have their names alone"
    );
}

#[test]
fn no_skill_offers_anything_beneath_another_ones_uris_nor_in_place_of_its_own_files() {
    let place = Place::new();
    place.write("notes/references/api.md", "The true page.");
    place.write("notes/ui/view.html", "<!doctype html>");
    place.write("aaa/SKILL.md", "---\nname: aaa\ndescription: Takes pages.\n---\n");
    let taken = [
        "omni://skill/notes/SKILL.md",
        "omni://skill/note%73/references/api.md",
        "OMNI://skill/notes/new",
        "omni://skill/nobody/x",
        "omni://skill/aaa",
        "omni://skill/{p*}",
        "omni://skill/notes/references/{p}",
        "omni://skill/{p}aa/x",
    ];
    let of_another = taken.len();
    let own = [
        ("omni://skill/aaa/SKILL.md", "duplicate-resource"),
        ("omni://skill/aaa/%53KILL.md", "duplicate-resource"),
        ("ui://notes/view.html", "duplicate-resource"),
    ];
    let mut source = "from omni import resource\n".to_owned();
    let all = taken.iter().copied().chain(own.iter().map(|(uri, _)| *uri));
    for (n, uri) in all.chain(["omni://skill/aaa/made.md", "omni://skill/aaa/{p*}"]).enumerate() {
        let parameter = if uri.contains("p*") { "p" } else { ["", "p"][usize::from(uri.contains("{p}"))] };
        source += &format!("@resource(\"{uri}\", name=\"r{n}\")\ndef f{n}({parameter}): ...\n");
    }
    place.write("aaa/scripts/a.py", &source);
    let snapshot = place.catalog().snapshot();

    let codes = ["reserved-uri", "duplicate-resource"];
    let found = snapshot.diagnostics().iter().filter(|found| codes.contains(&&*found.code));
    let found: Vec<(&str, &str, u32)> = found.map(|found| (&*found.code, &*found.file, found.line)).collect();
    let line = |n: usize| u32::try_from(2 * n + 3).unwrap();
    let mut expected: Vec<(&str, &str, u32)> =
        (0..of_another).map(|n| ("reserved-uri", "aaa/scripts/a.py", line(n))).collect();
    expected.extend(
        own.iter().enumerate().map(|(n, (_, code))| (*code, "aaa/scripts/a.py", line(of_another + n))),
    );
    assert_eq!(found, expected);

    let skill_of = |uri: &str| match snapshot.resource(EVERYBODY, uri, None) {
        Some(FoundResource::Listed(item) | FoundResource::FromTemplate(item, _)) => {
            let spec = item.spec.as_ref().unwrap();
            format!("{} {}", spec.skill, spec.executor.name())
        }
        other => format!("{other:?}"),
    };
    for uri in ["omni://skill/notes/SKILL.md", "omni://skill/notes/references/api.md", "ui://notes/view.html"]
    {
        assert_eq!(skill_of(uri), "notes file", "{uri}");
    }
    assert_eq!(skill_of("omni://skill/aaa/SKILL.md"), "aaa file", "a file comes before a function");
    assert_eq!(skill_of("omni://skill/aaa/made.md"), "aaa pool");
    assert_eq!(skill_of("omni://skill/aaa/x/y"), "aaa pool", "of its own template");
    assert_eq!(skill_of("omni://skill/notes/references/none.md"), "None");
    assert_eq!(skill_of("omni://skill/nobody/x"), "None");
}

#[test]
fn a_uri_is_found_in_each_of_its_spellings_and_by_no_other() {
    let place = Place::new();
    place.write("notes/references/a+b&c.md", "A name with signs.");
    place.write("notes/references/a:b;c.md", "Another.");
    place.write(
        "notes/scripts/more.py",
        "from omni import resource\n@resource(\"x://a%3ab\")\ndef ab(): ...\n\
         @resource(\"x://Seg%3a/{name}\")\ndef seg(name): ...\n",
    );
    let snapshot = place.catalog().snapshot();
    let found = |uri: &str| match snapshot.resource(EVERYBODY, uri, None) {
        Some(FoundResource::Listed(item)) => Some(item.key.clone()),
        Some(FoundResource::FromTemplate(item, variables)) => {
            Some(format!("{} {}", item.key, Value::Object(variables)))
        }
        _ => None,
    };
    for (uri, key) in [
        ("omni://skill/notes/references/a+b&c.md", "omni://skill/notes/references/a%2Bb%26c.md"),
        ("omni://skill/notes/references/a%2bb%26c%2Emd", "omni://skill/notes/references/a%2Bb%26c.md"),
        ("omni://skill/notes/references/a+b&c.md?offset=1", "omni://skill/notes/references/a%2Bb%26c.md"),
        ("omni://skill/notes/references/a:b;c.md", "omni://skill/notes/references/a%3Ab%3Bc.md"),
        ("OMNI://skill/notes/SKILL%2Emd", "omni://skill/notes/SKILL.md"),
        ("x://a%3ab", "x://a%3ab"),
        ("x://a%3Ab", "x://a%3ab"),
        ("X://%61%3Ab", "x://a%3ab"),
        ("x://Seg%3A/q%2f", "x://Seg%3a/{name} {\"name\":\"q/\"}"),
        ("x://Se%67%3a/b\u{fc}", "x://Seg%3a/{name} {\"name\":\"b\u{fc}\"}"),
    ] {
        assert_eq!(found(uri).as_deref(), Some(key), "{uri}");
    }
    for uri in [
        "omni://skill/notes/references/a%2Fb",
        "omni://skill/notes/references/../SKILL.md",
        "omni://skill/notes/%2e%2e/notes/SKILL.md",
        "omni://skill/notes//SKILL.md",
        "omni://skill/notes/./SKILL.md",
        "omni://skill/notes/skill.md",
        "omni://skill/notes%2FSKILL.md",
        "omni://SKILL/notes/SKILL.md",
        "x://a:b",
        "x://seg%3A/q",
    ] {
        assert_eq!(found(uri), None, "{uri}");
    }
}

fn filter(patterns: &[&str]) -> Filter {
    let rule = |text: &&str| FilterRule::new(text, SettingLocation::new("filter", "omni.toml", 1)).unwrap();
    Filter::new(patterns.iter().map(rule).collect())
}

#[test]
fn filters_and_profiles_hold_for_resources_and_prompts() {
    let place = Place::new();
    let hides = |patterns: &[&str]| {
        let rules =
            ToolRules::new(vec![filter(patterns)], Overrides::default(), NameStyle::default(), Vec::new());
        let snapshot = place.with(rules).snapshot();
        let mut kept = keys(&snapshot, EVERYBODY, CatalogKind::Resources, "name");
        kept.extend(keys(&snapshot, EVERYBODY, CatalogKind::Prompts, "name"));
        kept.join(" ")
    };
    assert_eq!(hides(&["other"]), "today all_of_them notes_review");
    assert_eq!(hides(&["notes.review"]), "today all_of_them");
    assert_eq!(hides(&["notes_today", "tag:x"]), "all_of_them notes_review");
    assert_eq!(hides(&["tag:daily"]), "all_of_them notes_review");
    assert_eq!(hides(&["notes"]), "", "a skill that is left out has nothing to offer");
    assert_eq!(hides(&["*", "!notes.review"]), "notes_review");

    let profile = Profile {
        name: "guests".into(),
        setting: SettingLocation::new("profiles.guests", "omni.toml", 1),
        clients: vec![ClientPattern::new("guest*").unwrap()],
        principals: Vec::new(),
        filter: filter(&["notes.today", "notes.note"]),
        overrides: Overrides::default(),
        names: None,
    };
    let rules = ToolRules::new(Vec::new(), Overrides::default(), NameStyle::default(), vec![profile]);
    let snapshot = place.with(rules).snapshot();
    let guests = ProfileId::from_number(1);
    assert_eq!(keys(&snapshot, guests, CatalogKind::Resources, "name"), ["all_of_them"]);
    assert_ne!(
        snapshot.version_for(guests, CatalogKind::Resources),
        snapshot.version_for(EVERYBODY, CatalogKind::Resources)
    );
    assert_eq!(
        snapshot.version_for(guests, CatalogKind::Prompts),
        snapshot.version_for(EVERYBODY, CatalogKind::Prompts)
    );
    assert!(snapshot.resource(guests, "notes://today", None).is_none(), "what is not seen cannot be read");
    assert!(snapshot.resource(guests, "notes://2026/x", None).is_none());
    assert!(snapshot.resource(EVERYBODY, "notes://today", None).is_some());
}

#[test]
fn a_completion_of_what_is_not_there_is_told() {
    let place = Place::new();
    let more = "\n\n@completion(\"x\", prompt=\"nothing-such\")\ndef never(value):\n    return []\n";
    place.write("notes/scripts/notes.py", &format!("{NOTES}{more}"));
    let snapshot = place.catalog().snapshot();
    let found: Vec<&str> = snapshot
        .diagnostics()
        .iter()
        .filter(|found| found.code == "completion-target")
        .map(|found| &*found.message)
        .collect();
    assert_eq!(found, ["the skill has no prompt `nothing-such` whose arguments could be completed"]);
}

#[test]
fn a_sync_says_which_resources_and_prompts_it_would_change() {
    let place = Place::new();
    place.catalog();
    place.write(
        "notes/scripts/notes.py",
        &NOTES.replace("One note.", "A note.").replace("notes://today", "notes://now"),
    );
    let diff = place.config();
    let diff = Catalog::of_folder(diff).unwrap().diff().unwrap();
    let names = |changes: &[omni_catalog::ManifestChange]| {
        changes.iter().map(|change| format!("{:?} {}", change.kind, change.name)).collect::<Vec<_>>()
    };
    assert_eq!(names(&diff.resources)[..2], ["Added notes://now", "Removed notes://today"]);
    assert_eq!(names(&diff.templates), ["Changed notes://{year}/{name*}{?raw}"]);
}
