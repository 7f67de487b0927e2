//! Results that are too large to be sent: what clients get instead, who can read the whole, and how long.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omni_call::{OutcomeKind, ToolResult};
use omni_server::{StoredResults, StoredResultsConfig};
use omni_testkit::{HttpClient, ScriptedExecutor, SkillFolder, TestServer, call_tool, modern, request};
use serde_json::{Value, json};

use crate::one_skill;

const INLINE: usize = 64 << 10;

/// Each line another, with characters of two bytes.
fn text(bytes: usize) -> String {
    let mut text: String = (0..bytes / 12).map(|n| format!("{n:08} é\n")).collect();
    text.push_str(&".".repeat(bytes - text.len()));
    text
}

struct World {
    /// Where results are kept, and nothing else.
    state: SkillFolder,
    server: TestServer,
}

impl World {
    fn new(result: ToolResult) -> World {
        World::with(
            StoredResultsConfig { inline_bytes_max: INLINE, ..StoredResultsConfig::default() },
            result,
        )
    }

    fn with(config: StoredResultsConfig, result: ToolResult) -> World {
        World::of(&one_skill(), config, result)
    }

    fn of(skills: &SkillFolder, config: StoredResultsConfig, result: ToolResult) -> World {
        let state = SkillFolder::new();
        let stored = StoredResults::open(state.path(), config).unwrap();
        let executor = ScriptedExecutor::answering(move |_| OutcomeKind::from(result.clone()));
        let server = TestServer::builder(skills, executor)
            .config(|config| config.stored_results = Some(stored))
            .start();
        World { state, server }
    }

    /// The files of results.
    fn files(&self) -> Vec<PathBuf> {
        files(self.state.path())
    }

    async fn session(&self, revision: &str) -> HttpClient {
        let mut client = self.server.http().await;
        client.initialize(revision).await;
        client
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let servers =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = servers.flat_map(|server| fs::read_dir(server).unwrap().map(|entry| entry.unwrap().path()));
    files.filter(|path| path.file_name().unwrap() != "lock").collect()
}

async fn call(client: &mut HttpClient) -> Value {
    client.post(&call_tool(1, "t.run", json!({}))).await.json()["result"].take()
}

async fn read(client: &mut HttpClient, uri: &str) -> Value {
    client.post(&request(2, "resources/read", json!({"uri": uri}))).await.json()
}

/// All links of a result.
fn links(result: &Value) -> Vec<String> {
    let blocks = result["content"].as_array().unwrap().iter();
    let links = blocks.filter(|block| block["type"] == "resource_link");
    links.map(|link| link["uri"].as_str().unwrap().to_owned()).collect()
}

/// The whole, read as a model would that follows what it is told.
async fn read_on(client: &mut HttpClient, uri: &str) -> String {
    let (mut whole, mut next) = (String::new(), Some(uri.to_owned()));
    while let Some(uri) = next {
        let result = read(client, &uri).await["result"].take();
        let contents = &result["contents"];
        whole.push_str(contents[0]["text"].as_str().unwrap_or_else(|| panic!("{contents}")));
        // Where contents have no `_meta`, it is the result's.
        let meta = contents[0].get("_meta").unwrap_or(&result["_meta"]["omni/newer"]["/contents/0/_meta"]);
        next = meta["omni/range"]["next"].as_str().map(str::to_owned);
    }
    whole
}

#[tokio::test(start_paused = true)]
async fn a_large_text_is_a_preview_and_a_link_from_which_all_of_it_is_read() {
    let text = text(300_000);
    for is_error in [false, true] {
        let world = World::new(ToolResult { is_error, ..ToolResult::of_text(&text) });
        let mut client = world.session("2025-11-25").await;
        let result = call(&mut client).await;
        assert!(result.to_string().len() < 5_000, "{result}");
        assert_eq!(result["isError"] == json!(true), is_error);
        let preview = result["content"][0]["text"].as_str().unwrap();
        assert!(preview.starts_with(&text[..1900]) && preview.contains("300000 bytes"), "{preview}");
        let link = &result["content"][1];
        assert_eq!((&link["size"], &link["mimeType"]), (&json!(300_000), &json!("text/plain")));
        let [uri] = &links(&result)[..] else { panic!("{result}") };
        assert!(preview.contains(&format!("{uri}?offset=")), "{preview}");
        assert_eq!(read_on(&mut client, uri).await, text);
        let part = read(&mut client, &format!("{uri}?offset=100&length=50")).await;
        assert_eq!(part["result"]["contents"][0]["text"], text[100..150]);
        let [file] = &world.files()[..] else { panic!("one file") };
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_ends_within_a_character_says_in_words_too_where_the_rest_begins() {
    // The last byte that one read gives is the first of an `é`.
    let text = format!("..{}", text(100_000));
    let length = INLINE / 4 * 3;
    assert!(!text.is_char_boundary(length));
    let world = World::new(ToolResult::of_text(&text));
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    let contents = read(&mut client, uri).await["result"]["contents"].take();
    assert_eq!(contents[0]["text"], text[..=length]);
    assert_eq!(contents[1]["uri"], contents[0]["_meta"]["omni/range"]["next"]);
    assert!(contents[1]["text"].as_str().unwrap().contains(&format!("first {} bytes", length + 1)));
}

#[tokio::test(start_paused = true)]
async fn a_client_without_links_is_told_the_uri_in_a_text() {
    let world = World::new(ToolResult::of_json(&json!({"a": text(100_000)}).to_string()));
    for revision in ["2024-11-05", "2025-03-26"] {
        let mut client = world.session(revision).await;
        let result = call(&mut client).await;
        assert!(result.to_string().len() < 9_000, "{revision}: {result}");
        assert_eq!(result.get("structuredContent"), None);
        let texts = result["content"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap());
        let texts: Vec<&str> = texts.collect();
        let link = texts.iter().find(|text| text.starts_with("resource `result-")).unwrap();
        let uri = link.split(": ").nth(1).unwrap().lines().next().unwrap();
        assert!(texts.iter().any(|text| text.contains("says the same")), "{texts:?}");
        let whole: Value = serde_json::from_str(&read_on(&mut client, uri).await).unwrap();
        assert_eq!(whole["a"], text(100_000));
    }
}

#[tokio::test(start_paused = true)]
async fn structured_content_that_no_text_says_is_kept_by_itself_and_said_to_be_left_out() {
    let structured = json!({"rows": text(100_000)}).to_string();
    let result = ToolResult { structured: Some(structured.clone().into()), ..ToolResult::of_text("see") };
    let world = World::new(result);
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    assert_eq!(result.get("structuredContent"), None);
    assert_eq!(result["content"][0]["text"], "see");
    assert!(result["content"][1]["text"].as_str().unwrap().contains("structured content, which is left out"));
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    assert_eq!(read_on(&mut client, uri).await, structured);
}

#[tokio::test(start_paused = true)]
async fn images_stay_and_embedded_resources_and_many_small_blocks_are_kept() {
    let data = "QUJD".repeat(30_000);
    let content = json!([
        {"type": "image", "data": data, "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "a:b", "mimeType": "a/b", "blob": data}},
        {"type": "text", "text": "short"},
    ]);
    let world = World::new(ToolResult { content: content.to_string().into(), ..ToolResult::of_text("") });
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    assert_eq!(result["content"][0], content[0]);
    assert_eq!(result["content"][3], content[2]);
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    let first = read(&mut client, &format!("{uri}?length=6")).await;
    assert_eq!(first["result"]["contents"][0]["blob"], "QUJDQUJD");
    let many: Vec<Value> = (0..5_000).map(|n| json!({"type": "text", "text": format!("item {n}")})).collect();
    let world = World::new(ToolResult { content: json!(many).to_string().into(), ..ToolResult::of_text("") });
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    assert!(result["content"][0]["text"].as_str().unwrap().starts_with("item 0\nitem 1\n"));
    assert_eq!(read_on(&mut client, uri).await, json!(many).to_string());
}

#[tokio::test(start_paused = true)]
async fn nobody_else_reads_a_kept_result() {
    let world = World::new(ToolResult::of_text(&text(100_000)));
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    let mut other_session = world.session("2025-11-25").await;
    let unknown = read(&mut other_session, "omni://result/00").await;
    let refused = read(&mut other_session, uri).await;
    assert_eq!(refused["error"]["code"], unknown["error"]["code"]);
    let said =
        |error: &Value| error["error"]["message"].as_str().unwrap().replace(uri.as_str(), "omni://result/00");
    assert_eq!(said(&refused), said(&unknown));
    let mut stateless = world.server.http().await;
    let refused = stateless.post(&modern(request(3, "resources/read", json!({"uri": uri})))).await.json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert!(read(&mut client, uri).await["result"].is_object());
    // Outside of sessions it is the principal's.
    let mut owner = world.server.http_as(Some(7)).await;
    let result = owner.post(&modern(call_tool(1, "t.run", json!({})))).await.json()["result"].take();
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    let asked = modern(request(3, "resources/read", json!({"uri": uri})));
    let mut another_connection = world.server.http_as(Some(7)).await;
    assert!(another_connection.post(&asked).await.json()["result"].is_object());
    let mut another_user = world.server.http_as(Some(8)).await;
    assert!(another_user.post(&asked).await.json()["error"].is_object());
}

#[tokio::test(start_paused = true)]
async fn a_kept_result_goes_when_its_time_is_over() {
    let config = StoredResultsConfig {
        inline_bytes_max: INLINE,
        kept_for: Duration::from_secs(60),
        ..StoredResultsConfig::default()
    };
    let world = World::with(config, ToolResult::of_text(&text(100_000)));
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    let reconnected = |session| async {
        // A connection that says nothing for so long is closed.
        let mut client = world.server.http().await;
        client.session = session;
        client
    };
    tokio::time::sleep(Duration::from_secs(59)).await;
    let mut client = reconnected(client.session.clone()).await;
    assert!(read(&mut client, uri).await["result"].is_object());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(read(&mut client, uri).await["error"].is_object());
    while !world.files().is_empty() {
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn each_kept_result_goes_in_its_time_also_after_a_time_without_any() {
    let config = StoredResultsConfig {
        inline_bytes_max: INLINE,
        kept_for: Duration::from_secs(60),
        ..StoredResultsConfig::default()
    };
    let world = World::with(config, ToolResult::of_text(&text(100_000)));
    let left = async |seconds: u64, count: usize| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        while world.files().len() > count {
            tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
        }
        assert_eq!(world.files().len(), count);
    };
    for _ in 0..2 {
        call(&mut world.session("2025-11-25").await).await;
        left(40, 1).await;
        call(&mut world.session("2025-11-25").await).await;
        left(15, 2).await;
        left(10, 1).await;
        left(40, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_go_when_there_are_too_many_or_too_many_bytes() {
    for (count_max, bytes_max) in [(2, 1 << 20), (100, 250_000)] {
        let config = StoredResultsConfig {
            inline_bytes_max: INLINE,
            count_max,
            bytes_max,
            ..StoredResultsConfig::default()
        };
        let world = World::with(config, ToolResult::of_text(&text(100_000)));
        let mut client = world.session("2025-11-25").await;
        let mut uris = Vec::new();
        for _ in 0..3 {
            let result = call(&mut client).await;
            uris.extend(links(&result));
        }
        assert_eq!(world.files().len(), 2);
        assert!(read(&mut client, &uris[0]).await["error"].is_object());
        for uri in &uris[1..] {
            assert!(read(&mut client, uri).await["result"].is_object());
        }
    }
    // One that is larger than all of it is cut.
    let config =
        StoredResultsConfig { inline_bytes_max: INLINE, bytes_max: 90_000, ..StoredResultsConfig::default() };
    let world = World::with(config, ToolResult::of_text(&text(100_000)));
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    let said = result["content"][0]["text"].as_str().unwrap();
    assert!(said.starts_with(&text(100_000)[..30_000]) && said.len() < INLINE, "{said}");
    assert!(said.contains("100000 bytes are more than all that may be kept, 90000 bytes"), "{said}");
    assert!(links(&result).is_empty() && world.files().is_empty(), "{result}");
}

/// A disk that takes nothing more: here its folder is gone, which root sees too.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_cut_and_the_client_is_told() {
    let lost = |world: &World| {
        let folders = fs::read_dir(world.state.path()).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).for_each(|folder| fs::remove_dir_all(folder).unwrap());
    };
    let blob = "QUJD".repeat(30_000);
    let content = json!([
        {"type": "text", "text": text(20_000)},
        {"type": "text", "text": text(200_000)},
        {"type": "resource", "resource": {"uri": "a:b", "mimeType": "a/b", "blob": blob}},
        {"type": "text", "text": "short"},
    ]);
    let structured = Some(json!({"rows": text(70_000)}).to_string().into());
    let world =
        World::new(ToolResult { content: content.to_string().into(), structured, ..ToolResult::of_text("") });
    lost(&world);
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    let blocks = result["content"].as_array().unwrap();
    let said = |n: usize| blocks[n]["text"].as_str().unwrap();
    assert_eq!(blocks[0], content[0], "there is room for it");
    assert!(said(1).starts_with(&text(200_000)[..10_000]), "{:.100}", said(1));
    assert!(said(1).contains("The rest is lost. The tool has run"), "{}", said(1));
    assert!(said(2).contains("the resource `a:b` has 90000 bytes (a/b)"), "{}", said(2));
    assert_eq!(said(3), "short");
    assert!(said(4).contains("the structured content, which is left out, has"), "{}", said(4));
    assert_eq!((result.get("structuredContent"), links(&result)), (None, vec![]));
    assert!(result.to_string().len() < 3 * INLINE / 2, "{} bytes", result.to_string().len());
}

const TYPED: &str = r#"
from typing import TypedDict
from omni import tool

class Rows(TypedDict):
    rows: str

@tool
def run() -> Rows:
    return {"rows": ""}
"#;

#[tokio::test(start_paused = true)]
async fn structured_content_that_a_schema_promises_stays_or_is_an_error_and_never_missing() {
    let folder = SkillFolder::new().python("t", TYPED);
    let structured = json!({"rows": text(100_000)}).to_string();
    for structured_bytes_max in [200_000, 90_000] {
        let config = StoredResultsConfig {
            inline_bytes_max: INLINE,
            structured_bytes_max,
            ..StoredResultsConfig::default()
        };
        let world = World::of(&folder, config, ToolResult::of_json(&structured));
        for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
            let mut client = world.session(revision).await;
            let result = call(&mut client).await;
            let case = format!("{revision}, {structured_bytes_max}: {:.2000}", result.to_string());
            let stays = revision > "2025-06" && structured_bytes_max == 200_000;
            let wanted = if stays { serde_json::from_str(&structured).unwrap() } else { Value::Null };
            assert_eq!(result["structuredContent"], wanted, "{case}");
            let is_error = revision > "2025-06" && !stays;
            assert_eq!(result["isError"] == json!(true), is_error, "{case}");
            if revision == "2025-03-26" {
                continue;
            }
            let [uri] = &links(&result)[..] else { panic!("{case}") };
            assert_eq!(read_on(&mut client, uri).await, structured);
            let first = result["content"][0]["text"].as_str().unwrap();
            assert_eq!(first.contains("the tool has run, and this is no error of it"), is_error, "{case}");
        }
    }
}

/// A text is one still when it is a preview, however large the whole is.
#[tokio::test(start_paused = true)]
async fn of_a_tool_that_owes_a_text_the_preview_is_what_it_owes() {
    let source = "from omni import tool\n\n@tool\ndef run() -> str:\n    return ''\n";
    let folder = SkillFolder::new().python("t", source);
    let config = StoredResultsConfig {
        inline_bytes_max: INLINE,
        structured_bytes_max: INLINE,
        ..StoredResultsConfig::default()
    };
    let structured = json!({"result": text(100_000)}).to_string().into();
    let result = ToolResult { structured: Some(structured), ..ToolResult::of_text(&text(100_000)) };
    let world = World::of(&folder, config, result);
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    assert_eq!(result.get("isError"), None, "{result}");
    assert_eq!(result["structuredContent"], json!({"result": result["content"][0]["text"]}));
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    assert_eq!(read_on(&mut client, uri).await, text(100_000));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_server_left_is_removed_and_what_another_one_has_is_not() {
    let world = World::new(ToolResult::of_text(&text(100_000)));
    let mut client = world.session("2025-11-25").await;
    call(&mut client).await;
    let state = world.state.path();
    let abandoned = state.join("abandoned");
    fs::create_dir(&abandoned).unwrap();
    fs::write(abandoned.join("lock"), "").unwrap();
    fs::write(abandoned.join("00"), "secret").unwrap();
    let another: Arc<StoredResults> = StoredResults::open(state, StoredResultsConfig::default()).unwrap();
    assert!(!abandoned.exists());
    assert_eq!(world.files().len(), 1, "the first server still runs");
    drop(another);
    assert_eq!(
        fs::read_dir(state).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn bad_ranges_are_named_and_without_a_folder_nothing_is_kept() {
    let world = World::new(ToolResult::of_text(&text(100_000)));
    let mut client = world.session("2025-11-25").await;
    let result = call(&mut client).await;
    let [uri] = &links(&result)[..] else { panic!("{result}") };
    for (range, named) in [("offset=100001", "beyond"), ("length=0", "nothing"), ("offset=-1", "-1")] {
        let answer = read(&mut client, &format!("{uri}?{range}")).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{answer}");
    }
    let result = ToolResult::of_text(&text(100_000));
    let server = TestServer::new(
        &one_skill(),
        ScriptedExecutor::answering(move |_| OutcomeKind::from(result.clone())),
    );
    let mut client = server.http().await;
    client.initialize("2025-11-25").await;
    assert_eq!(call(&mut client).await["content"][0]["text"], text(100_000));
}
