//! A tool at a runner asks the client of the server in front of it, from end to end: the built binary on both sides,
//! real clients of both eras, and Python's runner in the place of ours.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Folder, Http, PATIENCE, Stdio_, kind, modern, text, wait_file, wait_gone};

const TOOLS: &str = r#"
import json, os
from omni import CallCancelled
from omni.skill import AskRefused

def note(path: str, text: str) -> None:
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)

@tool
def asks(text: str, ctx: Context) -> str:
    """Ask for a form and say what came of it."""
    schema = {"type": "object", "properties": {"size": {"type": "string"}}, "required": ["size"]}
    form = {"mode": "form", "message": text, "requestedSchema": schema}
    try:
        return json.dumps(ctx._ask("elicitation/create", form), sort_keys=True)
    except AskRefused as refused:
        return "refused: " + refused.why

@tool
def notes(path: str, ctx: Context) -> str:
    """Say who asks, and why there is no answer."""
    note(path, str(os.getpid()))
    try:
        return json.dumps(ctx._ask("roots/list", {}))
    except CallCancelled:
        note(path + ".ended", "cancelled")
        raise
    except AskRefused as refused:
        note(path + ".ended", refused.why)
        raise

@tool
def echo(text: str) -> str:
    """Return what it is given."""
    return text
"#;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Omni,
    Python,
}

/// A runner over the skills of a folder, on a socket of that name in it.
struct Runner {
    child: Child,
    socket: PathBuf,
}

impl Runner {
    fn start(folder: &Folder, kind: Kind) -> Self {
        let socket = folder.path("r.sock");
        let mut command = match kind {
            Kind::Omni => folder.omni(&["runner"]),
            Kind::Python => {
                let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src");
                let mut command = Command::new("python3");
                command.args(["-m", "omni.runner", "--skills", "skills"]).env("PYTHONPATH", package);
                command.current_dir(folder.dir.path());
                command
            }
        };
        Runner { child: announced(command.arg("--unix").arg(&socket)), socket }
    }

    fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// One request with all of its answer: the head, and the lines of the body.
    fn raw(&self, method: &str, path: &str, body: &Value) -> (String, Vec<Value>) {
        let mut stream = self.connect();
        stream.write_all(request(method, path, body).as_bytes()).unwrap();
        let mut all = String::new();
        let _ = stream.read_to_string(&mut all);
        let (head, rest) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {all:?}"));
        // Each line is in one chunk.
        let lines = rest.lines().filter(|line| line.starts_with('{'));
        (head.to_lowercase(), lines.map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Waits until no call runs there.
    fn wait_idle(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.raw("GET", "/health", &json!({})).1[0]["calls"] != 0 {
            assert!(Instant::now() < deadline, "a call still runs at the runner");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a crash would.
    fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It ends what it has started when it is asked to end. The number of one that has ended may be another's.
        if let Ok(None) = self.child.try_wait() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

/// Starts a server and waits for its first line, by which it listens.
fn announced(command: &mut Command) -> Child {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "it did not start");
    child
}

fn request(method: &str, path: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn front(folder: &Folder, address: &str) -> Stdio_ {
    folder.stdio(&["--runner", address])
}

/// What a client declares that can be asked.
fn able() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "roots": {}})
}

/// A legacy client that can be asked.
fn asked_client(folder: &Folder, address: &str) -> Stdio_ {
    let mut client = front(folder, address);
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": able(),
        "clientInfo": {"name": "test", "version": "1"}});
    assert!(client.request("initialize", params).get("result").is_some());
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    client
}

/// The next question to a legacy client.
fn question(client: &mut Stdio_) -> Value {
    client.wait_for(|message| message.get("method").is_some() && message.get("id").is_some())
}

fn reply(client: &mut Stdio_, question: &Value, result: &Value) {
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}));
}

/// The parameters of a call of a modern client that can be asked.
fn modern_call(tool: &str, arguments: &Value) -> Value {
    let meta = modern(&json!({"io.modelcontextprotocol/clientCapabilities": able()}));
    json!({"name": tool, "arguments": arguments, "_meta": meta})
}

/// The one question in an answer, and its key.
fn required(answer: &Value) -> (String, Value) {
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    let requests = answer["result"]["inputRequests"].as_object().unwrap();
    assert_eq!(requests.len(), 1, "{answer}");
    let (key, request) = requests.iter().next().unwrap();
    (key.clone(), request.clone())
}

/// The parameters of the request by which a call goes on that has asked, with the answer to what it asked.
fn go_on(first: &Value, answer: &Value, result: &Value) -> Value {
    let mut params = first.clone();
    params["requestState"] = answer["result"]["requestState"].clone();
    params["inputResponses"] = json!({required(answer).0: result});
    params
}

fn accepted(size: &str) -> Value {
    json!({"action": "accept", "content": {"size": size}})
}

/// Has every kind of runner before it.
fn each(test: impl Fn(Kind, &Folder, &mut Runner)) {
    for kind in [Kind::Omni, Kind::Python] {
        let folder = Folder::new(TOOLS);
        let mut runner = Runner::start(&folder, kind);
        test(kind, &folder, &mut runner);
    }
}

#[test]
fn a_legacy_client_is_asked_and_what_it_says_reaches_the_tool() {
    each(|kind, folder, runner| {
        let mut client = asked_client(folder, &runner.address());
        for said in [accepted("4"), json!({"action": "decline"}), json!({"action": "cancel"})] {
            client.call(1, "t.asks", json!({"text": "size?"}));
            let asked = question(&mut client);
            assert_eq!(
                (&asked["method"], &asked["params"]["message"]),
                (&json!("elicitation/create"), &json!("size?"))
            );
            reply(&mut client, &asked, &said);
            let answer = client.answer(1);
            let heard: Value = serde_json::from_str(text(&answer["result"])).unwrap();
            assert_eq!(heard, said, "{kind:?}");
        }
        client.call(1, "t.asks", json!({"text": "size?"}));
        let asked = question(&mut client);
        client.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -1, "message": "no"}}));
        assert_eq!(text(&client.answer(1)["result"]), "refused: failed", "{kind:?}");
    });
}

#[test]
fn a_modern_client_gets_the_question_as_its_answer_and_goes_on_with_the_call() {
    each(|kind, folder, runner| {
        let address = runner.address();
        let server = folder.http(&["--runner", &address]);
        let mut client = front(folder, &address);
        let first = modern_call("t.asks", &json!({"text": "size?"}));
        for said in [accepted("4"), json!({"action": "decline"})] {
            let mut both = |params: &Value| {
                let over_http = post(&server, params);
                (client.request("tools/call", params.clone()), over_http)
            };
            let (on_stdio, over_http) = both(&first);
            for asked in [&on_stdio, &over_http] {
                assert_eq!(required(asked).1["params"]["message"], "size?", "{kind:?}");
            }
            for (asked, http) in [(on_stdio, false), (over_http, true)] {
                let params = go_on(&first, &asked, &said);
                let answer = if http { post(&server, &params) } else { client.request("tools/call", params) };
                let heard: Value = serde_json::from_str(text(&answer["result"])).unwrap();
                assert_eq!(heard, said, "{kind:?}");
            }
        }
    });
}

/// A modern tool call over HTTP.
fn post(server: &Http, params: &Value) -> Value {
    let reply = server.modern("tools/call", params.clone(), &[]);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[test]
fn a_client_that_cannot_be_asked_is_not_and_the_tool_is_told() {
    each(|kind, folder, runner| {
        let address = runner.address();
        let arguments = json!({"text": "size?"});
        let mut legacy = front(folder, &address).initialised();
        assert_eq!(text(&legacy.result("t.asks", arguments.clone())), "refused: unsupported", "{kind:?}");
        let params = json!({"name": "t.asks", "arguments": arguments, "_meta": modern(&Value::Null)});
        let answer = front(folder, &address).request("tools/call", params.clone());
        assert_eq!(text(&answer["result"]), "refused: unsupported", "{kind:?}");
        let server = folder.http(&["--runner", &address]);
        assert_eq!(text(&post(&server, &params)["result"]), "refused: unsupported", "{kind:?}");
    });
}

#[test]
fn calls_behind_one_that_asks_are_answered_before_its_question_is() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni);
    let mut client = asked_client(&folder, &runner.address());
    client.call(0, "t.asks", json!({"text": "size?"}));
    for id in 1..=16 {
        client.call(id, "t.echo", json!({"text": id.to_string()}));
    }
    for id in 1..=16 {
        assert_eq!(text(&client.answer(id)["result"]), id.to_string());
    }
    let asked = question(&mut client);
    assert!(!client.has_kept(0));
    reply(&mut client, &asked, &accepted("4"));
    assert!(text(&client.answer(0)["result"]).contains("accept"));

    let mut client = front(&folder, &runner.address());
    let first = modern_call("t.asks", &json!({"text": "size?"}));
    client.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "tools/call", "params": first}));
    for id in 1..=16 {
        let params = modern_call("t.echo", &json!({"text": id.to_string()}));
        client.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
    }
    for id in 1..=16 {
        assert_eq!(text(&client.answer(id)["result"]), id.to_string());
    }
    let asked = client.answer(0);
    let answer = client.request("tools/call", go_on(&first, &asked, &accepted("4")));
    assert!(text(&answer["result"]).contains("accept"));
}

#[test]
fn two_servers_whose_calls_have_the_same_ids_at_one_runner_get_each_its_own_answers() {
    each(|kind, folder, runner| {
        let mut clients = [0, 1].map(|_| asked_client(folder, &runner.address()));
        let mut asked = Vec::new();
        for (n, client) in clients.iter_mut().enumerate() {
            // Each is the first call of its server.
            client.call(1, "t.asks", json!({"text": format!("of {n}")}));
            let question = question(client);
            assert_eq!(question["params"]["message"], format!("of {n}"), "{kind:?}");
            asked.push(question);
        }
        for (n, client) in clients.iter_mut().enumerate().rev() {
            reply(client, &asked[n], &accepted(&format!("for {n}")));
            let answer = client.answer(1);
            assert!(text(&answer["result"]).contains(&format!("for {n}")), "{kind:?} {answer}");
        }
    });
}

#[test]
fn a_client_that_cancels_or_leaves_while_it_is_asked_ends_the_tool_at_the_runner() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni);
    let address = runner.address();
    let path = |name: &str| folder.path(name).to_str().unwrap().to_owned();

    let mut client = asked_client(&folder, &address);
    client.call(1, "t.notes", json!({"path": path("cancels")}));
    let asked = question(&mut client);
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}));
    assert_eq!(wait_file(&folder.path("cancels.ended")), "cancelled");
    runner.wait_idle();
    // It is too late, and harms nobody.
    reply(&mut client, &asked, &json!({"roots": []}));
    assert_eq!(text(&client.result("t.echo", json!({"text": "next"}))), "next");

    client.call(2, "t.notes", json!({"path": path("leaves")}));
    question(&mut client);
    client.close();
    assert_eq!(wait_file(&folder.path("leaves.ended")), "gone");
    runner.wait_idle();

    let mut client = front(&folder, &address);
    let params = modern_call("t.notes", &json!({"path": path("parked")}));
    required(&client.request("tools/call", params));
    client.close();
    wait_file(&folder.path("parked.ended"));
    runner.wait_idle();
}

#[test]
fn a_runner_that_dies_with_a_question_open_ends_the_call_as_lost_and_its_successor_goes_on() {
    each(|kind, folder, runner| {
        let address = runner.address();
        let (mut legacy, mut parked) = (asked_client(folder, &address), front(folder, &address));
        let path = folder.path("legacy");
        legacy.call(1, "t.notes", json!({"path": path}));
        let asked = question(&mut legacy);
        let first = modern_call("t.notes", &json!({"path": folder.path("parked")}));
        let open = parked.request("tools/call", first.clone());
        let pids = [wait_file(&path), wait_file(&folder.path("parked"))].map(|pid| pid.parse().unwrap());
        runner.crash();
        assert_eq!(kind_of(&legacy.answer(1)), "lost", "{kind:?}");
        reply(&mut legacy, &asked, &json!({"roots": []}));
        let ended = parked.request("tools/call", go_on(&first, &open, &json!({"roots": []})));
        assert_eq!(kind_of(&ended), "lost", "{kind:?}");
        pids.into_iter().for_each(wait_gone);

        if let Kind::Python = kind {
            // The small reference does not take the place of one that was killed.
            std::fs::remove_file(&runner.socket).unwrap();
        }
        *runner = Runner::start(folder, kind);
        legacy.call(2, "t.asks", json!({"text": "again?"}));
        let asked = question(&mut legacy);
        reply(&mut legacy, &asked, &accepted("4"));
        assert!(text(&legacy.answer(2)["result"]).contains("accept"), "{kind:?}");
    });
}

fn kind_of(answer: &Value) -> &str {
    kind(&answer["result"])
}

#[test]
fn a_caller_of_the_contracts_first_version_is_never_asked() {
    each(|kind, _, runner| {
        for context in [json!({}), json!({"ask": false})] {
            let body = json!({"name": "t.asks", "arguments": {"text": "size?"}, "id": 7, "context": context});
            let (head, lines) = runner.raw("POST", "/run_tool", &body);
            assert!(!head.contains("omni-call"), "{kind:?} {head}");
            assert!(lines.iter().all(|line| line.get("ask").is_none()), "{kind:?} {lines:?}");
            let last = &lines.last().unwrap()["result"]["content"][0]["text"];
            assert_eq!(last, "refused: unsupported", "{kind:?} {lines:?}");
        }
    });
}

/// A runner of the first version, which knows nothing of questions, and one that asks without having said how it takes
/// answers.
const OLD: &str = r#"
import json, os, sys
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer

class Runner(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def address_string(self):
        return ""

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        health = {"status": "ok", "ready": True, "initializing": False, "contract": 1}
        self.answer(json.dumps(health if self.path == "/health" else {}).encode())

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = {"name", "arguments", "id", "deadline_ms", "idle_ms", "attempt", "context"}
        id, text = asked["id"], asked["arguments"]["text"]
        lines = [{"started": {"id": id}}]
        if text == "ask":
            lines.append({"ask": {"id": id, "ask": 1, "method": "roots/list", "params": {}}})
        said = text if known >= set(asked) else "what is this?"
        told = {"content": [{"type": "text", "text": said}], "structured": {"result": said}}
        lines.append({"result": {"id": id, **told}})
        self.answer("".join(json.dumps(line) + "\n" for line in lines).encode())

class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True

server = Server(sys.argv[1], Runner)
print("listens", flush=True)
server.serve_forever()
"#;

#[test]
fn a_runner_of_the_contracts_first_version_works_and_must_not_ask() {
    let folder = Folder::new(TOOLS);
    folder.write("old.py", OLD);
    let socket = folder.path("r.sock");
    let child = announced(Command::new("python3").arg(folder.path("old.py")).arg(&socket));
    let runner = Runner { child, socket };
    let mut client = asked_client(&folder, &runner.address());
    for tool in ["t.asks", "t.echo"] {
        assert_eq!(text(&client.result(tool, json!({"text": "hello"}))), "hello");
    }
    let wrong = client.result("t.asks", json!({"text": "ask"}));
    assert_eq!(kind(&wrong), "lost");
    assert!(text(&wrong).contains("a call that cannot ask"), "{wrong}");
    assert_eq!(text(&client.result("t.asks", json!({"text": "hello"}))), "hello");
}
