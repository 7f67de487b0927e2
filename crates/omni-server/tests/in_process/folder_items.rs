//! Resources, prompts and completions of a folder's skills: what reaches an executor, and what is answered without one.

use omni_call::{
    Call, CallRequest, CallResult, Completion, Outcome, OutcomeKind, Phase, PromptMessages, ResourceContents,
};
use omni_testkit::{ScriptedExecutor, SkillFolder, StdioClient, TestServer, modern, request};
use serde_json::{Value, json};

use crate::LEGACY;

const NOTES: &str = r#"
from typing import Literal

from omni import completion, prompt, resource


@resource("notes://today", ttl=60, scope="public")
def today() -> str:
    """What is on today."""


@resource("notes://{year}/{name*}{?raw}", timeout=7)
def note(year: int, name: str, raw: bool = False) -> str:
    """One note."""


@prompt
def review(topic: str, depth: Literal["low", "high"] = "low") -> str:
    """Review what was written."""


@completion("topic", prompt=review)
def topics(value: str) -> list:
    return []
"#;

fn folder() -> SkillFolder {
    let folder = SkillFolder::new();
    folder.write("notes/SKILL.md", "---\nname: notes\ndescription: Keeps notes.\n---\n");
    folder.write("notes/scripts/notes.py", NOTES);
    folder
}

/// Says what reached the executor.
fn echo(call: &Call) -> OutcomeKind {
    let python = call.spec.target.python().unwrap();
    let told =
        format!("{} {} {}", python.kind.name(), python.function, String::from_utf8_lossy(call.arguments()));
    OutcomeKind::Finished(match &call.request {
        CallRequest::Resource { uri, .. } => {
            let contents = json!([{"uri": uri, "text": told}]).to_string().into();
            CallResult::Resource(ResourceContents { contents, meta: None })
        }
        CallRequest::Prompt { name, .. } => {
            let text = format!("{name}: {told}");
            let messages = json!([{"role": "user", "content": {"type": "text", "text": text}}]);
            let messages = messages.to_string().into();
            CallResult::Prompt(PromptMessages { description: None, messages, meta: None })
        }
        CallRequest::Completion(completing) => {
            let values = json!({"values": [told, completing.value]}).to_string();
            CallResult::Completion(Completion::read(values.as_bytes()).unwrap())
        }
        CallRequest::Tool { .. } => panic!("{call:?}"),
    })
}

async fn opened(server: &TestServer, revision: &str) -> StdioClient {
    let mut client = server.stdio();
    client.initialize(revision).await;
    client
}

async fn ask(client: &mut StdioClient, method: &str, params: Value) -> Value {
    client.request(&request(1, method, params)).await
}

fn complete(reference: Value, argument: &str, value: &str) -> Value {
    json!({"ref": reference, "argument": {"name": argument, "value": value}})
}

#[tokio::test(start_paused = true)]
async fn each_is_run_as_its_function_in_every_revision() {
    let server = TestServer::new(&folder(), ScriptedExecutor::answering(echo));
    let requests = [
        ("resources/read", json!({"uri": "notes://today"}), "/contents/0/text", "resource today {}"),
        (
            "resources/read",
            json!({"uri": "notes://2026/a%20b/c?raw=true"}),
            "/contents/0/text",
            r#"resource note {"year":"2026","name":"a b/c","raw":"true"}"#,
        ),
        (
            "prompts/get",
            json!({"name": "notes_review", "arguments": {"topic": "t"}}),
            "/messages/0/content/text",
            r#"notes.review: prompt review {"topic":"t"}"#,
        ),
        (
            "completion/complete",
            complete(json!({"type": "ref/prompt", "name": "notes.review"}), "topic", "x"),
            "/completion/values/0",
            "completion topics {}",
        ),
    ];
    for revision in LEGACY {
        let mut client = opened(&server, revision).await;
        for (method, params, place, wanted) in &requests {
            let answer = ask(&mut client, method, params.clone()).await;
            assert_eq!(answer["result"].pointer(place), Some(&json!(wanted)), "{revision} {answer}");
        }
    }
    let mut client = server.stdio();
    for (method, params, place, wanted) in &requests {
        let answer = client.request(&modern(request(1, method, params.clone()))).await;
        assert_eq!(answer["result"].pointer(place), Some(&json!(wanted)), "{answer}");
        let (result, is_today) = (&answer["result"], params["uri"] == "notes://today");
        if *method == "resources/read" {
            let hints = if is_today { (json!(60_000), "public") } else { (json!(0), "private") };
            assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&hints.0, &json!(hints.1)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_told_whole_and_reaches_no_executor() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&folder(), executor);
    let mut client = opened(&server, "2025-11-25").await;
    let prompt = json!({"type": "ref/prompt", "name": "notes_review"});
    for (method, params, code, words) in [
        ("resources/read", json!({"uri": "notes://now/x?raw=perhaps"}), -32602, vec!["/year", "/raw"]),
        ("resources/read", json!({"uri": "notes://tomorrow"}), -32002, vec!["`notes://tomorrow`"]),
        (
            "prompts/get",
            json!({"name": "notes_review", "arguments": {"depth": "deep", "tpoic": "t"}}),
            -32602,
            vec!["topic", "missing", "/depth", "deep", "/tpoic"],
        ),
        ("prompts/get", json!({"name": "notes_review"}), -32602, vec!["topic"]),
        ("prompts/get", json!({"name": "review"}), -32602, vec!["there is no prompt `review`"]),
        ("completion/complete", complete(prompt, "tpoic", ""), -32602, vec!["`tpoic`", "`topic`, `depth`"]),
    ] {
        let answer = ask(&mut client, method, params).await;
        let error = &answer["error"];
        assert_eq!(error["code"], code, "{answer}");
        let message = error["message"].as_str().unwrap();
        assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
    }
    assert!(calls.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn values_that_are_fixed_complete_without_an_executor() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&folder(), executor);
    let mut client = server.stdio();
    let opened = client.initialize("2025-11-25").await;
    assert_eq!(opened["result"]["capabilities"]["completions"], json!({}));
    let prompt = || json!({"type": "ref/prompt", "name": "notes_review"});
    let template = || json!({"type": "ref/resource", "uri": "notes://{year}/{name*}{?raw}"});
    for (params, values) in [
        (complete(prompt(), "depth", ""), json!(["low", "high"])),
        (complete(prompt(), "depth", "h"), json!(["high"])),
        (complete(template(), "raw", "fa"), json!(["false"])),
        (complete(template(), "year", "20"), json!([])),
    ] {
        let answer = ask(&mut client, "completion/complete", params).await;
        assert_eq!(answer["result"]["completion"]["values"], values, "{answer}");
    }
    assert!(calls.try_next().is_none());
}

#[tokio::test]
async fn a_read_of_a_skill_that_has_changed_is_resolved_and_checked_anew() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let folder = folder();
    let server = TestServer::new(&folder, executor);
    let mut client = opened(&server, "2025-11-25").await;
    client.send(&request(1, "resources/read", json!({"uri": "notes://2026/x"}))).await;
    let first = calls.next().await;
    assert_eq!(first.call.spec.limits.timeout_ms, Some(7_000));
    folder.write(
        "notes/scripts/notes.py",
        &NOTES.replace("def note(year: int", "def note(year: Literal['2025']"),
    );
    assert!(first.end(OutcomeKind::Stale { otherwise: None }));
    let answer = client.next().await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("/year"));

    client.send(&request(2, "resources/read", json!({"uri": "notes://today"}))).await;
    let first = calls.next().await;
    folder.write("notes/scripts/notes.py", &NOTES.replace("def today", "async def today"));
    let before = first.call.spec.target.python().unwrap().digest.clone();
    assert!(first.end(OutcomeKind::Stale { otherwise: None }));
    let again = calls.next().await;
    let python = again.call.spec.target.python().unwrap();
    assert!(python.is_async && python.digest != before);
    let contents = json!([{"uri": "notes://today", "text": "1"}]).to_string().into();
    again.end(OutcomeKind::Finished(CallResult::Resource(ResourceContents { contents, meta: None })));
    assert_eq!(client.next().await["result"]["contents"][0]["text"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_new_resource_is_told_once_and_a_new_prompt_apart_from_it() {
    let folder = folder();
    let server = TestServer::new(&folder, ScriptedExecutor::answering(echo));
    let mut client = opened(&server, "2025-11-25").await;
    for list in ["resources/list", "prompts/list", "tools/list"] {
        ask(&mut client, list, json!({})).await;
    }
    for (more, told) in [
        ("\n@resource(\"notes://more\")\ndef more(): ...\n", "notifications/resources/list_changed"),
        ("\n@prompt\ndef more_of_it(): ...\n", "notifications/prompts/list_changed"),
    ] {
        let text = std::fs::read_to_string(folder.path().join("notes/scripts/notes.py")).unwrap();
        folder.write("notes/scripts/notes.py", &(text + more));
        server.refresh().await;
        assert_eq!(client.next().await["method"], told);
        assert!(ask(&mut client, "ping", json!({})).await.get("result").is_some(), "nothing else is told");
    }
    assert_eq!(
        ask(&mut client, "resources/read", json!({"uri": "notes://more"})).await["result"]["contents"][0]["text"],
        "resource more {}"
    );
}

#[tokio::test]
async fn a_prompt_says_of_itself_what_its_list_says_unless_it_says_something_else() {
    for (said, told) in [(None, "Review what was written."), (Some("Of its own."), "Of its own.")] {
        let executor = ScriptedExecutor::answering(move |_| {
            let messages = json!([]).to_string().into();
            let description = said.map(str::to_owned);
            OutcomeKind::Finished(CallResult::Prompt(PromptMessages { description, messages, meta: None }))
        });
        let folder = folder();
        let server = TestServer::builder(&folder, executor).start();
        for revision in LEGACY.into_iter().chain(["2026-07-28"]) {
            let mut client = server.stdio();
            let asked =
                request(1, "prompts/get", json!({"name": "notes_review", "arguments": {"topic": "t"}}));
            let got = match revision {
                "2026-07-28" => client.request(&modern(asked)).await,
                _ => {
                    client.initialize(revision).await;
                    client.request(&asked).await
                }
            };
            assert_eq!(got["result"]["description"], told, "{revision}: {got}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_what_was_run_where_python_was_and_what_helps() {
    let server = TestServer::new(
        &folder(),
        ScriptedExecutor::concluding(|call| {
            let limit = std::time::Duration::from_secs(1);
            let kind = match call.arguments().is_empty() || call.arguments() == b"{}".as_slice() {
                true => OutcomeKind::TimedOut { limit },
                false => OutcomeKind::OutputLimit { limit_bytes: 9 },
            };
            Outcome {
                phase: Phase::Started,
                stack: Some(
                    "  File \"scripts/notes.py\", line 9 in today\n  File \"x.py\", line 1 in y".into(),
                ),
                ..Outcome::unstarted(kind, limit)
            }
        }),
    );
    let mut client = opened(&server, "2025-11-25").await;
    let prompt = json!({"type": "ref/prompt", "name": "notes_review"});
    let place = "Python was at `scripts/notes.py:9` in `today`";
    for (method, params, words) in [
        (
            "resources/read",
            json!({"uri": "notes://today"}),
            ["`notes://today` was stopped at its time limit of 1 s", place],
        ),
        (
            "completion/complete",
            complete(prompt, "topic", "x"),
            ["`topics` for the argument `topic` of `notes_review` was stopped", place],
        ),
        (
            "prompts/get",
            json!({"name": "notes_review", "arguments": {"topic": "t"}}),
            ["`notes_review` returned more than 9 bytes; its author", "`limits.result_mib`"],
        ),
    ] {
        let answer = ask(&mut client, method, params).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
        assert!(!message.contains("ask for less"), "{message}");
    }
}

/// Arguments of all types whose values are few.
const CHOICES: &str = r#"
from enum import Enum
from typing import Literal, Optional, Union

from omni import prompt

class Size(Enum):
    SMALL = 1
    LARGE = 2.5

class Color(str, Enum):
    RED = "red"
    ONE = "1"

@prompt
def pick(
    mixed: Literal[1, "x", True] = 1,
    twice: Literal["1", 1] = 1,
    size: Size = Size.SMALL,
    color: Optional[Color] = None,
    on: bool = False,
    maybe: Optional[bool] = None,
    nothing: Literal["a", None] = None,
    either: Union[Literal[3], bool] = False,
    count: Optional[int] = None,
    words: list[str] = [],
    name: str = "",
) -> str:
    """Picks."""
"#;

#[tokio::test(start_paused = true)]
async fn each_value_that_is_offered_is_taken() {
    let folder = SkillFolder::new().python("notes", CHOICES);
    let server = TestServer::new(&folder, ScriptedExecutor::answering(echo));
    let mut client = opened(&server, "2025-11-25").await;
    for (argument, offered) in [
        ("mixed", json!(["1", "x", "true"])),
        ("twice", json!(["1"])),
        ("size", json!(["1", "2.5"])),
        ("color", json!(["red", "1"])),
        ("on", json!(["true", "false"])),
        ("maybe", json!(["true", "false"])),
        ("nothing", json!(["a"])),
        ("either", json!(["3", "true", "false"])),
    ] {
        let reference = json!({"type": "ref/prompt", "name": "notes_pick"});
        let answer = ask(&mut client, "completion/complete", complete(reference, argument, "")).await;
        let values = &answer["result"]["completion"]["values"];
        assert_eq!(*values, offered, "{argument}: {answer}");
        for value in values.as_array().unwrap() {
            let params = json!({"name": "notes_pick", "arguments": {argument: value}});
            let filled = ask(&mut client, "prompts/get", params).await;
            assert!(filled["error"].is_null(), "{argument} {value}: {filled}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn forms_may_leave_fields_empty_and_what_is_refused_is_named_with_what_to_write() {
    let folder = SkillFolder::new().python("notes", CHOICES);
    let server = TestServer::new(&folder, ScriptedExecutor::answering(echo));
    let mut client = opened(&server, "2025-11-25").await;
    for taken in [
        json!({"mixed": "", "size": "", "color": "", "on": "", "maybe": "", "count": "", "words": "", "name": ""}),
        json!({"on": "1", "maybe": "0", "count": "null", "color": "null", "nothing": "None"}),
        json!({"words": "[\"a\", \"b\"]"}),
    ] {
        let params = json!({"name": "notes_pick", "arguments": taken});
        let filled = ask(&mut client, "prompts/get", params).await;
        assert!(filled["error"].is_null(), "{filled}");
    }
    for (refused, words) in [
        (
            json!({"words": "a,b"}),
            ["1 problem", "/words: expected array", r#"write JSON, such as `["a", "b"]`"#],
        ),
        (json!({"on": "maybe"}), ["1 problem", "/on: expected boolean", "write `true` or `false`"]),
        (json!({"size": "SMALL"}), ["1 problem", "/size: expected one of 1, 2.5", "SMALL"]),
        (json!({"mixed": "2"}), ["1 problem", "/mixed: expected one of 1, \"x\", true", "2"]),
        (json!({"name": "a", "count": 3}), ["`params.arguments`", "that of `count` is none", "write \"3\""]),
    ] {
        let params = json!({"name": "notes_pick", "arguments": refused});
        let answer = ask(&mut client, "prompts/get", params).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
    }
}
