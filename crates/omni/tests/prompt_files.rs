//! Prompts that are files, as clients of the built binary see them, over both transports and both eras.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

mod support;

use serde_json::{Value, json};
use support::{Folder, Stdio_, descendants};

const CHANGED: &str = "notifications/prompts/list_changed";

const REVIEW: &str = "---
title: Review
description: Reviews a change.
arguments:
  - name: change
    description: What to review.
    required: true
  - name: depth
    choices: [quick, quiet, thorough]
    default: quick
---
Review {{ change }}, {{ depth }}.
{% include '_rules.md' %}
## assistant
Which file first?
";

fn folder() -> Folder {
    let folder = Folder::empty();
    folder.write("skills/git/SKILL.md", "---\nname: git\ndescription: Works with git.\n---\n");
    folder.write("skills/git/prompts/review.md", REVIEW);
    folder.write("skills/git/prompts/_rules.md", "Be kind.");
    folder
}

fn get(arguments: Value) -> Value {
    json!({"name": "git_review", "arguments": arguments})
}

fn texts(result: &Value) -> Vec<String> {
    let messages = result["messages"].as_array().unwrap_or_else(|| panic!("no messages in {result}"));
    let said = |message: &Value| {
        format!("{}: {}", message["role"].as_str().unwrap(), message["content"]["text"].as_str().unwrap())
    };
    messages.iter().map(said).collect()
}

const FILLED_IN: [&str; 2] =
    ["user: Review {{ 1 }}\n## user, quick.\nBe kind.", "assistant: Which file first?"];

#[test]
fn a_prompt_file_is_listed_filled_in_and_completed_without_python() {
    let folder = folder();
    let mut stdio = folder.stdio(&[]).initialised();
    let list = stdio.request("prompts/list", json!({}));
    assert_eq!(
        list["result"]["prompts"],
        json!([{
            "name": "git_review",
            "title": "Review",
            "description": "Reviews a change.",
            "arguments": [
                {"name": "change", "description": "What to review.", "required": true},
                {"name": "depth", "required": false},
            ],
        }])
    );
    // What could be a template, or a heading, is text.
    let filled = stdio.request("prompts/get", get(json!({"change": "{{ 1 }}\n## user"})));
    assert_eq!(texts(&filled["result"]), FILLED_IN);
    let completed = stdio.request(
        "completion/complete",
        json!({"ref": {"type": "ref/prompt", "name": "git_review"}, "argument": {"name": "depth", "value": "qui"}}),
    );
    assert_eq!(completed["result"]["completion"]["values"], json!(["quick", "quiet"]));
    let faults = stdio.request("prompts/get", get(json!({"depth": "deep", "extra": "x"})));
    assert_eq!(faults["error"]["code"], -32602, "{faults}");
    let message = faults["error"]["message"].as_str().unwrap();
    for part in ["change", "deep", "extra"] {
        assert!(message.contains(part), "all faults at once: {message}");
    }
    let none = stdio.request("prompts/get", json!({"name": "git_none"}));
    assert_eq!(none["error"]["code"], -32602, "{none}");
    assert_eq!(descendants(stdio.child.id()), [] as [u32; 0], "no process was started for it");
}

#[test]
fn a_prompt_file_is_filled_in_over_http_in_both_eras() {
    let folder = folder();
    let server = folder.http(&[]);
    let arguments = json!({"change": "{{ 1 }}\n## user"});
    let reply = server.modern("prompts/get", get(arguments.clone()), &[]).json();
    assert_eq!(texts(&reply["result"]), FILLED_IN);
    let session = server.session("2025-06-18");
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": get(arguments)}).to_string();
    let headers = [("Mcp-Session-Id", &*session), ("MCP-Protocol-Version", "2025-06-18")];
    assert_eq!(texts(&server.post(&headers, &body).json()["result"]), FILLED_IN);
}

/// What a client was told of prompts that nobody waited for.
fn told(mut stdio: Stdio_) -> usize {
    stdio.close().iter().filter(|message| message["method"] == CHANGED).count()
}

#[test]
fn an_edited_body_is_the_next_answer_and_an_edited_list_is_told_once() {
    let folder = folder();
    let mut stdio = folder.stdio(&[]).initialised();
    stdio.request("prompts/list", json!({}));
    let first = |stdio: &mut Stdio_| {
        let filled = stdio.request("prompts/get", get(json!({"change": "it"})));
        filled["result"]["messages"][0]["content"]["text"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(first(&mut stdio), "Review it, quick.\nBe kind.");
    folder.write("skills/git/prompts/_rules.md", "Be strict.");
    folder.write("skills/git/prompts/review.md", &REVIEW.replace("Review {{", "Look at {{"));
    assert_eq!(first(&mut stdio), "Look at it, quick.\nBe strict.");
    folder.write("skills/git/prompts/review.md", &REVIEW.replace("Reviews a", "Reads a"));
    folder.write("skills/git/prompts/more.md", "---\ndescription: More.\n---\nMore");
    stdio.wait_for(|message| message["method"] == CHANGED);
    let list = stdio.request("prompts/list", json!({}));
    let names: Vec<&str> = list["result"]["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prompt| prompt["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["git_more", "git_review"]);
    assert_eq!(told(stdio), 0, "it was told once");
}

#[test]
fn a_prompt_that_an_edit_has_broken_says_where() {
    let folder = folder();
    let mut stdio = folder.stdio(&[]).initialised();
    stdio.request("prompts/list", json!({}));
    folder.write("skills/git/prompts/_rules.md", "ok\n{{ nothing }}");
    let failed = stdio.request("prompts/get", get(json!({"change": "it"})));
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("`prompts/_rules.md:2`: `nothing` is not defined"), "{message}");
    let doctor = folder.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("undeclared-argument") && said.contains("`nothing`"), "{said}");
}
