//! Each bound that `omni.toml` sets, tripped in the built binary: what is beyond it gets the error that the reference names.
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

mod support;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};
use support::{Folder, Stdio_, is_there, kind, text, wait_file, wait_gone};

/// `hold` says that it runs, by a file, and goes on until there is the file `go`.
const TOOLS: &str = r#"
import os, time

@tool
def hold(name: str) -> str:
    "Hold."
    with open(name, "w") as file:
        file.write(str(os.getpid()))
    while not os.path.exists("go"):
        time.sleep(0.01)
    return name

@tool
def other() -> str:
    "Return."
    return "other"

@tool
def large(bytes: int) -> str:
    "Return much."
    return "x" * bytes

@tool
def length(text: str) -> int:
    "Count."
    return len(text)
"#;

/// The folder with these settings.
fn folder(settings: &str) -> Folder {
    let folder = Folder::new(TOOLS);
    folder.write("omni.toml", settings);
    folder
}

fn hold(client: &mut Stdio_, id: u64) {
    client.call(id, "t.hold", json!({"name": format!("held-{id}")}));
}

/// The first answer when two more calls come while one holds all there is: it is the one too many that is answered.
fn third_of_three(folder: &Folder, client: &mut Stdio_) -> Value {
    hold(client, 1);
    wait_file(&folder.path("held-1"));
    hold(client, 2);
    hold(client, 3);
    client.wait_for(|message| message["id"].as_u64().is_some_and(|id| (1..=3).contains(&id)))
}

#[test]
fn calls_that_find_no_process_wait_and_those_beyond_the_queue_are_busy() {
    for (executor, processes) in [
        ("pool", "[workers]\ncount = \"1..1\""),
        ("fork", "[fork]\nprocesses = 1"),
        ("spawn", "[spawn]\nprocesses = 1"),
    ] {
        let folder = folder(&format!("executor = \"{executor}\"\n{processes}\n[queue]\ncalls = 1\n"));
        let mut client = folder.stdio(&[]).initialised();
        let refused = third_of_three(&folder, &mut client);
        assert_eq!(kind(&refused["result"]), "busy", "{executor}: {refused}");
        let waiting = if refused["id"] == 2 { 3 } else { 2 };
        assert_ne!(refused["id"], 1, "{executor}: {refused}");
        assert!(!folder.path(&format!("held-{waiting}")).exists(), "{executor}: two ran at once");
        folder.write("go", "");
        for id in [1, waiting] {
            assert_eq!(text(&client.answer(id)["result"]), format!("held-{id}"), "{executor}");
        }
    }
}

#[test]
fn one_tool_does_not_fill_the_queue_of_others() {
    let folder = folder("workers = \"1..1\"\n[queue]\nper_tool = 1\n");
    let mut client = folder.stdio(&[]).initialised();
    let refused = third_of_three(&folder, &mut client);
    assert_eq!(kind(&refused["result"]), "busy", "{refused}");
    client.call(4, "t.other", json!({}));
    folder.write("go", "");
    assert_eq!(text(&client.answer(4)["result"]), "other");
}

#[test]
fn a_worker_above_the_least_count_ends_after_its_idle_time() {
    let folder = folder("isolation = \"none\"\n[workers]\ncount = \"1..2\"\nmax_idle = 1\n");
    let mut client = folder.stdio(&[]).initialised();
    let workers: Vec<u32> = [1, 2]
        .into_iter()
        .map(|id| {
            hold(&mut client, id);
            wait_file(&folder.path(&format!("held-{id}"))).parse().unwrap()
        })
        .collect();
    folder.write("go", "");
    for id in [1, 2] {
        client.answer(id);
    }
    // The one that has served last stays. By default both would for a minute, which is as long as this waits.
    while workers.iter().all(|pid| is_there(*pid)) {
        client.request("ping", json!({}));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(text(&client.result("t.other", json!({}))), "other");
    client.close();
    workers.into_iter().for_each(wait_gone);
}

#[test]
fn a_process_that_is_not_ready_in_time_fails_the_call_that_waits_for_it() {
    let folder = folder("python = \"./slow\"\n[workers]\nready_timeout = 1\n");
    let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let python = String::from_utf8(python.stdout).unwrap();
    // Answers what omni asks of an interpreter, under its own name, and never becomes a worker.
    folder.write(
        "slow",
        &format!(
            "#!/bin/bash\ncase \"$*\" in *omni.worker*) exec sleep 600;; esac\nexec -a \"$0\" {} \"$@\"\n",
            python.trim()
        ),
    );
    fs::set_permissions(folder.path("slow"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut client = folder.stdio(&[]).initialised();
    let failed = client.result("t.other", json!({}));
    assert_eq!(kind(&failed), "worker_start", "{failed}");
    assert!(text(&failed).contains("was not ready after 1 s"), "{failed}");
}

#[test]
fn a_result_may_be_as_large_as_is_set_and_no_larger() {
    let small = folder("[limits]\nresult_mib = 1\n[results]\ninline_kib = 0\n");
    with_large_file(&small);
    small.write(
        "skills/p/SKILL.md",
        "---\nname: p\ndescription: Prints.\ntools:\n  - name: much\n    description: Print.\n    \
         command: [head, -c, \"2000000\", /dev/zero]\n---\n",
    );
    let mut client = small.stdio(&[]).initialised();
    for (tool, arguments) in [("t.large", json!({"bytes": 2 << 20})), ("p.much", json!({}))] {
        assert_eq!(kind(&client.result(tool, arguments)), "output_limit", "{tool}");
    }
    assert_eq!(text(&client.result("t.large", json!({"bytes": 1_000_000}))).len(), 1_000_000);
    assert_eq!(large_file(&mut client).len(), 1 << 20, "of a file one read gives as much");
    let large = folder("[limits]\nresult_mib = 12\n[results]\ninline_kib = 0\n");
    with_large_file(&large);
    let mut client = large.stdio(&[]).initialised();
    assert_eq!(text(&client.result("t.large", json!({"bytes": 12_000_000}))).len(), 12_000_000);
    assert_eq!(large_file(&mut client).len(), 9_000_000);
}

/// A skill that has a file of 9 MB.
fn with_large_file(folder: &Folder) {
    folder.write("skills/f/SKILL.md", "---\nname: f\ndescription: Has a large file.\n---\n");
    folder.write("skills/f/references/large.txt", &"x".repeat(9_000_000));
}

/// What a read of all of that file gives.
fn large_file(client: &mut Stdio_) -> String {
    let reply = client.request("resources/read", json!({"uri": "omni://skill/f/references/large.txt"}));
    let text = reply["result"]["contents"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{}", reply["error"])).to_owned()
}

#[test]
fn a_line_may_be_as_long_as_is_set_and_reaches_the_tool() {
    let folders = [1, 18].map(|mib| folder(&format!("[admission]\nline_mib = {mib}\n")));
    let [mut small, mut large] = [0, 1].map(|at: usize| folders[at].stdio(&[]).initialised());
    small.call(7, "t.length", json!({"text": "x".repeat(1 << 20)}));
    let refused = small.answer(7);
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    // Longer than a frame to a worker is by default.
    let counted = large.result("t.length", json!({"text": "x".repeat(17 << 20)}));
    assert_eq!(text(&counted), (17 << 20).to_string());
}

#[test]
fn a_client_on_stdio_is_refused_what_is_beyond_its_requests_and_all_are_what_is_beyond_the_calls() {
    for settings in ["[admission]\nopen_requests = 2\n", "[admission]\ncalls = 1\nwaiting_calls = 1\n"] {
        let folder = folder(settings);
        let mut client = folder.stdio(&[]).initialised();
        let refused = third_of_three(&folder, &mut client);
        assert_eq!(
            (&refused["id"], &refused["error"]["code"]),
            (&json!(3), &json!(-31000)),
            "{settings}: {refused}"
        );
        folder.write("go", "");
        for id in [1, 2] {
            assert_eq!(text(&client.answer(id)["result"]), format!("held-{id}"), "{settings}");
        }
    }
}

#[test]
fn over_http_bodies_connections_and_sessions_are_as_many_as_is_set() {
    let folder = folder("[admission]\nbody_mib = 1\nconnections = 16\nsessions = 1\nmemory_mib = 8\n");
    let server = folder.http(&[]);
    // Refused for what its head says; the body is never sent.
    assert_eq!(server.raw(&server.head("POST", &[], (1 << 20) + 1), "").status, 413);
    let session = server.session("2025-06-18");
    let mut stream = server.open(&server.head("GET", &[("Mcp-Session-Id", &session)], 0), "");
    server.session("2025-06-18");
    assert_eq!(stream.next(), None, "the first session is no longer remembered, so its stream ends");
    let mut silent = server.connect();
    let others: Vec<_> = (0..16).map(|_| server.connect()).collect();
    // Silent for longest, so the first to go. It waits for its end as long as for anything.
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    drop(others);
}

#[test]
fn a_call_goes_on_for_as_long_as_is_set_when_its_client_has_gone() {
    for (settings, ended) in [("grace = 60\n", "held-1"), ("grace = 0\n", "shutting down")] {
        let folder = folder(settings);
        let mut client = folder.stdio(&[]).initialised();
        hold(&mut client, 1);
        wait_file(&folder.path("held-1"));
        let release = folder.path("go");
        if settings.contains("60") {
            // Longer than a call may go on by default.
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(1500));
                fs::write(release, "")
            });
        }
        let answers = client.close();
        assert!(answers.len() == 1 && answers[0].to_string().contains(ended), "{settings}: {answers:?}");
    }
}
