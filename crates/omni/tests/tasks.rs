//! Tasks, and what their clients read when the server is killed, stopped, or one of two: the built binary, real processes.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Folder, Http, modern, signal, text, wait_file, wait_gone};

const TOOLS: &str = r#"
import os
import time

@tool(task="optional")
def long(log: str, seconds: float) -> str:
    """Work for a while."""
    with open(log, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(seconds)
    return f"worked {seconds} s"

@tool
async def decides(ctx: Context) -> str:
    """Become a task, if that is possible."""
    return f"task: {await ctx.become_task()}"

@tool
def decides_sync(ctx: Context) -> str:
    """Become a task, if that is possible."""
    return f"task: {ctx.become_task_sync()}"

@tool
async def asks_first(ctx: Context) -> str:
    """Ask, and become a task then."""
    await ctx.elicit("go on?", bool)
    return f"task: {await ctx.become_task()}"

@tool(task="required")
async def asks_twice(ctx: Context) -> str:
    """Ask for two names under one key."""
    first = await ctx.elicit("first?", str, key="name")
    second = await ctx.elicit("second?", str, key="name")
    return f"{first.data} {second.data}"
"#;

/// A request of a client that takes tasks and shows forms.
fn taking_and_asked(mut params: Value) -> Value {
    params = taking(params);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"]["elicitation"] = json!({});
    params
}

/// A request of a client that takes tasks, and can do nothing else.
fn taking(mut params: Value) -> Value {
    let able = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    params["_meta"] = modern(&json!({"io.modelcontextprotocol/clientCapabilities": able}));
    params
}

/// Begins a task that works for so long, and returns its id and the process that works.
fn begin(server: &Http, folder: &Folder, seconds: f64) -> (String, u32) {
    let log = folder.path("log");
    let _ = fs::remove_file(&log);
    let call = taking(json!({"name": "t.long", "arguments": {"log": log, "seconds": seconds}}));
    let answer = server.modern("tools/call", call, &[]).json();
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    let pid = wait_file(&log).parse().unwrap();
    (answer["result"]["taskId"].as_str().unwrap().to_owned(), pid)
}

fn get(server: &Http, task: &str) -> Value {
    server.modern("tasks/get", taking(json!({"taskId": task})), &[]).json()
}

/// The task once that holds of it.
fn until(server: &Http, task: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = get(server, task);
        if holds(&answer["result"]) {
            return answer["result"].clone();
        }
        assert!(Instant::now() < patience, "{answer}");
        sleep(Duration::from_millis(20));
    }
}

/// The task once it has ended.
fn ended(server: &Http, task: &str) -> Value {
    until(server, task, |task| !["working", "input_required"].map(Value::from).contains(&task["status"]))
}

fn kill(server: &Http) {
    signal(server.child.id(), "-KILL");
}

#[test]
fn the_next_server_says_that_a_killed_one_has_lost_a_task_and_has_the_results_of_before() {
    // A longer run is asked for by the seconds that the task works, and is killed after a third of them.
    let seconds: f64 = std::env::var("OMNI_TASK_SECONDS").map_or(30.0, |seconds| seconds.parse().unwrap());
    let folder = Folder::new(TOOLS);
    let first = folder.http(&[]);
    let (short, _) = begin(&first, &folder, 0.0);
    assert_eq!(ended(&first, &short)["status"], "completed");
    let (long, worker) = begin(&first, &folder, seconds);
    assert_eq!(get(&first, &long)["result"]["status"], "working");
    if std::env::var_os("OMNI_TASK_SECONDS").is_some() {
        sleep(Duration::from_secs_f64(seconds / 3.0));
    }
    kill(&first);
    wait_gone(worker);

    let second = folder.http(&[]);
    let lost = ended(&second, &long);
    assert_eq!(lost["status"], "failed", "{lost}");
    assert!(lost["statusMessage"].as_str().unwrap().contains("has ended before the tool did"), "{lost}");
    assert_eq!(lost["error"]["code"], -32603, "{lost}");
    let kept = ended(&second, &short);
    assert_eq!(
        (kept["status"].as_str(), text(&kept["result"])),
        (Some("completed"), "worked 0.0 s"),
        "{kept}"
    );
    // It is over for good.
    let cancelled = second.modern("tasks/cancel", taking(json!({"taskId": long})), &[]).json();
    assert_eq!(cancelled["result"]["resultType"], "complete", "{cancelled}");
    assert_eq!(ended(&second, &long)["status"], "failed");
}

#[test]
fn of_two_servers_each_answers_for_the_tasks_of_both_and_the_death_of_one_is_no_matter_of_the_other() {
    let folder = Folder::new(TOOLS);
    // A process for each call: it is gone when its call is.
    let spawning = ["--executor", "spawn"];
    let (one, other) = (folder.http(&spawning), folder.http(&spawning));
    let (of_one, worker_of_one) = begin(&one, &folder, 600.0);
    let (of_other, worker_of_other) = begin(&other, &folder, 600.0);
    assert_eq!(get(&other, &of_one)["result"]["status"], "working");
    assert_eq!(get(&one, &of_other)["result"]["status"], "working");
    kill(&one);
    wait_gone(worker_of_one);
    assert_eq!(ended(&other, &of_one)["status"], "failed");
    assert_eq!(get(&other, &of_other)["result"]["status"], "working", "its server lives");
    let third = folder.http(&[]);
    third.modern("tasks/cancel", taking(json!({"taskId": of_other})), &[]);
    assert_eq!(ended(&third, &of_other)["status"], "cancelled");
    wait_gone(worker_of_other);
}

#[test]
fn a_server_that_is_stopped_ends_its_tasks_and_says_so() {
    let folder = Folder::new(TOOLS);
    let mut first = folder.http(&[]);
    let (task, worker) = begin(&first, &folder, 600.0);
    first.stop();
    wait_gone(worker);
    first.child.wait().unwrap();
    let second = folder.http(&[]);
    let stopped = ended(&second, &task);
    assert_eq!(stopped["status"], "failed", "{stopped}");
    assert!(stopped["error"]["message"].as_str().unwrap().contains("was stopped"), "{stopped}");
}

#[test]
fn a_tool_becomes_a_task_by_itself_where_its_client_takes_tasks_whatever_else_that_can_do() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    for tool in ["t.decides", "t.decides_sync"] {
        let call = json!({"name": tool, "arguments": {}});
        let answer = server.modern("tools/call", taking(call.clone()), &[]).json();
        let task = answer["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(text(&ended(&server, task)["result"]), "task: True");
        let answer = server.modern("tools/call", call, &[]).json();
        assert_eq!(text(&answer["result"]), "task: False", "{answer}");
    }
}

#[test]
fn no_two_questions_of_a_task_have_one_key_even_where_its_tool_gives_them_one() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let call = taking_and_asked(json!({"name": "t.asks_twice", "arguments": {}}));
    let answer = server.modern("tools/call", call, &[]).json();
    let task = answer["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{answer}"));
    for (key, name) in [("name", "Ada"), ("name-2", "Bob")] {
        let asked = until(&server, task, |task| task["inputRequests"].get(key).is_some());
        let field = asked["inputRequests"][key]["params"]["requestedSchema"]["required"][0].as_str().unwrap();
        let responses = json!({key: {"action": "accept", "content": {field: name}}});
        let update = taking_and_asked(json!({"taskId": task, "inputResponses": responses}));
        server.modern("tasks/update", update, &[]);
    }
    assert_eq!(text(&ended(&server, task)["result"]), "Ada Bob");
}

#[test]
fn what_the_latest_request_declares_says_whether_its_answer_may_be_a_task() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let first = taking_and_asked(json!({"name": "t.asks_first", "arguments": {}}));
    for takes_tasks in [true, false] {
        let asked = server.modern("tools/call", first.clone(), &[]).json();
        let requests = asked["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("{asked}"));
        let (key, field) = requests.iter().next().unwrap();
        let field = field["params"]["requestedSchema"]["required"][0].as_str().unwrap();
        let mut again = first.clone();
        again["requestState"] = asked["result"]["requestState"].clone();
        again["inputResponses"] = json!({key: {"action": "accept", "content": {field: true}}});
        if !takes_tasks {
            let declared = &mut again["_meta"]["io.modelcontextprotocol/clientCapabilities"];
            *declared = json!({"elicitation": {}});
        }
        let answer = server.modern("tools/call", again, &[]).json();
        match takes_tasks {
            true => {
                let task = answer["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{answer}"));
                assert_eq!(text(&ended(&server, task)["result"]), "task: True");
            }
            false => assert_eq!(text(&answer["result"]), "task: False", "{answer}"),
        }
    }
}
