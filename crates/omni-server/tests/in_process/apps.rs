//! The extension for apps: where it is declared, and which revisions have what it says. And what of the members of tools,
//! resources, templates and prompts each revision is told.

use omni_call::{CallResult, OutcomeKind, ResourceContents};
use omni_testkit::{ScriptedExecutor, SkillFolder, TestServer, modern, request};
use serde_json::{Value, json};

use crate::LEGACY;

const EXTENSION: &str = "io.modelcontextprotocol/ui";

/// A tool with a page, and the page.
fn folder(app: &str) -> SkillFolder {
    let folder = SkillFolder::new();
    folder.write("weather/SKILL.md", "---\nname: weather\ndescription: Tells the weather.\n---\n");
    let tool = format!("from omni import tool\n\n\n@tool({app})\ndef now() -> str:\n    return \"\"\n");
    folder.write("weather/scripts/weather.py", &tool);
    folder
}

fn with_page() -> SkillFolder {
    let folder = folder("app=\"ui://weather/view.html\"");
    folder.write("weather/ui/view.html", "<!--\n---\nprefers_border: true\n---\n-->\n<!doctype html>\n");
    folder
}

/// Says of a page what the executor of files says.
fn reading() -> std::sync::Arc<ScriptedExecutor> {
    ScriptedExecutor::answering(|_| {
        let contents = json!([{"uri": "ui://weather/view.html", "mimeType": "text/html;profile=mcp-app", "text": "<html>",
            "_meta": {"ui": {"prefersBorder": true}}}]);
        let contents = contents.to_string().into();
        OutcomeKind::Finished(CallResult::Resource(ResourceContents { contents, meta: None }))
    })
}

#[tokio::test]
async fn the_extension_is_declared_where_something_uses_it_and_the_revision_has_extensions() {
    for (folder, uses) in [(with_page(), true), (folder("read_only=True"), false), (folder("app={}"), true)] {
        let server = TestServer::builder(&folder, reading()).start();
        for revision in LEGACY.into_iter().chain(["2026-07-28"]) {
            let mut client = server.stdio();
            let opened = match revision {
                "2026-07-28" => client.request(&modern(request(1, "server/discover", json!({})))).await,
                _ => client.initialize(revision).await,
            };
            let declared = &opened["result"]["capabilities"]["extensions"][EXTENSION];
            let has_it = uses && revision >= "2025-11-25";
            assert_eq!(*declared, if has_it { json!({}) } else { Value::Null }, "{revision}");
        }
    }
}

#[tokio::test]
async fn what_is_said_to_hosts_reaches_every_revision_that_has_a_place_for_it() {
    let folder = with_page();
    let server = TestServer::builder(&folder, reading()).start();
    for revision in LEGACY.into_iter().chain(["2026-07-28"]) {
        let mut client = server.stdio();
        if revision != "2026-07-28" {
            client.initialize(revision).await;
        }
        let mut ask = async |method: &str, params: Value| {
            let asked = request(1, method, params);
            client.request(&if revision == "2026-07-28" { modern(asked) } else { asked }).await["result"]
                .clone()
        };
        let tool = ask("tools/list", json!({})).await["tools"][0].clone();
        let resources = ask("resources/list", json!({})).await;
        let all = resources["resources"].as_array().unwrap();
        let page = all.iter().find(|item| item["uri"] == "ui://weather/view.html").unwrap();
        let read = ask("resources/read", json!({"uri": "ui://weather/view.html"})).await;
        let has_meta = revision >= "2025-06-18";
        let wanted = |meta: Value| if has_meta { meta } else { Value::Null };
        let ui = json!({"prefersBorder": true});
        assert_eq!(
            tool["_meta"]["ui"],
            wanted(json!({"resourceUri": "ui://weather/view.html"})),
            "{revision}"
        );
        assert_eq!(page["_meta"]["ui"], wanted(ui.clone()), "{revision}");
        assert_eq!(page["mimeType"], "text/html;profile=mcp-app");
        assert_eq!(read["contents"][0]["_meta"]["ui"], wanted(ui.clone()), "{revision}");
        // What a content has no place for is not lost.
        let kept = &read["_meta"]["omni/newer"]["/contents/0/_meta"]["ui"];
        assert_eq!(*kept, if has_meta { Value::Null } else { ui }, "{revision}: {read}");
    }
}

/// A tool, a resource, a template and a prompt with everything that can be said of them.
const FULL: &str = r#"
from omni import Icon, prompt, resource, tool

ICONS = [Icon("https://x/y.png", "image/png")]
ALL = {"title": "T", "icons": ICONS, "meta": {"k": 1}}
NOTED = {"annotations": {"audience": ["user"], "lastModified": "2026-01-31"}}


@tool(read_only=True, **ALL)
def go(a: int) -> dict:
    """Go."""
    return {}


@resource("notes://all", mime_type="text/plain", size=3, **ALL, **NOTED)
def every() -> str:
    """All."""
    return ""


@resource("notes://{a}", mime_type="text/plain", **ALL, **NOTED)
def one(a: str) -> str:
    """One."""
    return a


@prompt(**ALL)
def look(a: str) -> str:
    """Look."""
    return a
"#;

/// The members of what lists show, as `schema.json` of each revision names them: of a tool, a resource, a template, a prompt,
/// an argument of a prompt, and of a resource's annotations.
fn members(revision: &str) -> [Vec<&'static str>; 6] {
    let mut all = [
        vec!["description", "inputSchema", "name"],
        vec!["annotations", "description", "mimeType", "name", "size", "uri"],
        vec!["annotations", "description", "mimeType", "name", "uriTemplate"],
        vec!["arguments", "description", "name"],
        vec!["name", "required"],
        vec!["audience"],
    ];
    if revision >= "2025-03-26" {
        all[0].push("annotations");
    }
    if revision >= "2025-06-18" {
        all[..4].iter_mut().for_each(|members| members.extend(["_meta", "title"]));
        all[0].push("outputSchema");
        all[5].push("lastModified");
    }
    if revision >= "2025-11-25" {
        all[..4].iter_mut().for_each(|members| members.push("icons"));
    }
    all.iter_mut().for_each(|members| members.sort_unstable());
    all
}

#[tokio::test]
async fn each_revision_is_told_the_members_that_its_schema_names_and_no_others() {
    let folder = SkillFolder::new();
    folder.write("notes/SKILL.md", "---\nname: notes\ndescription: Keeps notes.\n---\n");
    folder.write("notes/scripts/notes.py", FULL);
    let server = TestServer::builder(&folder, reading()).start();
    for revision in LEGACY.into_iter().chain(["2026-07-28"]) {
        let mut client = server.stdio();
        if revision != "2026-07-28" {
            client.initialize(revision).await;
        }
        let mut lists = Vec::new();
        for (method, member, key, value) in [
            ("tools/list", "tools", "name", "notes_go"),
            ("resources/list", "resources", "uri", "notes://all"),
            ("resources/templates/list", "resourceTemplates", "uriTemplate", "notes://{a}"),
            ("prompts/list", "prompts", "name", "notes_look"),
        ] {
            let asked = request(1, method, json!({}));
            let asked = if revision == "2026-07-28" { modern(asked) } else { asked };
            let answer = client.request(&asked).await["result"][member].clone();
            let found = answer.as_array().unwrap().iter().find(|item| item[key] == value);
            lists.push(found.unwrap_or_else(|| panic!("{answer}")).clone());
        }
        lists.push(lists[3]["arguments"][0].clone());
        lists.push(lists[1]["annotations"].clone());
        for (item, members) in lists.iter().zip(members(revision)) {
            let mut told: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
            told.sort_unstable();
            assert_eq!(told, members, "{revision}: {item}");
        }
    }
}
