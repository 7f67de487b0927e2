//! Calls that wait for their client's answers, and what became of them when the worker or the server was killed: the built
//! binary, real processes.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Folder, Http, Stdio_, kind, modern, signal, text, wait_gone, wait_until};

const TOOLS: &str = r#"
import os

def ask(ctx: Context, message: str) -> str:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    form = {"mode": "form", "message": message, "requestedSchema": schema}
    return ctx._ask("elicitation/create", form)["content"]["name"]

def two_names(log: str, ctx: Context) -> str:
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    return ask(ctx, "first?") + " " + ask(ctx, "second?")

@tool(idempotent=True)
def again(log: str, ctx: Context) -> str:
    """Ask for two names, whoever runs it and however often."""
    return two_names(log, ctx)

@tool
def once(log: str, ctx: Context) -> str:
    """Ask for two names."""
    return two_names(log, ctx)

@tool(idempotent=True)
def fickle(log: str, ctx: Context) -> str:
    """Ask something else in each process."""
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    return ask(ctx, f"may process {os.getpid()} go on?")

@tool
def plain(text: str) -> str:
    """Return what it is given."""
    return text
"#;

/// A client of the modern era that can be asked, over one of the two transports.
enum Client {
    Stdio(Stdio_),
    Http(Http),
}

impl Client {
    fn start(folder: &Folder, http: bool, arguments: &[&str]) -> Self {
        match http {
            true => Client::Http(folder.http(arguments)),
            false => Client::Stdio(folder.stdio(arguments)),
        }
    }

    fn call(&mut self, params: &Value) -> Value {
        match self {
            Client::Stdio(client) => client.request("tools/call", params.clone()),
            Client::Http(server) => server.modern("tools/call", params.clone(), &[]).json(),
        }
    }

    /// Ends the server as a crash would, and waits until it is gone.
    fn kill(&self) {
        let pid = match self {
            Client::Stdio(client) => client.child.id(),
            Client::Http(server) => server.child.id(),
        };
        signal(pid, "-KILL");
    }
}

fn first(tool: &str, folder: &Folder) -> Value {
    let able = json!({"elicitation": {"form": {}}});
    let meta = modern(&json!({"io.modelcontextprotocol/clientCapabilities": able}));
    json!({"name": tool, "arguments": {"log": folder.path("log")}, "_meta": meta})
}

/// The same request with the answer to the one question of `asked`.
fn answered(first: &Value, asked: &Value, name: &str) -> Value {
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let requests = asked["result"]["inputRequests"].as_object().unwrap();
    assert_eq!(requests.len(), 1, "{asked}");
    let mut params = first.clone();
    params["requestState"] = asked["result"]["requestState"].clone();
    let accepted = json!({"action": "accept", "content": {"name": name}});
    params["inputResponses"] = requests.keys().map(|key| (key.clone(), accepted.clone())).collect();
    params
}

/// The processes that have run the tool, in order.
fn ran(folder: &Folder) -> Vec<u32> {
    let log = fs::read_to_string(folder.path("log")).unwrap_or_default();
    log.lines().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn a_call_whose_worker_is_killed_goes_on_with_its_answers_where_it_may_be_run_again() {
    for executor in ["pool", "fork", "spawn"] {
        for http in [false, true] {
            let folder = Folder::new(TOOLS);
            let mut client = Client::start(&folder, http, &["--executor", executor]);
            let call = first("t.again", &folder);
            let asked = client.call(&call);
            let asked = client.call(&answered(&call, &asked, "Ada"));
            let [worker] = ran(&folder)[..] else { panic!("{:?}", ran(&folder)) };
            signal(worker, "-KILL");
            wait_gone(worker);
            let answer = client.call(&answered(&call, &asked, "Bob"));
            assert_eq!(text(&answer["result"]), "Ada Bob", "{executor}, {answer}");
            assert_eq!(ran(&folder).len(), 2, "{executor}");

            fs::remove_file(folder.path("log")).unwrap();
            let call = first("t.once", &folder);
            let asked = client.call(&call);
            let [worker] = ran(&folder)[..] else { panic!("{:?}", ran(&folder)) };
            signal(worker, "-KILL");
            wait_gone(worker);
            let answer = client.call(&answered(&call, &asked, "Ada"));
            assert_eq!(kind(&answer["result"]), "signalled", "{executor}, {answer}");
            assert_eq!(ran(&folder).len(), 1, "{executor}");
        }
    }
}

#[test]
fn a_call_whose_server_is_killed_is_found_again_by_the_next_one() {
    for http in [false, true] {
        let folder = Folder::new(TOOLS);
        let mut client = Client::start(&folder, http, &[]);
        let (again, once, fickle) =
            (first("t.again", &folder), first("t.once", &folder), first("t.fickle", &folder));
        let asked = client.call(&again);
        let asked_again = client.call(&answered(&again, &asked, "Ada"));
        let asked_once = client.call(&once);
        let asked_fickle = client.call(&fickle);
        let workers = ran(&folder);
        assert_eq!(workers.len(), 3);
        client.kill();
        workers.iter().for_each(|pid| wait_gone(*pid));

        let mut client = Client::start(&folder, http, &[]);
        let answer = client.call(&answered(&again, &asked_again, "Bob"));
        assert_eq!(text(&answer["result"]), "Ada Bob", "{answer}");
        let answer = client.call(&answered(&once, &asked_once, "Ada"));
        assert_eq!(kind(&answer["result"]), "lost", "{answer}");
        assert!(text(&answer["result"]).contains("`read_only` or `idempotent`"), "{answer}");
        let answer = client.call(&answered(&fickle, &asked_fickle, "yes"));
        assert_eq!(kind(&answer["result"]), "lost", "{answer}");
        assert!(text(&answer["result"]).contains("asked something else"), "{answer}");
        assert_eq!(ran(&folder).len(), 5, "one that may not be run again was");
        // The worker goes on without it.
        let answer =
            client.call(&json!({"name": "t.plain", "arguments": {"text": "x"}, "_meta": again["_meta"]}));
        assert_eq!(text(&answer["result"]), "x");
    }
}

#[test]
fn a_parked_call_ends_with_its_client_when_it_expires_and_when_a_newer_one_takes_its_place() {
    let folder = Folder::new(TOOLS);
    folder.write("omni.toml", "[asking]\nper_principal = 2\nexpires_after = 5\n");
    let mut client = Client::start(&folder, false, &["--executor", "spawn"]);
    let call = first("t.once", &folder);
    for _ in 0..3 {
        client.call(&call);
    }
    let workers = ran(&folder);
    wait_gone(workers[0]);
    // The other two are given up in time.
    wait_gone(workers[1]);
    wait_gone(workers[2]);
    let asked = client.call(&call);
    let worker = *ran(&folder).last().unwrap();
    let Client::Stdio(mut stdio) = client else { unreachable!() };
    stdio.close();
    wait_gone(worker);
    let mut client = Client::start(&folder, false, &[]);
    let answer = client.call(&answered(&call, &asked, "Ada"));
    assert!(answer["result"]["isError"] == true || answer["error"]["code"] == -32602, "{answer}");
    wait_until("nothing runs", || ran(&folder).iter().all(|pid| !support::is_there(*pid)));
}
