//! Skills as clients see them: the extension for skills in each revision, what a model is told at the beginning, and the
//! tool that reads skills.

use std::fs;
use std::sync::Arc;

use omni_call::{CallRequest, CallResult, OutcomeKind, ResourceContents, Target};
use omni_catalog::{CatalogKind, NameStyle, RemoteSource};
use omni_testkit::{
    ScriptedExecutor, SkillFolder, StdioClient, TestServer, call_tool, from_client, initialize, modern,
    request,
};
use serde_json::{Value, json};

use crate::LEGACY;

const EXTENSION: &str = "io.modelcontextprotocol/skills";

/// Two skills: one with a tool and a page of references, and one that is prose alone.
fn folder() -> SkillFolder {
    SkillFolder::new()
        .with_skill_reader()
        .skill("notes", &["save"])
        .file("notes/references/api.md", "# API\n")
        .file("notes/assets/logo.bin", "\0")
        .file("prose/SKILL.md", "---\nname: prose\ndescription: How we write.\n---\nShort sentences.\n")
}

/// Resources are read from disk, as the executor of files does, and said so.
fn reading() -> Arc<ScriptedExecutor> {
    ScriptedExecutor::answering(|call| {
        let (Target::File(file), CallRequest::Resource { uri, .. }) = (&call.spec.target, &call.request)
        else {
            panic!("{call:?}");
        };
        let text = fs::read_to_string(file.dir.join(&file.path)).unwrap();
        let range = uri.split_once('?').map(|(_, query)| query.to_owned());
        let (text, meta) = match range.as_deref() {
            None => (text, json!({})),
            Some("offset=0&length=5") => {
                (text[..5].to_owned(), json!({"omni/range": {"offset": 0, "length": 5, "size": text.len()}}))
            }
            Some(other) => panic!("{other}"),
        };
        let contents = json!([{"uri": uri, "text": text, "_meta": meta}]).to_string().into();
        OutcomeKind::Finished(CallResult::Resource(ResourceContents { contents, meta: None }))
    })
}

/// A server of the folder. Somebody else has resources, so that the server offers them.
fn server(folder: &SkillFolder) -> TestServer {
    let source = RemoteSource::new(
        "script",
        None,
        NameStyle::Underscore,
        omni_call::ExecutorKind::Runner,
        &[CatalogKind::Resources],
    );
    source.describe_items(CatalogKind::Resources, br#"{"resources":[]}"#).unwrap();
    TestServer::builder(folder, reading()).sources(vec![Arc::new(source)]).start()
}

async fn ask(client: &mut StdioClient, is_modern: bool, method: &str, params: Value) -> Value {
    let request = request(1, method, params);
    client.request(&if is_modern { modern(request) } else { request }).await
}

#[tokio::test]
async fn the_extension_is_declared_and_answered_where_the_revision_has_extensions() {
    let folder = folder();
    let server = server(&folder);
    for revision in LEGACY.into_iter().chain(["2026-07-28"]) {
        let is_modern = revision == "2026-07-28";
        let mut client = server.stdio();
        let opened = match is_modern {
            true => client.request(&modern(request(1, "server/discover", json!({})))).await,
            false => client.initialize(revision).await,
        };
        let declared = &opened["result"]["capabilities"]["extensions"][EXTENSION];
        let has_it = revision >= "2025-11-25";
        assert_eq!(
            *declared,
            if has_it { json!({"directoryRead": true}) } else { Value::Null },
            "{revision}"
        );
        let listed = ask(&mut client, is_modern, "skills/list", json!({})).await;
        if !has_it {
            assert_eq!(listed["error"]["code"], -32601, "{revision}");
            continue;
        }
        let result = &listed["result"];
        let uris: Vec<&str> =
            result["skills"].as_array().unwrap().iter().map(|skill| skill["uri"].as_str().unwrap()).collect();
        assert_eq!(uris, ["omni://skill/notes/SKILL.md", "omni://skill/prose/SKILL.md"]);
        assert_eq!(result["skills"][0]["_meta"]["omni/tools"], json!(["notes_save"]));
        assert_eq!(result.get("ttlMs").is_some(), is_modern);
        assert_eq!(result["resultType"].as_str(), is_modern.then_some("complete"));
        let got = ask(&mut client, is_modern, "skills/get", json!({"uri": uris[0]})).await;
        assert_eq!(got["result"]["skill"], result["skills"][0], "{got}");
        assert_eq!(got["result"].get("cacheScope").is_some(), is_modern);
        for (method, params, said) in [
            ("skills/get", json!({"uri": "omni://skill/note/SKILL.md"}), "did you mean"),
            ("skills/get", json!({"uri": 5}), "must be a string"),
            ("skills/list", json!({"cursor": "1.x"}), "start again"),
            ("resources/directory/read", json!({"uri": uris[0]}), "is not a directory"),
            ("resources/directory/read", json!({"uri": "omni://skill/nothing"}), "is not a directory"),
        ] {
            let refused = ask(&mut client, is_modern, method, params).await;
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
            assert!(refused["error"]["message"].as_str().unwrap().contains(said), "{refused}");
        }
        let params = json!({"uri": "omni://skill/notes"});
        let directory = ask(&mut client, is_modern, "resources/directory/read", params).await;
        let names: Vec<&str> = directory["result"]["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|child| child["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["notes", "assets", "references"]);
    }
}

#[tokio::test]
async fn a_model_is_told_of_the_skills_at_the_beginning_and_of_an_edit_in_the_next_session() {
    let folder = folder();
    let server = server(&folder);
    let told = |opened: Value| opened["result"]["instructions"].as_str().map(str::to_owned);
    let first = told(server.stdio().initialize("2025-06-18").await).unwrap();
    assert!(first.contains("`skill_read`") && first.contains("\n- prose: How we write."), "{first}");
    assert_eq!(told(server.stdio().initialize("2024-11-05").await), None, "it has no place for it");
    let discover = modern(request(1, "server/discover", json!({})));
    assert_eq!(told(server.stdio().request(&discover).await).as_ref(), Some(&first));
    folder.write("prose/SKILL.md", "---\nname: prose\ndescription: How we write now.\n---\n");
    server.refresh().await;
    let second = told(server.stdio().initialize("2025-06-18").await).unwrap();
    assert_eq!(second, first.replace("How we write.", "How we write now."));
}

/// The texts of what `skill_read` answers, and whether it is an error.
async fn read(client: &mut StdioClient, arguments: Value) -> (Vec<String>, bool) {
    let answer = client.request(&call_tool(1, "skill_read", arguments)).await;
    let blocks = answer["result"]["content"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let texts = blocks.iter().map(|block| block["text"].as_str().unwrap_or_default().to_owned()).collect();
    (texts, answer["result"]["isError"] == true)
}

#[tokio::test]
async fn a_model_reads_skills_by_a_tool() {
    let folder = folder();
    let server = server(&folder);
    let mut client = server.stdio();
    client.initialize("2025-06-18").await;
    let (listed, _) = read(&mut client, json!({})).await;
    assert!(listed[0].ends_with("\n- notes: A skill of a test.\n- prose: How we write."), "{listed:?}");
    let (page, _) = read(&mut client, json!({"skill": "prose"})).await;
    assert_eq!(page, ["---\nname: prose\ndescription: How we write.\n---\nShort sentences.\n"]);
    let (page, _) = read(&mut client, json!({"skill": "notes"})).await;
    assert_eq!(
        page[1],
        "Its other files, read with `path`: `assets/logo.bin`, `references/api.md`.\nIts tools: `notes_save`."
    );
    for path in ["references/api.md", "./references/api.md"] {
        let (file, _) = read(&mut client, json!({"skill": "notes", "path": path})).await;
        assert_eq!(file, ["# API\n"]);
    }
    let (part, _) =
        read(&mut client, json!({"skill": "notes", "path": "references/api.md", "length": 5})).await;
    assert_eq!(part, ["# API", "These are bytes 0 to 5 of 6: read on with `offset` 5."]);
    // What a model has at hand instead of the name.
    for named in ["notes_save", "notes.save", "omni://skill/notes/SKILL.md", " notes "] {
        assert!(!read(&mut client, json!({"skill": named})).await.1, "{named}");
    }
    let linked = call_tool(1, "skill_read", json!({"skill": "notes", "path": "assets/logo.bin"}));
    let linked = client.request(&linked).await;
    assert_eq!(linked["result"]["content"][1]["type"], "resource_link");
    assert_eq!(linked["result"]["content"][1]["uri"], "omni://skill/notes/assets/logo.bin");
}

#[tokio::test]
async fn what_the_tool_cannot_read_it_says_so_that_the_next_call_can() {
    let folder = folder();
    let server = server(&folder);
    let mut client = server.stdio();
    client.initialize("2025-06-18").await;
    for (arguments, said) in [
        (json!({"skill": "note"}), "did you mean `notes`?"),
        (json!({"skill": "write"}), "did you mean `prose`?"),
        (json!({"skill": "weather"}), "without arguments for all 2"),
        (json!({"path": "a.md"}), "Give `skill` as well"),
        (
            json!({"skill": "notes", "path": "references"}),
            "is a folder of the skill `notes`: it has `references/api.md`",
        ),
        (json!({"skill": "notes", "path": "api.md"}), "did you mean `references/api.md`?"),
        (json!({"skill": "notes", "path": "../prose/SKILL.md"}), "has no file"),
        (json!({"skill": "notes", "path": "/etc/passwd"}), "has no file"),
        (json!({"skill": "notes", "offset": -1}), "offset"),
        (json!({"skil": "notes"}), "skil"),
    ] {
        let (texts, is_error) = read(&mut client, arguments.clone()).await;
        assert!(is_error && texts[0].contains(said), "{arguments}: {texts:?}");
    }
}

#[tokio::test]
async fn what_a_profile_leaves_out_is_in_no_list_and_cannot_be_read() {
    let folder = folder().seen_as(crate::profiles::only_for("writer*", &["*", "!prose", "!skill_read"]));
    let server = server(&folder);
    let mut client = server.stdio();
    let opened = client.request(&from_client(initialize(0, "2025-11-25"), "writer-1")).await;
    let told = opened["result"]["instructions"].as_str().unwrap();
    assert!(told.contains("- prose") && !told.contains("notes"), "{told}");
    let listed = client.request(&request(1, "skills/list", json!({}))).await;
    assert_eq!(listed["result"]["skills"].as_array().unwrap().len(), 1, "{listed}");
    let hidden =
        client.request(&request(1, "skills/get", json!({"uri": "omni://skill/notes/SKILL.md"}))).await;
    assert_eq!(hidden["error"]["code"], -32602);
    let (texts, is_error) = read(&mut client, json!({"skill": "notes"})).await;
    assert!(is_error && texts[0].contains("there is no skill"), "{texts:?}");
    let mut other = server.stdio();
    other.initialize("2025-11-25").await;
    let listed = other.request(&request(1, "skills/list", json!({}))).await;
    assert_eq!(listed["result"]["skills"].as_array().unwrap().len(), 2);
}
