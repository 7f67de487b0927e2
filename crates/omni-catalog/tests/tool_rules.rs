//! What profiles show of real folders: lists, names, versions, and what is said of rules that cannot be obeyed.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

use std::fs;
use std::sync::Arc;

use omni_catalog::{
    Catalog, CatalogKind, ClientPattern, Filter, FilterRule, FolderConfig, FolderSource, ListFields, Located,
    NameStyle, Override, Overrides, Profile, ProfileId, SettingLocation, Severity, ToolList, ToolRules,
};
use serde_json::Value;
use tempfile::TempDir;

fn setting(key: &str, line: u32) -> SettingLocation {
    SettingLocation::new(key, "/etc/omni.toml", line)
}

fn filter(patterns: &[&str]) -> Filter {
    let rule = |text: &&str| FilterRule::new(text, setting("filter", 3)).unwrap();
    Filter::new(patterns.iter().map(rule).collect())
}

fn alias(tool: &str, alias: &str) -> Override {
    Override {
        tool: tool.to_owned(),
        setting: setting(tool, 8),
        alias: Some(Located { value: alias.to_owned(), setting: setting("alias", 9) }),
        append_doc: None,
        title: None,
        hidden: None,
    }
}

fn profile(name: &str, filter: Filter, overrides: Vec<Override>, names: Option<NameStyle>) -> Profile {
    Profile {
        name: name.to_owned(),
        setting: setting(name, 20),
        clients: vec![ClientPattern::new(name).unwrap()],
        principals: Vec::new(),
        filter,
        overrides: Overrides::new(overrides),
        names,
    }
}

/// A folder with the skills `git` (`log`, `push`) and `web` (`fetch`, with the tag `net`).
struct Skills {
    dir: TempDir,
}

impl Skills {
    fn new() -> Skills {
        let skills = Skills { dir: tempfile::tempdir().unwrap() };
        skills.write("git", "@tool\ndef log(n: int = 1) -> str:\n    \"\"\"Show the log.\"\"\"\n\n@tool\ndef push(): \"\"\"Push.\"\"\"\n");
        skills.write("web", "@tool(tags=[\"net\"])\ndef fetch(url: str): \"\"\"Fetch.\"\"\"\n");
        skills
    }

    fn write(&self, skill: &str, tools: &str) {
        let scripts = self.dir.path().join("skills").join(skill).join("scripts");
        fs::create_dir_all(&scripts).unwrap();
        fs::write(scripts.join("tools.py"), format!("from omni import tool\n\n{tools}")).unwrap();
        let skill_md = format!("---\nname: {skill}\ndescription: d\n---\n");
        fs::write(scripts.parent().unwrap().join("SKILL.md"), skill_md).unwrap();
    }

    fn source(&self) -> FolderSource {
        let config = FolderConfig {
            skills_dir: self.dir.path().join("skills"),
            cache_dir: Some(self.dir.path().join("cache")),
            ..FolderConfig::default()
        };
        FolderSource::open(config).unwrap()
    }

    fn catalog(&self, rules: ToolRules) -> Catalog {
        let catalog = Catalog::new(vec![Arc::new(self.source())], rules).unwrap();
        catalog.refresh().unwrap();
        catalog
    }
}

fn rules(filters: &[&str], overrides: Vec<Override>, profiles: Vec<Profile>) -> ToolRules {
    ToolRules::new(vec![filter(filters)], Overrides::new(overrides), NameStyle::Underscore, profiles)
}

fn listed(list: &ToolList) -> Vec<Value> {
    let page = list.page(ListFields::All, 0).unwrap();
    assert_eq!(page.next, None);
    serde_json::from_slice(&page.items).unwrap()
}

fn names(list: &ToolList) -> Vec<String> {
    listed(list).iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_profile_has_a_list_names_and_a_version_of_its_own() {
    let skills = Skills::new();
    let own = Override {
        append_doc: Some("Ask first.".into()),
        title: Some("Log".into()),
        ..alias("git.log", "history")
    };
    let hidden = Override { alias: None, hidden: Some(true), ..alias("git.push", "") };
    let catalog = skills.catalog(rules(
        &["web"],
        vec![],
        vec![
            profile("claude", filter(&[]), vec![own, hidden], None),
            profile("dots", filter(&["*", "!git.log"]), vec![], Some(NameStyle::Dotted)),
        ],
    ));
    let snapshot = catalog.snapshot();
    let list = |name: &str| snapshot.for_profile(catalog.rules().id(name).unwrap());

    assert_eq!(names(list("default")), ["git_log", "git_push"]);
    assert_eq!(names(list("dots")), ["git.log"]);
    let claude = list("claude");
    let tools = listed(claude);
    assert_eq!(names(claude), ["history"]);
    assert_eq!(
        (tools[0]["title"].as_str(), tools[0]["description"].as_str()),
        (Some("Log"), Some("Show the log.\n\nAsk first."))
    );
    assert_eq!(tools[0]["inputSchema"], listed(list("default"))[0]["inputSchema"]);

    for name in ["history", "git.log", "git_log"] {
        let tool = claude.tool(name).unwrap();
        assert_eq!((tool.name(), tool.wire_name.as_str()), ("git.log", "history"), "{name}");
    }
    let push = claude.tool("git_push").unwrap();
    assert!(
        !claude.is_listed(&push) && push.input_schema().get().contains("object"),
        "hidden, and can be called"
    );
    assert!(list("default").tool("history").is_none());
    assert!(list("dots").tool("git_push").is_none() && list("dots").tool("git.push").is_none());

    let versions: Vec<&str> = snapshot.versions().collect();
    assert_eq!(versions.len(), 3);
    assert!(versions[0] != versions[1] && versions[1] != versions[2] && versions[0] != versions[2]);
    assert_eq!(snapshot.version(CatalogKind::Tools), versions[0]);
    assert_eq!(snapshot.tool_count(), 2, "what any client has");
    let skills: Vec<&str> = snapshot.skills().iter().map(|skill| skill.folder.as_str()).collect();
    assert_eq!(skills, ["git"], "a skill without a tool that is left is left out, too");
}

#[test]
fn a_change_is_one_of_those_lists_alone_that_show_it() {
    let skills = Skills::new();
    let profiles = vec![
        profile("git", filter(&["*", "!git"]), vec![], None),
        profile(
            "quiet",
            filter(&[]),
            vec![Override { alias: None, hidden: Some(true), ..alias("web.fetch", "") }],
            None,
        ),
    ];
    let catalog = skills.catalog(rules(&[], vec![], profiles));
    let before = catalog.snapshot();
    skills.write("web", "@tool\ndef fetch(url: str, retries: int = 1): \"\"\"Fetch.\"\"\"\n");
    assert!(catalog.refresh().unwrap().changed);
    let after = catalog.snapshot();
    let changed: Vec<bool> =
        before.versions().zip(after.versions()).map(|(one, other)| one != other).collect();
    assert_eq!(changed, [true, false, false], "not one that does not have it, nor one that hides it");
    let quiet = after.for_profile(catalog.rules().id("quiet").unwrap());
    assert!(quiet.tool("web_fetch").unwrap().input_schema().get().contains("retries"));
}

#[test]
fn with_no_rules_everybody_has_the_one_list_that_lies_ready() {
    let skills = Skills::new();
    let plain = skills.catalog(ToolRules::plain(NameStyle::Underscore)).snapshot();
    let ruled = skills.catalog(rules(&[], vec![], vec![profile("p", filter(&[]), vec![], None)]));
    let snapshot = ruled.snapshot();
    let page = |list: &ToolList| list.page(ListFields::All, 0).unwrap().items;
    let (all, own) = (
        page(snapshot.for_profile(ProfileId::EVERYBODY)),
        page(snapshot.for_profile(ruled.rules().id("p").unwrap())),
    );
    assert_eq!(all.as_ptr(), own.as_ptr(), "a profile that changes nothing shares it");
    assert_eq!(page(plain.for_profile(ProfileId::EVERYBODY)), all);
    assert_eq!(plain.version(CatalogKind::Tools), snapshot.version(CatalogKind::Tools));
}

#[test]
fn an_unknown_name_and_a_filtered_one_get_one_answer_and_the_operator_is_told_the_setting() {
    let skills = Skills::new();
    let catalog =
        skills.catalog(rules(&["tag:net"], vec![], vec![profile("p", filter(&["git.push"]), vec![], None)]));
    let snapshot = catalog.snapshot();
    let id = catalog.rules().id("p").unwrap();
    for name in ["git.push", "git_push"] {
        let said = snapshot.for_profile(id).unknown_name(name).for_clients();
        assert_eq!(said, format!("unknown tool `{name}`; the tool list names all there are"));
        let filtered = snapshot.filtered(id, name).unwrap();
        assert_eq!(filtered.tool, "git.push");
        assert_eq!(filtered.to_string(), "the pattern `git.push` of `filter` at `/etc/omni.toml:3`");
        assert_eq!(snapshot.filtered(ProfileId::EVERYBODY, name), None);
    }
    assert_eq!(snapshot.filtered(ProfileId::EVERYBODY, "web.fetch").unwrap().pattern, "tag:net");
    assert_eq!(snapshot.filtered(id, "no.such"), None);
}

#[test]
fn a_collision_that_comes_with_an_edit_costs_the_alias_alone_and_is_told() {
    let skills = Skills::new();
    let catalog = skills.catalog(rules(&[], vec![alias("git.log", "web_history")], vec![]));
    assert!(catalog.snapshot().rule_conflicts().is_empty());
    assert_eq!(names(catalog.snapshot().for_profile(ProfileId::EVERYBODY))[0], "web_history");
    skills.write("web", "@tool\ndef history(): \"\"\"History.\"\"\"\n");
    catalog.refresh().unwrap();
    let snapshot = catalog.snapshot();
    assert_eq!(names(snapshot.for_profile(ProfileId::EVERYBODY)), ["git_log", "git_push", "web_history"]);
    assert_eq!(
        snapshot.rule_conflicts().to_string(),
        "the alias `web_history` of `git.log` (`alias` at `/etc/omni.toml:9`) is a name of `web.history`; choose another, or \
         leave `web.history` out with `filter`"
    );
    let found = snapshot.diagnostics().iter().find(|found| found.code == "alias-collision").unwrap();
    assert_eq!((found.severity, found.file.as_str(), found.line), (Severity::Error, "/etc/omni.toml", 9));
}

#[test]
fn a_rule_that_says_nothing_is_a_warning_once_the_tools_are_known() {
    let skills = Skills::new();
    let rules = || rules(&["gti"], vec![alias("git.lgo", "x")], vec![]);
    let unknown = Catalog::new(vec![Arc::new(skills.source())], rules()).unwrap();
    assert!(unknown.snapshot().diagnostics().is_empty(), "nothing has been looked at");
    let snapshot = skills.catalog(rules()).snapshot();
    let found: Vec<_> = snapshot.diagnostics().iter().filter(|found| found.code == "no-effect").collect();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].line, &*found[0].message, found[0].help.as_deref()),
        (3, "`filter`: `gti` matches no tool", Some("did you mean `git`?"))
    );
    assert_eq!((found[1].line, found[1].help.as_deref()), (8, Some("did you mean `git.log`?")));
}
