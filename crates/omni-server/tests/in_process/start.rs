//! What a server answers that has just been started on a folder which has changed since a cache was made of it.

use std::sync::Arc;
use std::time::Duration;

use omni_call::{CallResult, OutcomeKind, PromptMessages};
use omni_testkit::{
    ScriptedExecutor, SkillFolder, StdioClient, TestServer, call_tool, initialize, modern, request,
};
use serde_json::{Value, json};

/// Longer than a few milliseconds, and shorter than anybody waits in vain for a folder.
const READING: Duration = Duration::from_secs(2);

/// Longer than lists wait for a folder.
const TOO_LONG: Duration = Duration::from_secs(30);

const MODULE: &str = "from omni import prompt, resource, tool\n\n";

fn functions(name: &str) -> String {
    format!(
        "{MODULE}@tool\ndef {name}():\n    return ''\n\n@prompt\ndef ask_{name}() -> str:\n    return ''\n\n\
         @resource('my://{name}')\ndef read_{name}() -> str:\n    return ''\n"
    )
}

/// A server of a folder whose functions were others when it was read the last time. It reads the folder in `reading`.
fn started(reading: Duration) -> (SkillFolder, TestServer) {
    let folder = SkillFolder::new()
        .file("notes/SKILL.md", "---\nname: notes\ndescription: As it was.\n---\n")
        .file("notes/scripts/tools.py", &functions("old"));
    folder.catalog_at_start();
    folder.write("notes/SKILL.md", "---\nname: notes\ndescription: As it is.\n---\n");
    folder.write("notes/scripts/tools.py", &functions("new"));
    let executor = ScriptedExecutor::answering(|call| match &*call.spec.tool {
        "notes.ask_new" => OutcomeKind::Finished(CallResult::Prompt(PromptMessages {
            description: None,
            messages: b"[]".as_slice().into(),
            meta: None,
        })),
        _ => OutcomeKind::Finished(CallResult::Tool(omni_call::ToolResult::of_text("ran"))),
    });
    let server = TestServer::builder_at_start(&folder, executor).start();
    let reader = Arc::clone(&server.server);
    tokio::spawn(async move {
        tokio::time::sleep(reading).await;
        reader.refresh_catalog().await;
    });
    (folder, server)
}

async fn answer(client: &mut StdioClient, method: &str, params: Value) -> String {
    client.request(&modern(request(1, method, params))).await.to_string()
}

#[tokio::test(start_paused = true)]
async fn the_first_lists_are_of_the_folder_as_it_is_and_not_of_the_cache() {
    for (method, new, old) in [
        ("tools/list", "notes_new", "notes_old"),
        ("prompts/list", "notes_ask_new", "notes_ask_old"),
        ("resources/list", "my://new", "my://old"),
    ] {
        let (_folder, server) = started(READING);
        let list = answer(&mut server.stdio(), method, json!({})).await;
        assert!(list.contains(new) && !list.contains(old), "{list}");
        assert!(list.contains(r#""ttlMs":60000"#), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_new_is_there_for_the_first_call_of_it_however_long_the_folder_takes() {
    for reading in [READING, TOO_LONG] {
        let (_folder, server) = started(reading);
        let called = server.stdio().request(&modern(call_tool(1, "notes_new", json!({})))).await;
        assert_eq!(called["result"]["content"][0]["text"], "ran", "{called}");

        let (_folder, server) = started(reading);
        let prompt = answer(&mut server.stdio(), "prompts/get", json!({"name": "notes_ask_new"})).await;
        assert!(prompt.contains(r#""messages":[]"#), "{prompt}");

        let (_folder, server) = started(reading);
        let read = answer(&mut server.stdio(), "resources/read", json!({"uri": "my://new"})).await;
        assert!(!read.contains("there is no resource"), "{read}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_unknown_to_the_first_call_of_it() {
    let (_folder, server) = started(READING);
    let called = server.stdio().request(&modern(call_tool(1, "notes_old", json!({})))).await;
    assert!(called.to_string().contains("unknown tool"), "{called}");

    let (_folder, server) = started(READING);
    let read = answer(&mut server.stdio(), "resources/read", json!({"uri": "my://old"})).await;
    assert!(read.contains("there is no resource"), "{read}");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_told_of_the_skills_as_they_are() {
    let (_folder, server) = started(Duration::from_millis(500));
    let opened = server.stdio().request(&initialize(1, "2025-11-25")).await.to_string();
    assert!(opened.contains("As it is.") && !opened.contains("As it was."), "{opened}");
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_takes_too_long_is_served_as_it_was_and_nobody_is_told_to_keep_that() {
    for (method, old) in [("tools/list", "notes_old"), ("prompts/list", "notes_ask_old")] {
        let (_folder, server) = started(TOO_LONG);
        let mut client = server.stdio();
        let list = answer(&mut client, method, json!({})).await;
        assert!(list.contains(old) && list.contains(r#""ttlMs":0,"#), "{list}");
        tokio::time::sleep(TOO_LONG).await;
        let list = answer(&mut client, method, json!({})).await;
        assert!(!list.contains(old) && list.contains(r#""ttlMs":60000"#), "{list}");
    }
    let (_folder, server) = started(TOO_LONG);
    let opened = answer(&mut server.stdio(), "server/discover", json!({})).await;
    assert!(opened.contains("As it was.") && opened.contains(r#""ttlMs":0,"#), "{opened}");
}
