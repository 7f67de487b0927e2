//! Skills that share no process with others (`trust: own`), with the product's own wiring.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Folder, Stdio_, text};

const TOOLS: &str = r#"
import asyncio
import os
import sys
import time

from omni import Context, tool

@tool
def leave(word: str) -> int:
    """Leave a word in the process."""
    sys.left_by_a_tool = word
    return os.getpid()

@tool
def found() -> dict:
    """What is in the process, and which one that is."""
    return {"word": getattr(sys, "left_by_a_tool", ""), "pid": os.getpid()}

@tool
async def found_async() -> dict:
    return {"word": getattr(sys, "left_by_a_tool", ""), "pid": os.getpid()}

@tool(executor="fork")
def parent() -> int:
    return os.getppid()

@tool
def works(seconds: float, ctx: Context) -> int:
    with open(os.path.join(ctx.root, "worked"), "a") as file:
        file.write("+\n")
        file.flush()
        time.sleep(seconds)
        file.write("-\n")
    return os.getpid()
"#;

fn folder(skills: &[(&str, &str)]) -> Folder {
    let folder = Folder::empty();
    for (skill, more) in skills {
        let skill_md = format!("---\nname: {skill}\ndescription: d\n{more}---\n");
        folder.write(&format!("skills/{skill}/SKILL.md"), &skill_md);
        folder.write(&format!("skills/{skill}/scripts/tools.py"), TOOLS);
    }
    folder
}

fn call(client: &mut Stdio_, tool: &str, arguments: Value) -> Value {
    client.request("tools/call", json!({"name": tool, "arguments": arguments}))["result"].clone()
}

fn value(client: &mut Stdio_, tool: &str, arguments: Value) -> Value {
    let result = call(client, tool, arguments);
    assert_ne!(result["isError"], true, "{tool}: {result}");
    serde_json::from_str(text(&result)).unwrap_or_else(|_| panic!("{tool}: {result}"))
}

#[test]
fn a_skill_of_its_own_trust_shares_no_worker_and_no_fork_parent() {
    let folder = folder(&[("one", ""), ("two", ""), ("mine", "trust: own\n"), ("other", "trust: own\n")]);
    // Without namespaces, in which all have the same number.
    let mut client = folder.stdio(&["--isolation", "none"]);
    client.initialize("2025-06-18");
    let skills = ["one", "two", "mine", "other"];
    for skill in skills {
        value(&mut client, &format!("{skill}.leave"), json!({"word": skill}));
    }
    let mut all = |tool: &str| -> Vec<Value> {
        skills.iter().map(|skill| value(&mut client, &format!("{skill}.{tool}"), json!({}))).collect()
    };
    let groups = [&["one", "two"][..], &["one", "two"], &["mine"], &["other"]];
    let pid = |one: &Value| one.as_i64().or_else(|| one["pid"].as_i64()).expect("a number");
    for tool in ["found", "found", "found_async", "parent"] {
        let found = all(tool);
        for (one, group) in found.iter().zip(groups) {
            // A pool may have a second worker by now, in which nothing was left.
            let word = one["word"].as_str().unwrap_or_default();
            assert!(word.is_empty() || group.contains(&word), "{tool}, {group:?}: {one}");
        }
        let shared: BTreeSet<i64> = found[..2].iter().map(pid).collect();
        assert!(!shared.contains(&pid(&found[2])) && !shared.contains(&pid(&found[3])), "{tool}: {found:?}");
        assert_ne!(pid(&found[2]), pid(&found[3]), "{tool}");
        if tool == "parent" || tool == "found_async" {
            assert_eq!(shared.len(), 1, "skills that share do: {tool}: {found:?}");
        }
    }
}

#[test]
fn all_sets_of_workers_together_have_no_more_than_there_may_be() {
    let skills: Vec<String> = (0..5).map(|number| format!("own{number}")).collect();
    let mut listed: Vec<(&str, &str)> = skills.iter().map(|skill| (skill.as_str(), "trust: own\n")).collect();
    listed.push(("common", ""));
    let folder = folder(&listed);
    let mut client = folder.stdio(&["--workers", "1..2"]);
    client.initialize("2025-06-18");
    let mut sent = 0;
    for _ in 0..2 {
        for (skill, _) in &listed {
            sent += 1;
            let call = json!({"name": format!("{skill}.works"), "arguments": {"seconds": 0.05}});
            client
                .send(&json!({"jsonrpc": "2.0", "id": 1000 + sent, "method": "tools/call", "params": call}));
        }
    }
    for _ in 0..sent {
        let answer = client.next();
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        assert!(answer["id"].as_i64().is_some_and(|id| id > 1000), "{answer}");
    }
    let worked = std::fs::read_to_string(folder.path("worked")).expect("the tools wrote");
    let mut running = 0;
    for line in worked.lines() {
        running += if line == "+" { 1 } else { -1 };
        assert!(running <= 2, "more workers than there may be:\n{worked}");
    }
    assert_eq!(worked.lines().count(), 2 * sent);
}

#[test]
fn it_is_refused_inside_the_server_and_shown_in_lists() {
    let folder = folder(&[("mine", "trust: own\n"), ("one", "")]);
    let mut client = folder.stdio(&["--executor", "embedded"]);
    client.initialize("2025-06-18");
    let refused = call(&mut client, "mine.found", json!({}));
    assert!(refused["isError"] == true && text(&refused).contains("says `trust: own`"), "{refused}");
    drop(client);
    let listed = folder.run(&["list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let trust = |name: &str| {
        let tools = listed["tools"].as_array().expect("tools");
        tools.iter().find(|tool| tool["name"] == name).map(|tool| tool["trust"].clone())
    };
    assert_eq!((trust("mine.found"), trust("one.found")), (Some(json!("own")), Some(json!("shared"))));
    let doctor = folder.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("processes of their own: mine"), "{said}");
    let doctor = folder.run(&["doctor", "--json"]);
    let said: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    assert_eq!(said["own_processes"], json!(["mine"]), "{said}");
}
