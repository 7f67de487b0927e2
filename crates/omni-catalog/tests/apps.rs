//! Pages that hosts show beside a chat: files and functions, what hosts are told of them, and what is wrong with that.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong")]

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use omni_call::{FileKind, Target};
use omni_catalog::{
    Catalog, CatalogKind, Filter, FilterRule, FolderConfig, FolderSource, FoundResource, ListFields,
    NameStyle, Overrides, ProfileId, SettingLocation, Snapshot, ToolRules,
};
use serde_json::{Value, json};

const APP_PAGE: &str = "text/html;profile=mcp-app";

const VIEW: &str = "<!--\n---\ntitle: Weather\ndescription: Shows it.\ncsp:\n  connect_domains: [https://api.example.com]\n\
                    permissions: [camera]\nprefers_border: no\ntags: [maps]\nmeta:\n  own: 1\n---\n-->\n<!doctype html>\n<p>";

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let world = World { dir: tempfile::tempdir().unwrap() };
        world.write("weather/SKILL.md", "---\nname: weather\ndescription: Tells the weather.\n---\n")
    }

    fn write(self, path: &str, text: &str) -> World {
        let path = self.dir.path().join("skills").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn tools(self, text: &str) -> World {
        self.write("weather/scripts/w.py", &format!("from omni import AppConfig, resource, tool\n\n\n{text}"))
    }

    fn catalog(&self, rules: ToolRules) -> Catalog {
        let skills_dir = self.dir.path().join("skills");
        let config = FolderConfig { skills_dir, ..FolderConfig::default() };
        let catalog = Catalog::new(vec![Arc::new(FolderSource::open(config).unwrap())], rules).unwrap();
        catalog.refresh().unwrap();
        catalog
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.catalog(ToolRules::default()).snapshot()
    }
}

/// The pages of the list of resources, by URI.
fn listed(snapshot: &Snapshot) -> Vec<Value> {
    let page = snapshot.items_all(ProfileId::EVERYBODY, CatalogKind::Resources, ListFields::All).unwrap();
    let all: Vec<Value> = serde_json::from_slice(&page.items).unwrap();
    all.into_iter().filter(|item| item["uri"].as_str().unwrap().starts_with("ui://")).collect()
}

fn found(snapshot: &Snapshot, codes: &[&str]) -> Vec<String> {
    let findings = snapshot.diagnostics().iter().filter(|finding| codes.contains(&finding.code.as_str()));
    findings.map(|it| format!("{} {}:{} {}", it.code, it.file, it.line, it.message)).collect()
}

#[test]
fn each_html_file_below_ui_is_a_page_with_what_its_first_comment_says() {
    let world = World::new()
        .write("weather/ui/view.html", VIEW)
        .write("weather/ui/maps/a b.HTM", "<html><title> The map </title>")
        .write("weather/ui/style.css", "p {}")
        .write("weather/assets/other.html", "<html>");
    symlink("view.html", world.dir.path().join("skills/weather/ui/link.html")).unwrap();
    let snapshot = world.snapshot();
    let ui = json!({"csp": {"connectDomains": ["https://api.example.com"]}, "permissions": {"camera": {}}, "prefersBorder": false});
    assert_eq!(
        listed(&snapshot),
        [
            json!({"uri": "ui://weather/maps/a%20b.HTM", "name": "maps/a b.HTM", "title": "The map", "mimeType": APP_PAGE,
                "size": 30}),
            json!({"uri": "ui://weather/view.html", "name": "view.html", "title": "Weather", "description": "Shows it.",
                "mimeType": APP_PAGE, "size": VIEW.len(), "_meta": {"own": 1, "ui": ui, "fastmcp": {"tags": ["maps"]}}}),
        ]
    );
    let resource = snapshot.resource(ProfileId::EVERYBODY, "ui://weather/view.html", None);
    let Some(FoundResource::Listed(item)) = resource else { panic!("{resource:?}") };
    let Target::File(file) = &item.spec.as_ref().unwrap().target else { panic!("{item:?}") };
    let FileKind::Resource { mime_type, meta } = &file.kind else { panic!("{file:?}") };
    assert_eq!((file.path.as_str(), mime_type.as_deref()), ("ui/view.html", Some(APP_PAGE)));
    assert_eq!(json!(meta), json!({"own": 1, "ui": ui}), "and so in its contents, without what omni adds");
    assert_eq!(
        found(&snapshot, &["linked-page", "app-page", "app-config", "unknown-key"]),
        ["linked-page weather/ui/link.html:0 a link among pages is not followed"]
    );
    assert!(snapshot.has_apps(ProfileId::EVERYBODY));
}

#[test]
fn nothing_is_for_hosts_of_apps_where_there_is_neither_a_page_nor_a_tool_with_one() {
    let tool = "@tool(meta={\"uis\": {\"ui\": 1}})\ndef now() -> str:\n    return \"\"\n";
    let world = World::new().tools(tool).write("weather/assets/view.html", "<html>");
    assert!(!world.snapshot().has_apps(ProfileId::EVERYBODY));
    let with = world.tools(&tool.replace("uis", "ui"));
    assert!(with.snapshot().has_apps(ProfileId::EVERYBODY));
}

#[test]
fn a_page_is_shown_to_whoever_is_shown_a_tool_of_its_skill() {
    let tools = "@tool(app=\"ui://weather/view.html\")\ndef now() -> str:\n    return \"\"\n\n\n\
                 @tool\ndef then() -> str:\n    return \"\"\n";
    let world = World::new().tools(tools).write("weather/ui/view.html", "<html>");
    for (pattern, pages) in [("weather", 0), ("weather.then", 1), ("weather.*", 0)] {
        let setting = SettingLocation::new("filter", "omni.toml", 1);
        let filter = Filter::new(vec![FilterRule::new(pattern, setting).unwrap()]);
        let rules = ToolRules::new(vec![filter], Overrides::default(), NameStyle::Underscore, Vec::new());
        assert_eq!(listed(&world.catalog(rules).snapshot()).len(), pages, "{pattern}");
    }
}

#[test]
fn a_page_that_is_not_there_is_told_with_the_one_that_was_meant() {
    let world = World::new()
        .write("weather/ui/view.html", "<html>")
        .write("other/SKILL.md", "---\nname: other\ndescription: Is another.\n---\n")
        .write("other/ui/page.html", "<html>")
        .tools(
            "@tool(app=\"ui://weather/view.html\")\ndef a() -> str:\n    return \"\"\n\n\n\
             @tool(app=\"ui://other/page.html\")\ndef b() -> str:\n    return \"\"\n\n\n\
             @tool(app=\"ui://weather/city/Bonn\")\ndef c() -> str:\n    return \"\"\n\n\n\
             @resource(\"ui://weather/city/{city}\")\ndef city(city: str) -> str:\n    return \"\"\n\n\n\
             @tool(app=\"ui://weather/veiw.html\")\ndef d() -> str:\n    return \"\"\n\n\n\
             @tool(meta={\"ui\": {\"resourceUri\": \"https://x/y\", \"visibility\": [\"modle\"]}})\ndef e() -> str:\n    return \"\"\n",
        );
    let snapshot = world.snapshot();
    assert_eq!(
        found(&snapshot, &["app-config"]),
        [
            "app-config weather/scripts/w.py:25 there is no page `ui://weather/veiw.html`, which hosts are to show for the tool \
             `weather.d`",
            "app-config weather/scripts/w.py:30 the page of the tool `weather.e` is \"https://x/y\", and hosts take a `ui://` URI \
             only",
            "app-config weather/scripts/w.py:30 `visibility` of the tool `weather.e` is [\"modle\"], and hosts know `model` and \
             `app` only",
        ]
    );
    let help = snapshot.diagnostics().iter().find(|it| it.code == "app-config").unwrap().help.clone();
    assert_eq!(help.as_deref(), Some("did you mean `ui://weather/view.html`?"));
    assert_eq!(snapshot.tool_count(), 5, "all are listed: without its page a tool is a tool");
}

#[test]
fn the_check_sees_an_edit_of_the_page_s_skill() {
    let world =
        World::new().tools("@tool(app=\"ui://weather/view.html\")\ndef a() -> str:\n    return \"\"\n");
    let catalog = world.catalog(ToolRules::default());
    assert_eq!(found(&catalog.snapshot(), &["app-config"]).len(), 1);
    let world = world.write("weather/ui/view.html", "<html>");
    catalog.refresh().unwrap();
    assert_eq!(found(&catalog.snapshot(), &["app-config"]), Vec::<String>::new());
    fs::remove_dir_all(world.dir.path().join("skills/weather/ui")).unwrap();
    catalog.refresh().unwrap();
    assert_eq!(found(&catalog.snapshot(), &["app-config"]).len(), 1);
}

#[test]
fn what_hosts_could_not_use_of_a_page_is_told() {
    for (decorated, said) in [
        ("app={\"csp\": {\"connectDomain\": []}}", "`csp` of the page"),
        ("app={\"csp\": {\"connectDomains\": [\"example.com\"]}}", "`csp` of the page"),
        ("app={\"csp\": {\"connectDomains\": [\"https://a; script-src *\"]}}", "`csp` of the page"),
        ("app={\"permissions\": [\"camera\"]}", "`permissions` of the page"),
        ("app={\"permissions\": {\"camera\": True}}", "`permissions` of the page"),
        ("app={\"prefersBorder\": \"yes\"}", "`prefersBorder` of the page"),
        ("app={\"domain\": 1}", "`domain` of the page"),
        ("app={\"visibility\": [\"app\"]}", "hosts read `visibility` of a tool"),
        ("app={\"prefersBorders\": True}", "hosts know no `prefersBorders`"),
        ("meta={\"ui\": 1}", "is no object"),
        ("mime_type=\"text/html\"", "is `text/html`, and hosts take `text/html;profile=mcp-app` only"),
    ] {
        let page =
            format!("@resource(\"ui://weather/x\", {decorated})\ndef page() -> str:\n    return \"\"\n");
        let found = found(&World::new().tools(&page).snapshot(), &["app-config"]);
        assert!(found.len() == 1 && found[0].contains(said), "{decorated}: {found:?}");
    }
    for right in [
        "app={\"csp\": {\"connectDomains\": [\"wss://a.b\"], \"resourceDomains\": [\"https://*.a.b\"], \"newDirective\": 1}}",
        "app={\"permissions\": {\"camera\": {}}, \"domain\": \"a.b\", \"prefersBorder\": False}",
        "mime_type=\"text/html; profile=mcp-app\"",
    ] {
        let page = format!("@resource(\"ui://weather/x\", {right})\ndef page() -> str:\n    return \"\"\n");
        assert_eq!(
            found(&World::new().tools(&page).snapshot(), &["app-config"]),
            Vec::<String>::new(),
            "{right}"
        );
    }
    let elsewhere =
        "@resource(\"notes://x\", app={\"domain\": \"a\"})\ndef page() -> str:\n    return \"\"\n";
    let found = found(&World::new().tools(elsewhere).snapshot(), &["app-config"]);
    assert!(found.len() == 1 && found[0].contains("`notes://x` is no page for an app"), "{found:?}");
}

#[test]
fn a_file_that_is_no_whole_page_is_told_and_its_front_matter_is_checked_line_by_line() {
    let world = World::new().write("weather/ui/part.html", "<!-- a part -->\n<div>").write(
        "weather/ui/view.html",
        "<!--\n---\ntitle: x\ncps: {}\ndescription: [a]\n---\n-->\n<!DOCTYPE HTML>",
    );
    assert_eq!(
        found(&world.snapshot(), &["app-page", "unknown-key", "bad-value"]),
        [
            "app-page weather/ui/part.html:2 the page is no whole HTML document, which hosts want of an app's page",
            "unknown-key weather/ui/view.html:4 the key `cps` means nothing in a page",
            "bad-value weather/ui/view.html:5 the value of `description` must be a text",
        ]
    );
}

#[test]
fn what_is_no_value_of_a_key_is_told_of_a_page_as_of_a_prompt() {
    let world = World::new().write(
        "weather/ui/view.html",
        "<!--\n---\nicons: one\ntags:\n  a: b\nmeta: 3\n---\n-->\n<!doctype html>",
    );
    assert_eq!(
        found(&world.snapshot(), &["bad-value"]),
        [
            "bad-value weather/ui/view.html:3 the value of `icons` must be a list of mappings",
            "bad-value weather/ui/view.html:4 the value of `tags` must be a list of texts",
            "bad-value weather/ui/view.html:6 the value of `meta` must be a mapping",
        ]
    );
}

#[test]
fn an_icon_that_is_a_file_of_the_skill_is_sent_as_what_is_in_it() {
    let icons = "icons=[Icon(\"assets/a.svg\", sizes=[\"any\"]), {\"src\": \"https://x/y.png\", \"mime_type\": \"image/png\"}]";
    let world = World::new()
        .write("weather/assets/a.svg", "<svg/>")
        .write("weather/assets/large.svg", &"<!-- -->".repeat(2049))
        .write("weather/ui/view.html", "<!--\n---\nicons:\n  - src: ./assets/a.svg\n---\n-->\n<html>")
        .write("weather/prompts/ask.md", "---\ndescription: Asks.\nicons:\n  - src: assets/nothing.png\n---\nAsk.\n")
        .tools(&format!(
            "from omni import Icon, prompt\n\n\n@tool({icons})\ndef now() -> str:\n    return \"\"\n\n\n\
             @resource(\"notes://x\", {icons})\ndef page() -> str:\n    return \"\"\n\n\n\
             @prompt({icons})\ndef look() -> str:\n    return \"\"\n\n\n\
             @tool(icons=[Icon(\"assets/large.svg\"), Icon(\"scripts/w.py\"), Icon(\"../x.png\")])\ndef then() -> str:\n    return \"\"\n"
        ));
    let snapshot = world.snapshot();
    let file =
        json!({"src": "data:image/svg+xml;base64,PHN2Zy8+", "sizes": ["any"], "mimeType": "image/svg+xml"});
    let expected = json!([file, {"src": "https://x/y.png", "mimeType": "image/png"}]);
    let tools: Vec<Value> = serde_json::from_slice(&snapshot.page_all(ListFields::All).items).unwrap();
    let icons_of = |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap()["icons"].clone();
    assert_eq!(icons_of("weather_now"), expected);
    assert_eq!(icons_of("weather_then"), Value::Null);
    for (kind, name) in [(CatalogKind::Resources, "page"), (CatalogKind::Prompts, "weather_look")] {
        let page = snapshot.items_all(ProfileId::EVERYBODY, kind, ListFields::All).unwrap();
        let all: Vec<Value> = serde_json::from_slice(&page.items).unwrap();
        assert_eq!(all.iter().find(|item| item["name"] == name).unwrap()["icons"], expected, "{kind:?}");
    }
    assert_eq!(
        listed(&snapshot)[0]["icons"],
        json!([{"src": "data:image/svg+xml;base64,PHN2Zy8+", "mimeType": "image/svg+xml"}])
    );
    let found = found(&snapshot, &["icon-file"]);
    for said in [
        "weather/prompts/ask.md:3 `assets/nothing.png`, an icon of the prompt `weather.ask`, is no file",
        "`assets/large.svg`, an icon of the tool `then`, has 16392 bytes, more than the 16384",
        "`scripts/w.py`, an icon of the tool `then`, is no image (`text/x-python`)",
        "`../x.png`, an icon of the tool `then`, is no file of the skill that clients may read",
    ] {
        assert!(found.iter().any(|found| found.contains(said)), "{said}: {found:#?}");
    }
    assert_eq!(found.len(), 4);
    let world = world.write("weather/assets/a.svg", "<svg></svg>");
    let edited = world.snapshot();
    let tools: Vec<Value> = serde_json::from_slice(&edited.page_all(ListFields::All).items).unwrap();
    let now = tools.iter().find(|tool| tool["name"] == "weather_now").unwrap();
    assert_eq!(
        now["icons"][0]["src"], "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=",
        "an edit of the file counts"
    );
}
