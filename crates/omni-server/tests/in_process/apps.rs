//! The extension for apps: where it is declared, and which revisions have what it says.

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
