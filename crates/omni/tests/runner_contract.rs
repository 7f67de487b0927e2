//! The runner contract as a caller sees it that nobody wrote for us: raw HTTP to `omni runner`, and where the contract says
//! the same of both, to `python -m omni.runner`.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Folder, PATIENCE, signal, wait_file, wait_gone, wait_until};

const TOOLS: &str = r#"
import os, time

@tool(read_only=True, timeout=9)
def echo(text: str) -> str:
    """Say it again."""
    return text

@tool
def waits(path: str, ctx: Context) -> str:
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)
    while not os.path.exists(path + ".go"):
        ctx.heartbeat()
        time.sleep(0.02)
    return "gone on"

@tool
def floods(path: str) -> str:
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    while True:
        print("x" * 1000)

@tool(executor="runner")
def elsewhere() -> str:
    return "here"
"#;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Omni,
    Python,
}

/// A runner and where it is.
struct Runner {
    child: Child,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Unix(PathBuf),
    Tcp(u16),
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Runner {
    fn start(folder: &Folder, kind: Kind, words: &[&str]) -> Self {
        let mut command = match kind {
            Kind::Omni => folder.omni(&["runner"]),
            Kind::Python => {
                let mut command = Command::new("python3");
                command
                    .args(["-m", "omni.runner"])
                    .env("PYTHONPATH", package())
                    .current_dir(folder.dir.path());
                command
            }
        };
        let socket = folder.path("r.sock");
        let at = if words.contains(&"--port") { vec![] } else { vec!["--unix", socket.to_str().unwrap()] };
        let mut child =
            command.args(at).args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let place = match line.trim().rsplit_once(" at ").expect("it says where it listens").1 {
            address if address.starts_with("unix:") => Place::Unix(address["unix:".len()..].into()),
            address => Place::Tcp(address.rsplit_once(':').unwrap().1.parse().unwrap()),
        };
        Runner { child, place }
    }

    fn connect(&self) -> Box<dyn Stream> {
        match &self.place {
            Place::Unix(path) => Box::new(self.unix(path)),
            Place::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port)).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    fn unix(&self, path: &Path) -> UnixStream {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends these bytes and reads until the runner closes.
    fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // It may refuse before it has read all.
        let _ = stream.write_all(bytes);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        Answer::read(&all)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.raw(request(method, path, headers, body, "Connection: close\r\n").as_bytes())
    }

    fn run(&self, body: &Value) -> Vec<Value> {
        let answer = self.ask("POST", "/run_tool", &[], &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.lines()
    }

    /// Begins a call; dropping the stream takes it back.
    fn begin(&self, body: &Value) -> Box<dyn Stream> {
        let mut stream = self.connect();
        let text = request("POST", "/run_tool", &[], &body.to_string(), "");
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    fn health(&self) -> Value {
        self.ask("GET", "/health", &[], "").json()
    }

    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "the runner does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str, last: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n{last}", body.len());
    for (name, value) in [("Host", "localhost"), ("Content-Type", "application/json")] {
        if headers.iter().all(|(own, _)| *own != name) {
            text += &format!("{name}: {value}\r\n");
        }
    }
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    text + "\r\n" + body
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn read(all: &[u8]) -> Self {
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(all.len());
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let mut body = all.get(end + 4..).unwrap_or_default().to_vec();
        if head.to_lowercase().contains("transfer-encoding: chunked") {
            body = chunks(&body);
        }
        Answer { status, head, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The status and the code of a refusal, which has a sentence too.
    fn refusal(&self) -> (u16, String) {
        let error = self.json()["error"].take();
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 5), "{self:?}");
        (self.status, error["code"].as_str().unwrap().to_owned())
    }
}

fn chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap_or(0);
        let Some(piece) = rest.get(end + 2..end + 2 + size) else { break };
        body.extend_from_slice(piece);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    body
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src").canonicalize().unwrap()
}

fn each(test: impl Fn(Kind, &Folder, &Runner)) {
    for kind in [Kind::Omni, Kind::Python] {
        for words in [&[][..], &["--port", "0"]] {
            let folder = Folder::new(TOOLS);
            let runner = Runner::start(&folder, kind, words);
            test(kind, &folder, &runner);
        }
    }
}

#[test]
fn both_list_run_and_refuse_as_the_contract_says() {
    each(|kind, _, runner| {
        let health = runner.health();
        assert_eq!((&health["contract"], &health["pid"]), (&json!(2), &json!(runner.child.id())), "{health}");
        assert_ne!(health["completions"], true, "neither completes anything: {health}");
        let listed = runner.ask("GET", "/tools", &[], "");
        let tools = listed.json()["tools"].take();
        let echo = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "t.echo").expect("echo");
        assert_eq!(echo["inputSchema"]["required"], json!(["text"]));
        assert_eq!(
            (&echo["omni"]["timeout_ms"], &echo["omni"]["policy"]["repeatable"]),
            (&json!(9000), &json!(true))
        );
        let etag = listed.header("etag").unwrap();
        for known in [etag.to_owned(), format!("\"other\", W/{etag}")] {
            let same = runner.ask("GET", "/tools", &[("If-None-Match", &known)], "");
            assert_eq!((same.status, same.body.len()), (304, 0), "{kind:?} {same:?}");
        }
        let said = runner.run(&json!({"name": "t.echo", "arguments": {"text": "ü\n"}, "id": 7}));
        let last = json!({"result": {"id": 7, "content": [{"type": "text", "text": "ü\n"}], "structured": {"result": "ü\n"}}});
        assert_eq!(said.last(), Some(&last), "{kind:?}");
        assert!(
            said[..said.len() - 1]
                .iter()
                .all(|line| line.get("started").is_some() || line.get("beat").is_some())
        );
        assert_eq!(runner.ask("GET", "/prompts", &[], "").json(), json!({"prompts": []}));
        assert!(runner.ask("GET", "/resources", &[], "").json()["resourceTemplates"].is_array());
        for (method, path, body, expected) in [
            ("GET", "/nowhere", "", (404, "not_found")),
            ("GET", "/run_tool", "", (405, "method_not_allowed")),
            ("POST", "/run_tool", "{", (400, "bad_request")),
            ("POST", "/run_tool", "{\"name\":\"t.nothing\"}", (404, "unknown_tool")),
            ("POST", "/run_tool", "{\"name\":\"t.echo\",\"id\":-1}", (400, "bad_request")),
            ("POST", "/resources/read", "{}", (400, "bad_request")),
            ("POST", "/resources/read", "{\"uri\":\"omni://skill/t/../../x\"}", (404, "not_found")),
            ("POST", "/prompts/get", "{\"name\":3}", (400, "bad_request")),
            ("POST", "/prompts/get", "{\"name\":\"x\"}", (404, "not_found")),
            ("POST", "/complete", "{}", (400, "bad_request")),
            (
                "POST",
                "/complete",
                "{\"ref\":{\"type\":\"ref/tool\",\"name\":\"x\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}}",
                (400, "bad_request"),
            ),
            (
                "POST",
                "/complete",
                "{\"ref\":{\"type\":\"ref/prompt\",\"name\":\"x\"},\"argument\":{\"name\":\"a\"}}",
                (400, "bad_request"),
            ),
            (
                "POST",
                "/complete",
                "{\"ref\":{\"type\":\"ref/prompt\",\"name\":\"x\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}}",
                (404, "not_found"),
            ),
        ] {
            let (status, code) = runner.ask(method, path, &[], body).refusal();
            assert_eq!((status, code.as_str()), expected, "{kind:?} {method} {path} {body}");
        }
    });
}

#[test]
fn what_is_no_request_is_refused_by_both_and_costs_its_connection() {
    each(|kind, _, runner| {
        let long =
            [b"GET /tools HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 100_000], b"\r\n\r\n".to_vec()].concat();
        for (bytes, status) in [
            (&b"hello\r\n\r\n"[..], 400),
            (b"POST /run_tool HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n", 413),
            (b"POST /run_tool HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
            (b"POST /run_tool HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n", 400),
            (&long, 431),
        ] {
            let answer = runner.raw(bytes);
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
            assert_eq!(answer.status, status, "{kind:?} {start}: {answer:?}");
        }
        assert_eq!(runner.ask("GET", "/health", &[], "").status, 200);
    });
}

#[test]
fn no_web_page_can_use_either_over_tcp() {
    for kind in [Kind::Omni, Kind::Python] {
        let folder = Folder::new(TOOLS);
        let runner = Runner::start(&folder, kind, &["--port", "0"]);
        let body = "{\"name\":\"t.echo\",\"arguments\":{\"text\":\"a\"}}";
        for headers in [
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
            ("Host", "evil.example"),
            ("Host", "localhost@evil.example"),
            ("Host", "127.0.0.1.nip.io"),
            ("Host", ""),
            ("Content-Type", "text/plain"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ] {
            let answer = runner.ask("POST", "/run_tool", &[headers], body);
            let (status, code) = answer.refusal();
            assert_eq!((status, code.as_str()), (403, "forbidden"), "{kind:?} {headers:?}");
        }
        assert_eq!(runner.ask("POST", "/run_tool", &[], body).status, 200);
    }
}

#[test]
fn one_connection_serves_many_calls_and_many_connections_serve_each_its_own() {
    each(|_, _, runner| {
        let mut stream = BufReader::new(runner.connect());
        for n in 0..3 {
            let body = json!({"name": "t.echo", "arguments": {"text": format!("{n}")}}).to_string();
            stream.get_mut().write_all(request("POST", "/run_tool", &[], &body, "").as_bytes()).unwrap();
            let mut line = String::new();
            while line != "0\r\n" {
                if line.contains("\"result\"") {
                    assert!(line.contains(&format!("\"text\":\"{n}\"")), "{line}");
                }
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream.read_line(&mut line).unwrap();
        }
        std::thread::scope(|threads| {
            for n in 0..20 {
                threads.spawn(move || {
                    let said = runner.run(&json!({"name": "t.echo", "arguments": {"text": format!("{n}")}}));
                    assert_eq!(said.last().unwrap()["result"]["structured"]["result"], n.to_string());
                });
            }
        });
    });
}

#[test]
fn a_caller_that_hangs_up_or_says_no_more_takes_its_call_back() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni, &[]);
    let Place::Unix(path) = runner.place.clone() else { panic!() };
    for half in [false, true] {
        let file = folder.path(&format!("waits-{half}"));
        let body = json!({"name": "t.waits", "arguments": {"path": file}});
        let mut stream = runner.unix(&path);
        stream.write_all(request("POST", "/run_tool", &[], &body.to_string(), "").as_bytes()).unwrap();
        let pid: u32 = wait_file(&file).parse().unwrap();
        assert_eq!(runner.health()["calls"], 1);
        if half {
            stream.shutdown(Shutdown::Write).unwrap();
        } else {
            drop(stream);
        }
        wait_until("the call is gone", || runner.health()["calls"] == 0);
        // Its worker obeyed and may live on; the call does not.
        let said = runner.run(&json!({"name": "t.echo", "arguments": {"text": "up"}}));
        assert_eq!(said.last().unwrap()["result"]["structured"]["result"], "up", "{pid}");
    }
}

#[test]
fn the_head_of_an_answer_comes_before_the_call_is_anybodys() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni, &["--workers", "1"]);
    let file = folder.path("first");
    let _first = runner.begin(&json!({"name": "t.waits", "arguments": {"path": file}}));
    wait_file(&file);
    // There is no worker for the second; its head comes all the same.
    let mut second = BufReader::new(runner.begin(&json!({"name": "t.echo", "arguments": {"text": "a"}})));
    let mut line = String::new();
    second.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
}

#[test]
fn time_limits_are_the_callers_and_the_last_line_says_where_the_tool_was() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni, &[]);
    let arguments = json!({"path": folder.path("total")});
    let said = runner.run(&json!({"name": "t.waits", "arguments": arguments, "id": 3, "deadline_ms": 700}));
    let error = &said.last().unwrap()["error"];
    assert_eq!(
        (&error["kind"], &error["limit_ms"], &error["id"]),
        (&json!("timeout_total"), &json!(700), &json!(3))
    );
    assert!(error["stack"].as_str().unwrap().contains("in waits"), "{error}");
    assert!(said.iter().any(|line| line.get("beat").is_some()), "{said:?}");
    assert!(said.iter().any(|line| line.get("started").is_some()), "{said:?}");
    let wrong = runner.run(&json!({"name": "t.echo", "arguments": {"texd": 1}}));
    let error = &wrong.last().unwrap()["error"];
    assert_eq!(error["kind"], "invalid_arguments", "checked as at `omni mcp`");
    assert!(error["message"].as_str().unwrap().contains("- /texd: unknown argument"), "{error}");
    assert!(wrong.iter().all(|line| line.get("started").is_none()), "{wrong:?}");
}

#[test]
fn a_tool_that_asks_for_a_runner_runs_here_and_a_runner_of_its_own_is_not_asked() {
    let mut folder = Folder::new(TOOLS);
    // The same file may tell a server here where this very runner is.
    folder.write("omni.toml", &format!("runner = \"unix:{}\"\n", folder.path("r.sock").display()));
    folder.env.push(("OMNI_RUNNER", format!("unix:{}", folder.path("r.sock").display())));
    let runner = Runner::start(&folder, Kind::Omni, &[]);
    for tool in ["t.elsewhere", "t.echo"] {
        let arguments = if tool == "t.echo" { json!({"text": "here"}) } else { json!({}) };
        let said = runner.run(&json!({"name": tool, "arguments": arguments}));
        assert_eq!(said.last().unwrap()["result"]["content"][0]["text"], "here", "{tool}");
    }
    let output = folder.run(&["runner", "--unix", "x.sock", "--executor", "runner"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`--executor runner`: this is the runner"), "{said}");
}

#[test]
fn told_to_end_it_lets_calls_finish_takes_no_new_ones_and_removes_its_socket() {
    let folder = Folder::new(TOOLS);
    let mut runner = Runner::start(&folder, Kind::Omni, &["--grace", "60"]);
    let socket = folder.path("r.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let file = folder.path("waits");
    let mut stream = runner.begin(&json!({"name": "t.waits", "arguments": {"path": file}}));
    wait_file(&file);
    runner.signal("-TERM");
    wait_until("it drains", || runner.health()["status"] == "draining");
    let refused =
        runner.ask("POST", "/run_tool", &[], "{\"name\":\"t.echo\",\"arguments\":{\"text\":\"a\"}}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.refusal(), (503, "draining".to_owned()));
    folder.write("waits.go", "");
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert!(String::from_utf8_lossy(&all).contains("gone on"));
    assert_eq!(runner.wait(), 0);
    assert!(!socket.exists());
}

#[test]
fn after_its_grace_it_says_shutdown_and_ends_what_still_runs() {
    let folder = Folder::new(TOOLS);
    let mut runner = Runner::start(&folder, Kind::Omni, &["--grace", "0.1"]);
    let file = folder.path("waits");
    let mut stream = runner.begin(&json!({"name": "t.waits", "arguments": {"path": file}, "id": 4}));
    let pid: u32 = wait_file(&file).parse().unwrap();
    runner.signal("-TERM");
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let last = Answer::read(&all).lines().pop().unwrap();
    assert_eq!(last, json!({"error": {"id": 4, "kind": "shutdown"}}));
    assert_eq!(runner.wait(), 0);
    wait_gone(pid);
}

#[test]
fn killed_it_takes_its_tools_along_and_the_next_one_takes_its_place() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni, &[]);
    let second = folder.run(&["runner", "--unix", folder.path("r.sock").to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.contains("omni runner ") && said.contains("(process ") && said.contains(") listens on"),
        "{said}"
    );
    let file = folder.path("waits");
    let _stream = runner.begin(&json!({"name": "t.waits", "arguments": {"path": file}}));
    let pid: u32 = wait_file(&file).parse().unwrap();
    drop(runner);
    wait_gone(pid);
    assert!(folder.path("r.sock").exists(), "left behind");
    let next = Runner::start(&folder, Kind::Omni, &[]);
    wait_until("it is ready", || next.health()["ready"] == true);
}

#[test]
fn a_caller_that_reads_nothing_holds_up_nobody_and_loses_no_more_than_its_own() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni, &[]);
    let file = folder.path("floods");
    let body = json!({"name": "t.floods", "arguments": {"path": file}, "context": {"log": "debug"}});
    let deaf = runner.begin(&body);
    wait_file(&file);
    for _ in 0..20 {
        let said = runner.run(&json!({"name": "t.echo", "arguments": {"text": "a"}}));
        assert!(said.last().unwrap().get("result").is_some());
    }
    let status = fs::read_to_string(format!("/proc/{}/status", runner.child.id())).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = memory.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kib < 200 << 10, "{kib} KiB are held");
    assert_eq!(runner.health()["calls"], 1);
    drop(deaf);
    wait_until("its call is gone", || runner.health()["calls"] == 0);
}

#[test]
fn a_body_that_never_comes_holds_no_place() {
    let folder = Folder::new(TOOLS);
    let runner = Runner::start(&folder, Kind::Omni, &[]);
    let promises: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = runner.connect();
            let head = "POST /run_tool HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777216\r\n\r\n{";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let said = runner.run(&json!({"name": "t.echo", "arguments": {"text": "a"}}));
    assert!(said.last().unwrap().get("result").is_some());
    drop(promises);
}
