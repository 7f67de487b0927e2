//! The built binary in front of a runner: a small HTTP server in Python, written for this test, as anybody could
//! write one. It lists tools, resources and prompts, changes its mind, dies and comes back.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::{Folder, Stdio_, kind, text, wait_until};

const RUNNER: &str = r#"
import hashlib, json, pathlib, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

world = pathlib.Path(sys.argv[1])

class Runner(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, **headers):
        # Over several lines, which must not reach a client whose messages are one line each.
        body = body if isinstance(body, bytes) else json.dumps(body, indent=2).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def missing(self, what):
        self.answer(404, {"error": {"code": "not_found", "message": "no " + what + " here"}})

    def do_GET(self):
        if self.path == "/tools":
            body = (world / "tools.json").read_bytes()
            etag = '"' + hashlib.sha256(body).hexdigest() + '"'
            if self.headers.get("If-None-Match") == etag:
                with (world / "unchanged").open("a") as log:
                    log.write("x")
                return self.answer(304, b"", ETag=etag)
            return self.answer(200, body, ETag=etag)
        kept = world / (self.path.strip("/") + ".json")
        if kept.exists():
            while (world / "hold").exists():
                time.sleep(0.01)
            return self.answer(200, kept.read_bytes())
        answers = {
            "/health": {
                "status": "ok",
                "ready": True,
                "initializing": False,
                # It learns that while it runs.
                "completions": (world / "completes").exists(),
            },
            "/resources": {
                "resources": [{"uri": "mem:one", "name": "one", "title": "One"}, {"uri": "mem:nameless"}],
                "resourceTemplates": [{"uriTemplate": "mem:{name}", "name": "any"}],
            },
            "/prompts": {"prompts": [{"name": "greet", "arguments": [{"name": "who", "required": True}]}]},
        }
        if self.path in answers:
            return self.answer(200, answers[self.path])
        self.missing("route")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/run_tool":
            say = json.dumps(asked["arguments"], sort_keys=True)
            told = [{"type": "text", "text": asked["name"] + " " + say}]
            lines = [{"started": {"id": asked["id"]}}, {"result": {"id": asked["id"], "content": told}}]
            return self.answer(200, "".join(json.dumps(line) + "\n" for line in lines).encode())
        if self.path == "/resources/read" and asked["uri"] == "mem:one":
            return self.answer(200, {"contents": [{"uri": "mem:one", "text": "1"}]})
        if self.path == "/prompts/get" and asked["name"] == "greet":
            if "who" not in asked["arguments"]:
                return self.answer(400, {"error": {"code": "bad_request", "message": "`who` is missing"}})
            content = {"type": "text", "text": "Hello, " + asked["arguments"]["who"]}
            return self.answer(200, {"description": "Greets.", "messages": [{"role": "user", "content": content}]})
        if self.path == "/complete":
            with (world / "asked").open("a") as log:
                log.write(json.dumps(asked) + "\n")
            if asked["ref"] == {"type": "ref/prompt", "name": "greet"}:
                if asked["argument"]["name"] != "who":
                    return self.answer(400, {"error": {"code": "bad_request", "message": "it has only `who`"}})
                known = asked.get("context", {}).get("arguments", {})
                fit = [name for name in ["Ada", "Alan", "Grace"] if name.startswith(asked["argument"]["value"])]
                fit += sorted(known.values())
                return self.answer(200, {"completion": {"values": fit, "total": len(fit), "hasMore": False}})
            if asked["ref"] == {"type": "ref/resource", "uri": "mem:{name}"}:
                return self.answer(200, {"completion": {"values": [str(n) for n in range(150)]}})
        self.missing("such thing")

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Runner)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// A running runner, and the folder it reads its list from.
struct Runner {
    child: Child,
    world: PathBuf,
    port: u16,
}

impl Runner {
    fn start(folder: &Folder, port: u16) -> Runner {
        let world = folder.path("runner");
        folder.write("runner/runner.py", RUNNER);
        let mut child = Command::new("python3")
            .arg(world.join("runner.py"))
            .arg(&world)
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Runner { child, world, port: line.trim().parse().expect("the runner says its port") }
    }

    /// Makes its list these tools. A reader sees the old list or the new one, whole.
    fn lists(folder: &Folder, tools: &[Value]) {
        Self::answers(folder, "tools", &json!({ "tools": tools }));
    }

    /// Makes this the whole answer of one of its routes.
    fn answers(folder: &Folder, route: &str, answer: &Value) {
        folder.write("runner/answer.new", &answer.to_string());
        fs::rename(folder.path("runner/answer.new"), folder.path(&format!("runner/{route}.json"))).unwrap();
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// `omni runner` over the same folder of skills, on a Unix socket.
struct OwnRunner {
    child: Child,
    address: String,
}

impl OwnRunner {
    fn start(folder: &Folder) -> OwnRunner {
        let socket = folder.path("r.sock");
        let mut child =
            folder.omni(&["runner", "--unix"]).arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once(" at ").expect("it says where it listens").1.to_owned();
        OwnRunner { child, address }
    }
}

impl Drop for OwnRunner {
    fn drop(&mut self) {
        // It ends what it has started when it is asked to end, not when it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tool(command: &str) -> Value {
    json!({"name": format!("up.{command}"), "description": "Says it.", "inputSchema": {"type": "object",
        "properties": {"n": {"type": "integer"}}}, "omni": {"skill": "up", "command": command, "timeout_ms": 60000}})
}

fn names(list: &Value) -> Vec<&str> {
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

const OPTIONS: [&str; 4] = ["--tools", "runner", "--runner-refresh", "0.1"];

/// Arguments that take the list from the runner, and look at it all the time.
fn options(runner: &Runner) -> Vec<String> {
    ["--runner".to_owned(), runner.address()].into_iter().chain(OPTIONS.map(str::to_owned)).collect()
}

fn stdio(folder: &Folder, arguments: &[String]) -> Stdio_ {
    folder.stdio(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).initialised()
}

#[test]
fn a_runners_tools_come_change_and_stay_listed_while_it_is_gone() {
    let folder = Folder::new("");
    Runner::lists(&folder, &[tool("hello")]);
    let runner = Runner::start(&folder, 0);
    let (address, port, options) = (runner.address(), runner.port, options(&runner));
    let mut client = stdio(&folder, &options);
    assert_eq!(names(&client.request("tools/list", json!({}))), ["up_hello"]);
    assert_eq!(text(&client.result("up.hello", json!({"n": 3}))), r#"up.hello {"n": 3}"#);
    let wrong = client.result("up.hello", json!({"n": "three"}));
    assert_eq!(kind(&wrong), "invalid_arguments", "the schema is held to before the runner hears of it");
    wait_until("the tag is sent back, and the list is not sent again", || {
        runner.world.join("unchanged").exists()
    });

    let nobody = json!({"name": "up.bad", "inputSchema": {"type": "string"}});
    Runner::lists(&folder, &[tool("hello"), nobody, tool("bye"), tool("bye")]);
    client.wait_for(|message| message["method"] == "notifications/tools/list_changed");
    assert_eq!(names(&client.request("tools/list", json!({}))), ["up_bye", "up_hello"]);
    assert_eq!(text(&client.result("up.bye", json!({}))), "up.bye {}");
    client.request("resources/list", json!({}));

    drop(runner);
    assert_eq!(names(&client.request("tools/list", json!({}))), ["up_bye", "up_hello"]);
    assert_eq!(kind(&client.result("up.bye", json!({}))), "worker_start");
    let resources = client.request("resources/list", json!({}));
    assert_eq!(resources["result"]["resources"][0]["uri"], "mem:one", "the last list");
    assert_eq!(client.request("resources/read", json!({"uri": "mem:one"}))["error"]["code"], -32603);

    // A server that starts meanwhile has the list from the cache.
    let mut other = stdio(&folder, &options);
    assert_eq!(names(&other.request("tools/list", json!({}))), ["up_bye", "up_hello"]);
    let listed = folder.run(&["list", "--runner", &address, "--tools", "runner"]);
    let (out, err) = (String::from_utf8_lossy(&listed.stdout), String::from_utf8_lossy(&listed.stderr));
    assert!(out.contains("up.bye") && err.contains("cannot be reached"), "{out}\n{err}");
    assert!(err.contains("this is the last list that it gave"), "{err}");
    // One that has never been heard of has no last list.
    let listed = folder.run(&["list", "--runner", "unix:/nowhere.sock", "--tools", "runner"]);
    let err = String::from_utf8_lossy(&listed.stderr);
    assert!(err.contains("cannot be reached") && err.contains("never given a list here"), "{err}");
    let doctor = folder.run(&["doctor", "--strict", "--runner", &address, "--tools", "runner"]);
    let report = String::from_utf8_lossy(&doctor.stdout);
    assert!(report.contains("error[runner]") && report.contains("cannot be reached"), "{report}");
    assert!(report.contains("error[bad-input-schema]") && report.contains("/tools/1"), "{report}");
    assert!(report.contains("error[duplicate-name]") && report.contains("/tools/3"), "{report}");
    assert_eq!(doctor.status.code(), Some(1));

    Runner::lists(&folder, &[tool("back")]);
    let _runner = Runner::start(&folder, port);
    for client in [&mut client, &mut other] {
        client.wait_for(|message| message["method"] == "notifications/tools/list_changed");
        assert_eq!(names(&client.request("tools/list", json!({}))), ["up_back"]);
        assert_eq!(text(&client.result("up.back", json!({}))), "up.back {}");
    }
}

/// The resources of a list that are not files of the skills here.
fn of_runner(list: &Value) -> Vec<Value> {
    let all = list["result"]["resources"].as_array().unwrap().iter();
    all.filter(|resource| resource["uri"].as_str().unwrap().starts_with("mem:")).cloned().collect()
}

#[test]
fn a_runners_resources_and_prompts_are_its_own_with_its_own_refusals() {
    let folder = Folder::new("");
    Runner::lists(&folder, &[]);
    let runner = Runner::start(&folder, 0);
    let mut client = folder.stdio(&["--runner", &runner.address()]);
    let capabilities = client.initialize("2025-11-25")["result"]["capabilities"].clone();
    assert_eq!(capabilities["resources"]["listChanged"], true, "{capabilities}");
    assert_eq!(capabilities["prompts"], json!({"listChanged": true}));
    let list = client.request("resources/list", json!({}));
    assert_eq!(of_runner(&list), [json!({"uri": "mem:one", "name": "one", "title": "One"})]);
    let templates = client.request("resources/templates/list", json!({}));
    assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "mem:{name}");
    let read = client.request("resources/read", json!({"uri": "mem:one"}));
    assert_eq!(read["result"]["contents"], json!([{"uri": "mem:one", "text": "1"}]));
    let unknown = client.request("resources/read", json!({"uri": "mem:two"}));
    assert_eq!(unknown["error"]["code"], -32002);
    assert_eq!(unknown["error"]["message"], "no such thing here", "the runner's own words");
    assert_eq!(client.request("prompts/list", json!({}))["result"]["prompts"][0]["name"], "greet");
    let prompt = client.request("prompts/get", json!({"name": "greet", "arguments": {"who": "you"}}));
    assert_eq!(prompt["result"]["description"], "Greets.");
    assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "Hello, you");
    let without = client.request("prompts/get", json!({"name": "greet"}));
    assert_eq!(
        (&without["error"]["code"], &without["error"]["message"]),
        (&json!(-32602), &json!("`who` is missing"))
    );
    assert_eq!(client.request("prompts/get", json!({"name": "leave"}))["error"]["code"], -32602);
}

fn resource(name: &str) -> Value {
    json!({"resources": [{"uri": format!("mem:{name}"), "name": name}]})
}

#[test]
fn a_change_of_a_runners_resources_is_told_once_and_of_nothing_else() {
    let folder = Folder::new("");
    Runner::lists(&folder, &[tool("hello")]);
    Runner::answers(&folder, "resources", &resource("one"));
    let runner = Runner::start(&folder, 0);
    let mut client = stdio(&folder, &options(&runner));
    let list = |client: &mut Stdio_, method: &str| client.request(method, json!({}))["result"].clone();
    for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        list(&mut client, method);
    }
    Runner::answers(&folder, "resources", &resource("two"));
    let told = client.wait_for(|message| message.get("method").is_some());
    assert_eq!(told["method"], "notifications/resources/list_changed");
    assert_eq!(list(&mut client, "resources/list")["resources"][0]["uri"], "mem:two");
    // A whole look later nothing more has been told.
    fs::remove_file(runner.world.join("unchanged")).unwrap();
    wait_until("it is asked again", || {
        fs::read(runner.world.join("unchanged")).is_ok_and(|asked| asked.len() >= 2)
    });
    Runner::answers(&folder, "prompts", &json!({"prompts": [{"name": "other"}]}));
    let told = client.wait_for(|message| message.get("method").is_some());
    assert_eq!(told["method"], "notifications/prompts/list_changed");

    // What is no list leaves the last one, and is told to nobody but the operator.
    Runner::answers(&folder, "resources", &json!({"resources": 3}));
    fs::remove_file(runner.world.join("unchanged")).unwrap();
    wait_until("it is asked again", || {
        fs::read(runner.world.join("unchanged")).is_ok_and(|asked| asked.len() >= 2)
    });
    assert_eq!(list(&mut client, "resources/list")["resources"][0]["uri"], "mem:two");
    let doctor = folder.run(&["doctor", "--runner", &runner.address(), "--tools", "runner"]);
    let report = String::from_utf8_lossy(&doctor.stdout);
    assert!(report.contains("list of resources is of no use"), "{report}");
    Runner::lists(&folder, &[tool("bye")]);
    let told = client.wait_for(|message| message.get("method").is_some());
    assert_eq!(told["method"], "notifications/tools/list_changed", "the other lists go on");

    // Gone, it is still what it was; also for who starts only now.
    let options = options(&runner);
    drop(runner);
    for client in [&mut client, &mut stdio(&folder, &options)] {
        assert_eq!(list(client, "resources/list")["resources"][0]["uri"], "mem:two");
        assert_eq!(list(client, "prompts/list")["prompts"][0]["name"], "other");
    }
}

#[test]
fn a_runner_whose_tools_are_not_listed_has_its_resources_listed_and_no_tool_waits_for_it() {
    let folder = Folder::new("@tool\ndef add(a: int):\n    return a\n");
    Runner::lists(&folder, &[tool("hello")]);
    Runner::answers(&folder, "resources", &resource("one"));
    folder.write("runner/hold", "");
    let runner = Runner::start(&folder, 0);
    let address = runner.address();
    let arguments = ["--runner", &address, "--tools", "manifest", "--runner-refresh", "0.1"];
    let mut client = folder.stdio(&arguments).initialised();
    client.send(&json!({"jsonrpc": "2.0", "id": "held", "method": "resources/list"}));
    assert_eq!(names(&client.request("tools/list", json!({}))), ["t_add"]);
    fs::remove_file(folder.path("runner/hold")).unwrap();
    let first = client.wait_for(|message| message["id"] == "held");
    assert_eq!(of_runner(&first)[0]["uri"], "mem:one", "the first list waits for the first look");
    Runner::answers(&folder, "resources", &resource("two"));
    let told = client.wait_for(|message| message.get("method").is_some());
    assert_eq!(told["method"], "notifications/resources/list_changed");
    assert!(!runner.world.join("unchanged").exists(), "its tools are not asked for");
    drop(runner);
    assert_eq!(of_runner(&client.request("resources/list", json!({})))[0]["uri"], "mem:two");
    let read = client.request("resources/read", json!({"uri": "mem:two"}));
    assert_eq!(read["error"]["code"], -32603, "{read}");
}

/// The parameters that ask a runner of these tests for values of `argument`.
fn completing(prompt: &str, argument: &str, value: &str) -> Value {
    json!({"ref": {"type": "ref/prompt", "name": prompt}, "argument": {"name": argument, "value": value}})
}

#[test]
fn a_runner_that_says_so_completes_arguments() {
    let folder = Folder::new("");
    Runner::lists(&folder, &[]);
    folder.write("runner/completes", "");
    let runner = Runner::start(&folder, 0);
    let address = runner.address();
    let mut client = folder.stdio(&["--runner", &address]);
    let capabilities = client.initialize("2025-11-25")["result"]["capabilities"].clone();
    assert_eq!(capabilities["completions"], json!({}), "{capabilities}");
    let mut asked = completing("greet", "who", "A");
    asked["context"] = json!({"arguments": {"lang": "en"}});
    let answer = client.request("completion/complete", asked.clone());
    let expected = json!({"values": ["Ada", "Alan", "en"], "total": 3, "hasMore": false});
    assert_eq!(answer["result"]["completion"], expected, "{answer}");
    let sent = fs::read_to_string(folder.path("runner/asked")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(sent.trim()).unwrap(), asked, "as the client asked");
    let of_template = json!({"ref": {"type": "ref/resource", "uri": "mem:{name}"},
        "argument": {"name": "name", "value": ""}});
    let many = client.request("completion/complete", of_template.clone());
    let many = &many["result"]["completion"];
    assert_eq!((many["values"].as_array().unwrap().len(), &many["hasMore"]), (100, &json!(true)));
    for (wrong, message) in [
        (completing("leave", "who", ""), "there is no prompt `leave`"),
        (completing("greet", "age", ""), "it has only `who`"),
        (json!({"ref": {"type": "ref/prompt", "name": "greet"}}), "`params.argument` must be an object"),
    ] {
        let error = client.request("completion/complete", wrong)["error"].clone();
        assert_eq!(error["code"], -32602, "{error}");
        assert!(error["message"].as_str().unwrap().starts_with(message), "{error}");
    }

    let server = folder.http(&["--runner", &address]);
    let modern = server.modern("completion/complete", completing("greet", "who", "G"), &[]);
    assert_eq!(modern.json()["result"]["completion"]["values"], json!(["Grace"]), "{:?}", modern.json());
    let mut without = folder.stdio(&["--runner", &address, "--runner-prompts", "empty"]).initialised();
    let refused = without.request("completion/complete", completing("greet", "who", ""));
    assert_eq!(refused["error"], json!({"code": -32602, "message": "there is no prompt `greet`"}));
    assert!(without.request("completion/complete", of_template).get("result").is_some());
    drop(runner);
    let gone = client.request("completion/complete", completing("greet", "who", "A"));
    assert_eq!(gone["error"]["code"], -32603, "{gone}");
}

#[test]
fn a_runner_that_does_not_say_that_it_completes_is_not_asked_until_it_does() {
    let folder = Folder::new("");
    Runner::lists(&folder, &[]);
    let runner = Runner::start(&folder, 0);
    let mut client = folder.stdio(&["--runner", &runner.address(), "--runner-refresh", "0.1"]);
    let capabilities = client.initialize("2025-11-25")["result"]["capabilities"].clone();
    assert_eq!(capabilities.get("completions"), None);
    let asked = completing("greet", "who", "A");
    let refused = client.request("completion/complete", asked.clone());
    assert_eq!(refused["error"]["code"], -32601, "{refused}");
    assert!(!folder.path("runner/asked").exists());
    folder.write("runner/completes", "");
    wait_until("the runner is heard", || {
        client.request("completion/complete", asked.clone()).get("result").is_some()
    });
    fs::remove_file(folder.path("runner/completes")).unwrap();
    wait_until("the runner is heard again", || {
        client.request("completion/complete", asked.clone())["error"]["code"] == -32601
    });
    // Our own runner completes nothing, and says nothing of it.
    let own = OwnRunner::start(&folder);
    let mut client = folder.stdio(&["--runner", &own.address]);
    let capabilities = client.initialize("2025-11-25")["result"]["capabilities"].clone();
    assert!(capabilities.get("completions").is_none() && capabilities.get("prompts").is_some());
}

#[test]
fn resources_and_prompts_can_be_kept_from_clients() {
    let folder = Folder::new("");
    Runner::lists(&folder, &[]);
    let runner = Runner::start(&folder, 0);
    let arguments = ["--runner-resources", "empty", "--runner-prompts", "off", "--runner"];
    let mut client = folder.stdio(&[&arguments[..], &[&runner.address()]].concat());
    let capabilities = client.initialize("2025-11-25")["result"]["capabilities"].clone();
    // The folder beside it may have some.
    let declared = ["resources", "prompts"].map(|one| capabilities.get(one).is_some());
    assert_eq!(declared, [true; 2], "{capabilities}");
    assert_eq!(of_runner(&client.request("resources/list", json!({}))), Vec::<Value>::new());
    assert_eq!(client.request("resources/read", json!({"uri": "mem:one"}))["error"]["code"], -32002);
    assert_eq!(client.request("prompts/list", json!({}))["result"]["prompts"], json!([]));
    assert_eq!(client.request("prompts/get", json!({"name": "greet"}))["error"]["code"], -32602);
}

#[test]
fn a_runners_list_stands_beside_folders_and_each_tool_runs_where_it_comes_from() {
    let folder = Folder::new("@tool\ndef add(a: int):\n    return 'here'\n");
    let mut add = tool("add");
    add["name"] = "t.add".into();
    Runner::lists(&folder, &[tool("hello"), add]);
    let runner = Runner::start(&folder, 0);
    let address = runner.address();
    let options = ["--runner", &address, "--tools", "both", "--runner-refresh", "0.1"];
    let mut client = folder.stdio(&options).initialised();
    assert_eq!(names(&client.request("tools/list", json!({}))), ["t_add", "up_hello"]);
    assert_eq!(text(&client.result("t.add", json!({"a": 1}))), "here");
    assert_eq!(text(&client.result("up.hello", json!({"n": 3}))), r#"up.hello {"n": 3}"#);

    let places = ["--runner", &address, "--tools", "both"];
    let (listed, doctor) =
        (folder.run(&[&["list"], &places[..]].concat()), folder.run(&[&["doctor"], &places[..]].concat()));
    let (listed, report) = (String::from_utf8_lossy(&listed.stdout), String::from_utf8_lossy(&doctor.stdout));
    assert!(
        listed.contains(" skills/t/scripts/t.py:4") && listed.contains(&format!(" {address}")),
        "{listed}"
    );
    assert!(report.contains("error[duplicate-name]") && report.contains("not listed: `t.add`"), "{report}");
    assert!(report.contains(&format!("`{address}`")), "{report}");
    let synced = folder.run(&[&["sync"], &places[..]].concat());
    assert!(synced.status.success(), "{}", String::from_utf8_lossy(&synced.stderr));

    // The runner changes its mind, and goes: what lies here stays, and so does its last list.
    Runner::lists(&folder, &[tool("bye")]);
    client.wait_for(|message| message["method"] == "notifications/tools/list_changed");
    assert_eq!(names(&client.request("tools/list", json!({}))), ["t_add", "up_bye"]);
    drop(runner);
    assert_eq!(kind(&client.result("up.bye", json!({}))), "worker_start");
    assert_eq!(text(&client.result("t.add", json!({"a": 1}))), "here");
    let mut other = folder.stdio(&options).initialised();
    assert_eq!(names(&other.request("tools/list", json!({}))), ["t_add", "up_bye"]);
    let without = folder.run(&["list", "--tools", "both"]);
    let said = String::from_utf8_lossy(&without.stderr);
    assert!(said.contains("`--tools both` needs a runner"), "{said}");
}

#[test]
fn tools_of_the_folder_run_at_the_runner_unless_they_name_an_executor() {
    let source = "@tool\ndef add(a: int):\n    return 'here'\n\n\n\
        @tool(executor='spawn')\ndef own(a: int):\n    return 'here'\n";
    let folder = Folder::new(source);
    Runner::lists(&folder, &[tool("hello")]);
    let runner = Runner::start(&folder, 0);
    let mut client = folder.stdio(&["--runner", &runner.address()]).initialised();
    assert_eq!(names(&client.request("tools/list", json!({}))), ["t_add", "t_own"]);
    assert_eq!(text(&client.result("t.add", json!({"a": 1}))), r#"t.add {"a": 1}"#);
    let doctor = folder.run(&["doctor", "--runner", &runner.address()]);
    let report = String::from_utf8_lossy(&doctor.stdout);
    assert!(report.contains("has no tool `t.add`") && !report.contains("t.own"), "{report}");
    let other = json!({"name": "t.add", "inputSchema": {"type": "object"}});
    Runner::lists(&folder, &[other]);
    let doctor = folder.run(&["doctor", "--runner", &runner.address()]);
    let report = String::from_utf8_lossy(&doctor.stdout);
    assert!(report.contains("warning[runner]") && report.contains("of `t.add` in another way"), "{report}");
    assert_eq!(text(&client.result("t.own", json!({"a": 1}))), "here");
    let other = folder.run(&["call", "--runner", &runner.address(), "--executor", "pool", "t.add", "a=1"]);
    assert_eq!(String::from_utf8_lossy(&other.stdout), "here\n", "another executor is named for the rest");
}

#[test]
fn over_http_a_session_and_a_subscription_hear_of_a_change() {
    let folder = Folder::new("");
    Runner::lists(&folder, &[tool("hello")]);
    let runner = Runner::start(&folder, 0);
    let options = options(&runner);
    let server = folder.http(&options.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(server.announced.contains(&format!("from {}", runner.address())), "{}", server.announced);
    let session = server.session("2025-06-18");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let listed = server.post(&[("Mcp-Session-Id", &session)], &list);
    assert_eq!(names(&listed.json()), ["up_hello"]);
    let get = server.head("GET", &[("Mcp-Session-Id", &session), ("Accept", "text/event-stream")], 0);
    let mut legacy = server.open(&get, "");
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut modern = server.open_modern("subscriptions/listen", filter);
    let acknowledged = modern.next().expect("an acknowledgement");
    assert_eq!(acknowledged["params"]["notifications"], json!({"toolsListChanged": true}));

    Runner::lists(&folder, &[tool("bye"), tool("hello")]);
    for stream in [&mut legacy, &mut modern] {
        assert_eq!(stream.next().expect("a change")["method"], "notifications/tools/list_changed");
    }
    assert_eq!(names(&server.post(&[("Mcp-Session-Id", &session)], &list).json()), ["up_bye", "up_hello"]);

    // A change while nobody listens is told to the next stream of the session.
    drop(legacy);
    Runner::lists(&folder, &[]);
    assert_eq!(modern.next().expect("a change")["method"], "notifications/tools/list_changed");
    let mut again = server.open(&get, "");
    assert_eq!(again.next().expect("a change")["method"], "notifications/tools/list_changed");
    let read = server.modern("resources/read", json!({"uri": "mem:one"}), &[]);
    assert_eq!(read.json()["result"]["contents"][0]["text"], "1");
    for mirrored in [("Mcp-Name", "mem:two"), ("Mcp-Name", "")] {
        let wrong = server.modern("resources/read", json!({"uri": "mem:one"}), &[mirrored]);
        assert_eq!((wrong.status, wrong.code()), (400, -32020), "{mirrored:?}");
    }
    let unknown = server.modern("resources/read", json!({"uri": "mem:two"}), &[]);
    assert_eq!((unknown.status, unknown.code()), (200, -32602));
}

#[test]
fn our_own_runner_lists_what_the_folder_lists_and_tells_of_a_new_skill() {
    let source = "@tool(read_only=True)\ndef add(a: int, b: int = 1) -> int:\n    \"\"\"Add.\"\"\"\n    return a + b\n";
    let folder = Folder::new(source);
    let runner = OwnRunner::start(&folder);
    let here = folder.stdio(&[]).initialised().request("tools/list", json!({}));
    let arguments = [&["--runner", &runner.address][..], &OPTIONS[..]].concat();
    let mut client = folder.stdio(&arguments).initialised();
    let there = client.request("tools/list", json!({}));
    assert_eq!(there["result"], here["result"], "the same descriptions, whoever read the source");
    assert_eq!(client.result("t.add", json!({"a": 41}))["structuredContent"], json!({"result": 42}));

    let resources = client.request("resources/list", json!({}));
    let uri = resources["result"]["resources"][0]["uri"].as_str().unwrap().to_owned();
    let read = client.request("resources/read", json!({"uri": uri}));
    assert!(read["result"]["contents"][0]["text"].as_str().unwrap().contains("name: t"), "{read}");
    assert_eq!(client.request("resources/read", json!({"uri": "omni://skill/x"}))["error"]["code"], -32002);

    folder.write("skills/new/SKILL.md", "---\nname: new\ndescription: New.\n---\n");
    folder.write(
        "skills/new/scripts/n.py",
        "from omni import tool\n\n\n@tool\ndef hello():\n    return \"hello\"\n",
    );
    client.wait_for(|message| message["method"] == "notifications/tools/list_changed");
    assert_eq!(names(&client.request("tools/list", json!({}))), ["new_hello", "t_add"]);
    assert_eq!(text(&client.result("new.hello", json!({}))), "hello");
    client.wait_for(|message| message["method"] == "notifications/resources/list_changed");
    let listed = client.request("resources/list", json!({}))["result"].to_string();
    assert!(listed.contains("omni://skill/new/SKILL.md"), "the new skill's files come with it: {listed}");
}

/// A runner lists the files of its skills as resources, which is all that is known of them here.
#[test]
fn a_model_reads_the_skills_of_a_runner_and_is_told_of_them_at_the_beginning() {
    const PAGE: &str = "---\nname: t\ndescription: Tools for tests.\n---\n";
    let source = "@tool(read_only=True)\ndef add(a: int, b: int = 1) -> int:\n    \"\"\"Add.\"\"\"\n    return a + b\n";
    let folder = Folder::new(source);
    let long = "ä".repeat(20_000);
    folder.write("skills/t/references/long page.md", &long);
    folder.write("skills/prose/SKILL.md", "---\nname: prose\ndescription: How we write.\n---\nShort.\n");
    let code = std::fs::read_to_string(folder.path("skills/t/scripts/t.py")).unwrap();
    let runner = OwnRunner::start(&folder);
    // With `--tools runner` there is no folder here; without it, the runner runs what this folder lists.
    for options in [&OPTIONS[..], &[]] {
        let open = || {
            let mut command = folder.omni(&["mcp", "--skill-read", "true", "--runner", &runner.address]);
            command.args(options);
            Stdio_::of(command)
        };
        // The first one knows the runner's lists once it has given them, the second one from its beginning.
        let mut first = open().initialised();
        assert!(
            first.request("resources/list", json!({})).to_string().contains("omni://skill/prose/SKILL.md")
        );
        first.close();
        let mut client = open();
        let opened = client.initialize("2025-11-25");
        let told = opened["result"]["instructions"].as_str().unwrap_or_else(|| panic!("{opened}"));
        let named = "Skills, read with `skill_read` before you do what they are for: prose, t\n\
                     - prose: How we write.\n- t: Tools for tests.";
        assert_eq!(told, named, "{options:?}");
        assert_eq!(names(&client.request("tools/list", json!({}))), ["skill_read", "t_add"]);
        let mut read = |arguments: Value| {
            let result = client.result("skill_read", arguments);
            let blocks = result["content"].as_array().unwrap().iter();
            blocks.map(|block| block["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(read(json!({}))[0].ends_with("\n- prose: How we write.\n- t: Tools for tests."));
        assert_eq!(
            read(json!({"skill": "t"})),
            [
                PAGE,
                "Its other files, read with `path`: `references/long page.md`, `scripts/t.py`.\nIts tools: `t_add`."
            ]
        );
        assert_eq!(read(json!({"skill": "t", "path": "scripts/t.py"})), [code.as_str()]);
        let part = read(json!({"skill": "t", "path": "references/long page.md"}));
        assert_eq!(
            part[1], "These are bytes 0 to 32768 of 40000: read on with `offset` 32768.",
            "{options:?}"
        );
        let rest = read(json!({"skill": "t", "path": "references/long page.md", "offset": 32768}));
        assert!(rest.len() == 1 && format!("{}{}", part[0], rest[0]) == long, "{options:?}");
        assert_eq!(read(json!({"skill": "pros"})), ["there is no skill `pros`; did you mean `prose`?"]);
        assert_eq!(client.result("t.add", json!({"a": 41}))["structuredContent"], json!({"result": 42}));
    }
}
