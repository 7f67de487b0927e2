//! Several sources as one catalogue: who wins, what stays when one fails, and what changes for clients.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use omni_call::{ExecutorKind, Target};
use omni_catalog::{
    Catalog, CatalogKind, FolderConfig, FolderSource, FoundResource, ListFields, NameStyle, ProfileId,
    RemoteSource, Severity, Snapshot, Source, ToolRules,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const OFFERS: [CatalogKind; 4] =
    [CatalogKind::Tools, CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];

fn skill(folder: &Path, name: &str, tools: &[&str]) {
    let mut page = format!("---\nname: {name}\ndescription: A skill.\ntools:\n");
    for tool in tools {
        page += &format!("  - {{name: {tool}, description: A tool., command: [cat]}}\n");
    }
    fs::create_dir_all(folder.join(name)).unwrap();
    fs::write(folder.join(name).join("SKILL.md"), page + "---\n").unwrap();
}

fn folder(path: &Path, cache: Option<&Path>) -> Arc<FolderSource> {
    let config = FolderConfig {
        skills_dir: path.to_owned(),
        cache_dir: cache.map(Path::to_owned),
        ..FolderConfig::default()
    };
    Arc::new(FolderSource::open(config).unwrap())
}

fn remote(name: &str, cache: Option<&Path>) -> Arc<RemoteSource> {
    Arc::new(RemoteSource::new(name, cache, NameStyle::Underscore, ExecutorKind::Runner, &OFFERS))
}

fn list(names: &[&str]) -> Vec<u8> {
    let tool = |name: &&str| json!({"name": name, "inputSchema": {"type": "object"}});
    json!({"tools": names.iter().map(tool).collect::<Vec<_>>()}).to_string().into_bytes()
}

fn catalog(sources: Vec<Arc<dyn Source>>) -> Catalog {
    Catalog::new(sources, ToolRules::default()).unwrap()
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    let page = snapshot.page_all(ListFields::All).items;
    let tools: Vec<Value> = serde_json::from_slice(&page).unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn versions(snapshot: &Snapshot) -> [String; 5] {
    CatalogKind::ALL.map(|kind| snapshot.version(kind).to_owned())
}

/// Which kinds have another version.
fn changed(before: &[String; 5], after: &[String; 5]) -> Vec<CatalogKind> {
    CatalogKind::ALL
        .into_iter()
        .enumerate()
        .filter(|(n, _)| before[*n] != after[*n])
        .map(|(_, kind)| kind)
        .collect()
}

/// The source that has what a URI means.
fn source_of(snapshot: &Snapshot, uri: &str) -> Option<usize> {
    Some(match snapshot.resource(ProfileId::EVERYBODY, uri, None)? {
        FoundResource::Listed(item) | FoundResource::FromTemplate(item, _) => item.source,
        FoundResource::Source(source) => source,
    })
}

#[test]
fn tools_of_all_sources_are_one_list_and_each_is_of_its_own() {
    let place = TempDir::new().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    skill(&one, "notes", &["save", "find"]);
    skill(&two, "git", &["log"]);
    let runner = remote("unix:/r", None);
    runner.describe(&list(&["up.hello"]), None).unwrap();
    let catalog = catalog(vec![folder(&one, None), folder(&two, None), runner]);
    assert!(!catalog.has_cached(CatalogKind::Tools), "two have not been looked at");
    catalog.refresh().unwrap();
    let snapshot = catalog.snapshot();
    assert_eq!(names(&snapshot), ["git_log", "notes_find", "notes_save", "up_hello"]);
    let tool = |name: &str| snapshot.tool(name).unwrap();
    assert_eq!((tool("notes.save").source, tool("git_log").source, tool("up.hello").source), (0, 1, 2));
    assert_eq!(
        tool("git.log").origin.file,
        format!("{}/git/SKILL.md", two.canonicalize().unwrap().display())
    );
    assert!(matches!(&tool("up.hello").spec.target, Target::Remote { source, .. } if source == "unix:/r"));
    assert_eq!(tool("up.hello").spec.executor, ExecutorKind::Runner);
    let skills: Vec<_> = snapshot.skills().iter().map(|skill| (&*skill.folder, skill.path.clone())).collect();
    assert_eq!(skills[0], ("git", two.canonicalize().unwrap().join("git")));
    assert_eq!(skills[2].1, Path::new(""), "a runner's skill is not here");
    assert_eq!(snapshot.source_name(2), Some("unix:/r"));
    assert!(snapshot.diagnostics().is_empty(), "{:?}", snapshot.diagnostics());
}

#[test]
fn one_folder_alone_is_served_from_the_bytes_of_its_cache() {
    let place = TempDir::new().unwrap();
    let (skills, cache) = (place.path().join("skills"), place.path().join("cache"));
    skill(&skills, "notes", &["save"]);
    catalog(vec![folder(&skills, Some(&cache))]).refresh().unwrap();
    let again = catalog(vec![folder(&skills, Some(&cache))]);
    assert!(again.has_cached(CatalogKind::Tools));
    let page = again.snapshot().page(ListFields::All, 0).unwrap().items;
    let kept = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path().join("served.bin");
    let kept = fs::read(kept).unwrap();
    assert!(kept.windows(page.len()).any(|bytes| bytes == &page[..]));
    assert_eq!(
        again.snapshot().tool("notes.save").unwrap().origin.file,
        "notes/SKILL.md",
        "no folder before it"
    );
}

#[test]
fn of_two_with_one_name_the_first_wins_and_a_finding_names_both() {
    let place = TempDir::new().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    skill(&one, "notes", &["save"]);
    skill(&two, "notes", &["save", "find"]);
    let runner = remote("unix:/r", None);
    runner.describe(&list(&["notes.save", "notes.more", "a.b"]), None).unwrap();
    let (first, second) = (folder(&one, None), folder(&two, None));
    let both = catalog(vec![first, second, runner.clone()]);
    both.refresh().unwrap();
    let snapshot = both.snapshot();
    assert_eq!(names(&snapshot), ["a_b", "notes_more", "notes_save"], "two skills of one name are not mixed");
    assert_eq!(snapshot.tool("notes.save").unwrap().source, 0);
    let found: Vec<(Severity, &str)> =
        snapshot.diagnostics().iter().map(|found| (found.severity, found.code.as_str())).collect();
    assert_eq!(found, [(Severity::Error, "duplicate-skill"), (Severity::Error, "duplicate-name")]);
    let said =
        |code: &str| snapshot.diagnostics().iter().find(|found| found.code == code).unwrap().message.clone();
    for path in [&one, &two] {
        let path = path.canonicalize().unwrap().join("notes");
        assert!(said("duplicate-skill").contains(&*path.to_string_lossy()), "{}", said("duplicate-skill"));
    }
    let message = said("duplicate-name");
    assert!(message.contains("`unix:/r`") && message.contains("/one`") && message.contains("`notes.save`"));

    let turned = catalog(vec![runner, folder(&two, None), folder(&one, None)]);
    turned.refresh().unwrap();
    assert_eq!(names(&turned.snapshot()), ["a_b", "notes_find", "notes_more", "notes_save"]);
    assert_eq!(turned.snapshot().tool("notes.save").unwrap().source, 0);
}

#[test]
fn a_source_that_fails_keeps_its_last_good_part_and_costs_no_other() {
    let place = TempDir::new().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    skill(&one, "notes", &["save"]);
    skill(&two, "git", &["log"]);
    let runner = remote("unix:/r", None);
    runner.describe(&list(&["up.hello"]), None).unwrap();
    let catalog = catalog(vec![folder(&one, None), folder(&two, None), runner.clone()]);
    catalog.refresh().unwrap();
    let before = versions(&catalog.snapshot());

    fs::rename(&two, place.path().join("away")).unwrap();
    skill(&one, "notes", &["save", "find"]);
    runner.failed("it cannot be reached");
    let refreshed = catalog.refresh().unwrap();
    assert!(refreshed.changed);
    let snapshot = catalog.snapshot();
    assert_eq!(names(&snapshot), ["git_log", "notes_find", "notes_save", "up_hello"]);
    let failed: Vec<&str> = snapshot
        .diagnostics()
        .iter()
        .filter(|found| found.code == "source-failed")
        .map(|found| found.file.as_str())
        .collect();
    assert_eq!(failed, [&*two_shown(&one), "unix:/r"]);

    fs::rename(place.path().join("away"), &two).unwrap();
    skill(&one, "notes", &["save"]);
    runner.unchanged();
    catalog.refresh().unwrap();
    assert!(catalog.snapshot().diagnostics().is_empty(), "{:?}", catalog.snapshot().diagnostics());
    assert_eq!(changed(&before, &versions(&catalog.snapshot())), []);

    // Where none is left to look, that is an error, as it is of one folder.
    fs::remove_dir_all(&one).unwrap();
    let alone = folder_that_is_gone(place.path());
    assert!(alone.refresh().is_err());
}

fn two_shown(one: &Path) -> String {
    one.canonicalize().unwrap().with_file_name("two").display().to_string()
}

fn folder_that_is_gone(place: &Path) -> Catalog {
    let gone = place.join("gone");
    fs::create_dir(&gone).unwrap();
    let catalog = catalog(vec![folder(&gone, None)]);
    fs::remove_dir(&gone).unwrap();
    catalog
}

#[test]
fn a_version_changes_for_its_own_kind_alone() {
    let place = TempDir::new().unwrap();
    let (skills, cache) = (place.path().join("skills"), place.path().join("cache"));
    skill(&skills, "notes", &["save"]);
    let runner = remote("unix:/r", Some(&cache));
    let both = catalog(vec![folder(&skills, Some(&cache)), runner.clone()]);
    both.refresh().unwrap();
    runner.describe(&list(&["up.hello"]), None).unwrap();
    assert!(both.merge().unwrap() && !both.merge().unwrap());
    let mut before = versions(&both.snapshot());
    let tool = both.snapshot().tool("up.hello").unwrap();
    let mut step = |what: &str, kinds: &[CatalogKind]| {
        both.merge().unwrap();
        let after = versions(&both.snapshot());
        assert_eq!(changed(&before, &after), kinds, "{what}");
        before = after;
    };
    let resources = br#"{"resources": [{"uri": "mem:one", "name": "one"}], "resourceTemplates": null}"#;
    assert!(runner.describe_items(CatalogKind::Resources, resources).unwrap());
    assert!(!runner.describe_items(CatalogKind::Resources, resources).unwrap(), "the same");
    step("resources", &[CatalogKind::Resources]);
    let templates = br#"{"resourceTemplates": [{"uriTemplate": "file:///{path}", "name": "any"}]}"#;
    runner.describe_items(CatalogKind::Templates, templates).unwrap();
    step("templates", &[CatalogKind::Templates]);
    runner
        .describe_items(CatalogKind::Prompts, br#"{"prompts": [{"name": "greet"}, {"title": "no name"}]}"#)
        .unwrap();
    step("prompts", &[CatalogKind::Prompts]);
    assert!(runner.describe_items(CatalogKind::Prompts, b"[]").is_err());
    step("what is no list", &[]);
    runner.failed("it is gone");
    step("a failure", &[]);
    let snapshot = both.snapshot();
    assert!(
        Arc::ptr_eq(&tool, &snapshot.tool("up.hello").unwrap()),
        "what is made of the same is taken over"
    );
    assert_eq!(
        &snapshot.items_all(ProfileId::EVERYBODY, CatalogKind::Prompts, ListFields::All).unwrap().items[..],
        br#"[{"name": "greet"}]"#
    );
    assert_eq!(source_of(&snapshot, "mem:one"), Some(1));
    assert_eq!(source_of(&snapshot, "file:///x"), Some(1));
    assert_eq!(
        source_of(&snapshot, "mem:unlisted"),
        Some(1),
        "the only one that may have more than it lists"
    );
    let prompt = |name| snapshot.prompt(ProfileId::EVERYBODY, name, None).map(|prompt| prompt.source);
    assert_eq!((prompt("greet"), prompt("leave")), (Some(1), None));
    let codes: Vec<&str> = snapshot.diagnostics().iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["source-failed", "bad-description"]);
    runner.describe(&list(&["up.bye"]), None).unwrap();
    step("tools", &[CatalogKind::Tools]);

    // At the next start all of it is there before anybody is asked.
    let again = catalog(vec![folder(&skills, Some(&cache)), remote("unix:/r", Some(&cache))]);
    assert!(CatalogKind::ALL.into_iter().all(|kind| again.has_cached(kind)));
    assert_eq!(changed(&before, &versions(&again.snapshot())), []);
}

#[test]
fn a_source_without_tools_stands_beside_a_folder_whose_list_is_served_as_it_lies() {
    let place = TempDir::new().unwrap();
    let (skills, cache) = (place.path().join("skills"), place.path().join("cache"));
    skill(&skills, "notes", &["save"]);
    let alone = catalog(vec![folder(&skills, Some(&cache))]);
    alone.refresh().unwrap();
    let items = [CatalogKind::Resources, CatalogKind::Templates];
    let open = || {
        let names = NameStyle::Underscore;
        Arc::new(RemoteSource::new("unix:/r", Some(&cache), names, ExecutorKind::Runner, &items))
    };
    // What the runner listed while its tools were served is not served now.
    remote("unix:/r", Some(&cache)).describe(&list(&["up.hello"]), Some("t")).unwrap();
    let runner = open();
    let offered = CatalogKind::ALL.into_iter().filter(|kind| runner.offers(*kind)).collect::<Vec<_>>();
    assert_eq!(offered, items);
    let both = catalog(vec![folder(&skills, Some(&cache)), runner.clone()]);
    let known = |catalog: &Catalog| {
        CatalogKind::ALL.into_iter().filter(|kind| catalog.has_cached(*kind)).collect::<Vec<_>>()
    };
    assert_eq!(
        known(&both),
        [CatalogKind::Tools, CatalogKind::Prompts, CatalogKind::Skills],
        "nobody waits for what it has not"
    );
    let snapshot = both.snapshot();
    assert_eq!(snapshot.version(CatalogKind::Tools), alone.snapshot().version(CatalogKind::Tools));
    let page = |snapshot: &Snapshot| snapshot.page(ListFields::All, 0).unwrap().items;
    assert_eq!(page(&snapshot), page(&alone.snapshot()));
    assert!(
        !runner.describe_items(CatalogKind::Resources, b"{}").unwrap(),
        "it has none, which is no other list"
    );
    assert_eq!(known(&catalog(vec![open()])).len(), 4, "of templates nothing is known yet");
    runner.describe_items(CatalogKind::Templates, b"{}").unwrap();
    assert_eq!(known(&catalog(vec![open()])).len(), 5);
    let of_any = &both.sources()[source_of(&snapshot, "mem:any").unwrap()];
    assert_eq!(of_any.items_spec().unwrap().executor, ExecutorKind::Runner);
    let template = snapshot.template(ProfileId::EVERYBODY, "mem:{any}", None);
    assert!(matches!(template, Some(FoundResource::Source(1))), "{template:?}");
    assert!(snapshot.prompt(ProfileId::EVERYBODY, "greet", None).is_none());
    assert!(!both.completes() && !runner.has_said_completes(), "nobody has said it");
    runner.set_completes(true);
    assert!(both.completes());
    let again = open();
    assert!(again.completes() && again.has_said_completes(), "it is known from before");
    again.set_completes(false);
    again
        .describe_items(
            CatalogKind::Templates,
            br#"{"resourceTemplates": [{"uriTemplate": "a:{b}", "name": "b"}]}"#,
        )
        .unwrap();
    assert!(!open().completes() && open().has_said_completes());
}

#[test]
fn a_source_that_offers_less_leaves_the_rest_of_its_cache_to_those_that_offer_more() {
    let place = TempDir::new().unwrap();
    let cache = place.path().join("cache");
    let prompts = br#"{"prompts": [{"name": "greet"}]}"#;
    remote("unix:/r", Some(&cache)).describe_items(CatalogKind::Prompts, prompts).unwrap();
    let items = [CatalogKind::Resources];
    let less =
        RemoteSource::new("unix:/r", Some(&cache), NameStyle::Underscore, ExecutorKind::Runner, &items);
    less.describe_items(CatalogKind::Resources, br#"{"resources": [{"uri": "a:b", "name": "b"}]}"#).unwrap();
    let snapshot = catalog(vec![remote("unix:/r", Some(&cache))]).snapshot();
    assert_eq!(
        snapshot.items(ProfileId::EVERYBODY, CatalogKind::Prompts, ListFields::All, 0).unwrap().items,
        r#"[{"name": "greet"}]"#
    );
    assert_ne!(
        snapshot.items(ProfileId::EVERYBODY, CatalogKind::Resources, ListFields::All, 0).unwrap().items,
        "[]"
    );
}

#[test]
fn two_sources_with_resources_share_the_list_and_an_unlisted_one_is_nobodys() {
    let (one, two) = (remote("unix:/one", None), remote("unix:/two", None));
    one.describe_items(CatalogKind::Resources, br#"{"resources": [{"uri": "a:1", "name": "1"}]}"#).unwrap();
    let array = br#"{"resources": [{"uri": "a:1", "name": "other"}, {"uri": "b:1", "name": "1"}]}"#;
    two.describe_items(CatalogKind::Resources, array).unwrap();
    two.describe_items(
        CatalogKind::Templates,
        br#"{"resourceTemplates": [{"uriTemplate": "b:{x}", "name": "b"}]}"#,
    )
    .unwrap();
    let catalog = catalog(vec![one, two]);
    let snapshot = catalog.snapshot();
    assert_eq!(
        &snapshot.items(ProfileId::EVERYBODY, CatalogKind::Resources, ListFields::All, 0).unwrap().items[..],
        br#"[{"uri": "a:1", "name": "1"},{"uri": "b:1", "name": "1"}]"#
    );
    assert_eq!(snapshot.items(ProfileId::EVERYBODY, CatalogKind::Resources, ListFields::All, 1), None);
    assert_eq!(source_of(&snapshot, "a:1"), Some(0));
    assert_eq!(source_of(&snapshot, "b:7"), Some(1));
    assert_eq!(source_of(&snapshot, "c:7"), None);
    let found = &snapshot.diagnostics()[0];
    assert_eq!(found.code, "duplicate-resource");
    assert!(
        found.message.contains("`unix:/one`") && found.message.contains("`unix:/two`"),
        "{}",
        found.message
    );
}

#[test]
fn a_skill_that_is_here_is_asked_of_nobody_else_wherever_that_is_named() {
    let place = TempDir::new().unwrap();
    skill(place.path(), "notes", &["save"]);
    let runner = remote("unix:/r", None);
    let uris = [
        "omni://skill/notes/SKILL.md",
        "omni://skill/note%73/more.md",
        "omni://skill/other/SKILL.md",
        "omni://result/1",
        "a:1",
    ];
    let resources: Vec<Value> = uris.iter().map(|uri| json!({"uri": uri, "name": "n"})).collect();
    let resources = json!({"resources": resources}).to_string();
    runner.describe_items(CatalogKind::Resources, resources.as_bytes()).unwrap();
    let templates = ["omni://skill/notes/{p}", "omni://skill/{+p}", "b:{x}"];
    let templates: Vec<Value> =
        templates.iter().map(|uri| json!({"uriTemplate": uri, "name": "n"})).collect();
    let templates = json!({"resourceTemplates": templates}).to_string();
    runner.describe_items(CatalogKind::Templates, templates.as_bytes()).unwrap();
    for folder_first in [true, false] {
        let mut sources: Vec<Arc<dyn Source>> = vec![runner.clone(), folder(place.path(), None)];
        if folder_first {
            sources.reverse();
        }
        let here = usize::from(!folder_first);
        let catalog = catalog(sources);
        catalog.refresh().unwrap();
        let snapshot = catalog.snapshot();
        assert_eq!(source_of(&snapshot, "omni://skill/notes/SKILL.md"), Some(here));
        assert_eq!(source_of(&snapshot, "omni://skill/notes/none.md"), None, "the runner is not asked");
        assert_eq!(source_of(&snapshot, "OMNI://skill/note%73/none.md"), None);
        assert_eq!(source_of(&snapshot, "omni://skill/other/SKILL.md"), Some(1 - here));
        assert_eq!(source_of(&snapshot, "omni://skill/other/none.md"), Some(1 - here));
        let page = |kind| snapshot.items_all(ProfileId::EVERYBODY, kind, ListFields::All).unwrap().items;
        let listed = |kind, member: &str| -> Vec<String> {
            let items: Vec<Value> = serde_json::from_slice(&page(kind)).unwrap();
            let mut keys: Vec<String> =
                items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(
            listed(CatalogKind::Resources, "uri"),
            ["a:1", "omni://skill/notes/SKILL.md", "omni://skill/other/SKILL.md"]
        );
        assert_eq!(listed(CatalogKind::Templates, "uriTemplate"), ["b:{x}", "omni://skill/{+p}"]);
        let found = snapshot.diagnostics().iter().filter(|found| found.code == "reserved-uri");
        let found: Vec<&str> = found.map(|found| &*found.message).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|found| found.contains("`unix:/r`")), "{found:?}");
        catalog.refresh().unwrap();
        let again = catalog.snapshot();
        assert_eq!(again.diagnostics().len(), snapshot.diagnostics().len(), "nothing is said twice");
    }
}

#[test]
fn readers_see_whole_snapshots_while_a_thousand_are_swapped_under_them() {
    let runner = remote("unix:/r", None);
    let catalog = Arc::new(catalog(vec![runner.clone()]));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0_usize;
                    while !ended.load(Ordering::Relaxed) || seen == 0 {
                        let snapshot = catalog.snapshot();
                        let listed = names(&snapshot);
                        // Each list has one number in all of its names, and each name is a tool of that snapshot.
                        let of: Vec<&str> = listed.iter().filter_map(|name| name.split('_').nth(1)).collect();
                        assert!(of.windows(2).all(|pair| pair[0] == pair[1]), "{listed:?}");
                        for name in &listed {
                            assert_eq!(snapshot.tool(name).unwrap().wire_name, *name);
                        }
                        seen += 1;
                    }
                    seen
                })
            })
            .collect();
        for n in 0..1_000 {
            let of = [format!("a.{n}.x"), format!("b.{n}.y"), format!("c.{n}.z")];
            let of: Vec<&str> = of.iter().map(String::as_str).collect();
            runner.describe(&list(&of[..1 + n % 3]), None).unwrap();
            assert!(catalog.merge().unwrap());
        }
        ended.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    assert_eq!(names(&catalog.snapshot()), ["a_999_x"]);
}

#[test]
fn what_a_runner_of_the_same_folder_lists_is_listed_once_whatever_kind_it_is() {
    let place = TempDir::new().unwrap();
    let skills = place.path().join("skills");
    fs::create_dir_all(skills.join("demo/scripts")).unwrap();
    fs::write(skills.join("demo/SKILL.md"), "---\nname: demo\ndescription: A skill.\n---\n").unwrap();
    let text = "from omni import prompt, resource\n\n\n@prompt\ndef review(a: str) -> str:\n    return a\n\n\n\
                @resource(\"notes://all\")\ndef every() -> str:\n    return \"\"\n\n\n\
                @resource(\"notes://{a}\")\ndef one(a: str) -> str:\n    return a\n";
    fs::write(skills.join("demo/scripts/d.py"), text).unwrap();
    let described: [(CatalogKind, &[u8], &str); 3] = [
        (
            CatalogKind::Prompts,
            br#"{"prompts": [{"name": "demo.review"}, {"name": "demo_review"}, {"name": "demo.other"}]}"#,
            "demo.other",
        ),
        (
            CatalogKind::Resources,
            br#"{"resources": [{"uri": "notes://all", "name": "n"}, {"uri": "notes://other", "name": "n"}]}"#,
            "notes://other",
        ),
        (
            CatalogKind::Templates,
            br#"{"resourceTemplates": [{"uriTemplate": "notes://{a}", "name": "n"}, {"uriTemplate": "x://{a}", "name": "n"}]}"#,
            "x://{a}",
        ),
    ];
    for runner_first in [false, true] {
        let runner = remote("unix:/r", None);
        for (kind, list, _) in described {
            runner.describe_items(kind, list).unwrap();
        }
        let mut sources: Vec<Arc<dyn Source>> = vec![folder(&skills, None), runner];
        if runner_first {
            sources.reverse();
        }
        let both = catalog(sources);
        both.refresh().unwrap();
        let snapshot = both.snapshot();
        for (kind, _, other) in described {
            let keys: Vec<String> = snapshot.all_items(kind).map(|item| item.key.clone()).collect();
            let of_demo = keys.iter().filter(|key| key.contains("review") || key.starts_with("notes://"));
            let expected = match (kind, runner_first) {
                (CatalogKind::Prompts, true) => vec!["demo.review", "demo_review"],
                (CatalogKind::Prompts, false) => vec!["demo_review"],
                (CatalogKind::Resources, true) => vec!["notes://all", "notes://other"],
                (CatalogKind::Resources, false) => vec!["notes://all", "notes://other"],
                _ => vec!["notes://{a}"],
            };
            assert_eq!(of_demo.collect::<Vec<_>>(), expected, "{kind:?}, runner first: {runner_first}");
            assert!(keys.iter().any(|key| key == other), "{keys:?}");
        }
        let first = snapshot.prompt(ProfileId::EVERYBODY, "demo.review", None).unwrap();
        assert_eq!(first.spec.is_none(), runner_first, "the source that is named first answers");
    }
}

#[test]
fn a_source_completes_arguments_of_nothing_that_it_is_not_to_list() {
    for (offers, completes) in [
        (&[CatalogKind::Tools, CatalogKind::Resources][..], false),
        (&[CatalogKind::Templates], true),
        (&[CatalogKind::Prompts], true),
    ] {
        let runner = RemoteSource::new("unix:/r", None, NameStyle::Underscore, ExecutorKind::Runner, offers);
        runner.set_completes(true);
        assert_eq!(runner.completes(), completes, "{offers:?}");
    }
}
