//! The lever of the whole-binary tests: a folder of skills, the built binary over it, and clients that are
//! three lines to use. Every server that a test started is checked for leftovers when it ends.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test file uses its own part"
)]

pub mod processes;
pub mod ways;

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test calls it hung. Wide: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of skills in a temporary place, with cache and state folders beside it.
pub struct Folder {
    pub dir: TempDir,
    /// Further environment of the programs that are started here.
    pub env: Vec<(&'static str, String)>,
}

impl Folder {
    pub fn empty() -> Self {
        Folder { dir: TempDir::new().unwrap(), env: Vec::new() }
    }

    /// One skill named `t`, whose tools are the given Python source.
    pub fn new(source: &str) -> Self {
        let folder = Folder::empty();
        folder.write("skills/t/SKILL.md", "---\nname: t\ndescription: Tools for tests.\n---\n");
        folder.write(
            "skills/t/scripts/t.py",
            &format!("from omni import *\nfrom omni import tool, Context, ToolError\n{source}"),
        );
        folder
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// `omni` with this folder's places, named by the user; nothing of the user's own settings reaches it.
    pub fn omni(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_omni"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("HOME", self.path("home"))
            .env("OMNI_CACHE_DIR", shared_cache())
            // Tools tell tests their process numbers, which mean nothing outside of a namespace.
            .env("OMNI_ISOLATION", "none")
            // Lists are those of the folder alone: `skill_read.rs` tries the tool that is listed besides.
            .env("OMNI_SKILL_READ", "false")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .envs(self.named())
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What is there to be named. Found by itself it would wait for trust: see `trust.rs`.
    fn named(&self) -> Vec<(&'static str, PathBuf)> {
        let places = [("OMNI_CONFIG", self.path("omni.toml")), ("OMNI_SKILLS", self.path("skills"))];
        places.into_iter().filter(|(_, path)| path.exists()).collect()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.omni(arguments).stdin(Stdio::null()).output().unwrap()
    }

    pub fn stdio(&self, arguments: &[&str]) -> Stdio_ {
        Stdio_::start(self, arguments)
    }

    /// The way back in the same places, from the package that the binary carries, on the SDK that comes with the tools
    /// of `cargo xtask`. `None`, and a line that says so, where there is none.
    pub fn python_alone(&self, arguments: &[&str]) -> Option<Stdio_> {
        let python = python_with_sdk()?;
        let printed = self.run(&["python-path"]);
        let package = String::from_utf8(printed.stdout).unwrap();
        let mut command = Command::new(python);
        command
            .args(["-m", "omni.mcp"])
            .args(arguments)
            .current_dir(self.dir.path())
            .env("HOME", self.path("home"))
            .env("PYTHONPATH", package.trim_end())
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        Some(Stdio_::of(command))
    }

    pub fn http(&self, arguments: &[&str]) -> Http {
        Http::start(self, arguments)
    }
}

/// A Python that has the package `mcp`.
pub fn python_with_sdk() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("venv");
    let python = tools.join("bin/python");
    let can = |program: &str| {
        let asked = Command::new(&python).args(["-c", program]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let found = can("import mcp");
    let old = can("import sys; sys.exit(sys.version_info >= (3, 10))");
    assert!(found || old || !tools.join("omni-tools.txt").exists(), "the tools of `cargo xtask` lack `mcp`");
    if !found {
        println!(
            "skipped: no Python 3.10 with the package `mcp` in target/venv, so what needs it is not tested"
        );
    }
    found.then_some(python)
}

/// The Python package is laid out once for all tests of one run; skills have caches by their own paths.
fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// A client on standard input and output.
pub struct Stdio_ {
    pub child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// Messages that came while another was waited for.
    kept: VecDeque<Value>,
    workers: Vec<u32>,
}

impl Stdio_ {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = folder.omni(&["mcp"]);
        command.args(arguments);
        Stdio_::of(command)
    }

    /// A client of the server that `command` starts.
    pub fn of(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let input = child.stdin.take();
        let lines = read_lines(child.stdout.take().unwrap());
        Stdio_ { child, input, lines, kept: VecDeque::new(), workers: Vec::new() }
    }

    /// A client that has shaken hands in the newest legacy revision.
    pub fn initialised(mut self) -> Self {
        self.initialize("2025-11-25");
        self
    }

    pub fn initialize(&mut self, revision: &str) -> Value {
        let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let reply = self.request("initialize", params);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        reply
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    /// Sends it if the server still listens; when it does not, no answer will come.
    pub fn try_send(&mut self, message: &Value) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(format!("{message}\n").as_bytes()).and_then(|()| input.flush());
        }
    }

    pub fn send(&mut self, message: &Value) {
        self.raw(format!("{message}\n").as_bytes());
    }

    /// Starts a tool call; its answer is waited for with [`answer`](Self::answer).
    pub fn call(&mut self, id: impl Into<Value>, tool: &str, arguments: Value) {
        let id = id.into();
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments}}));
    }

    /// A whole request: sends it and waits for its answer.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = format!("r{:?}", Instant::now());
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.answer(id)
    }

    /// Calls a tool and gives its result.
    pub fn result(&mut self, tool: &str, arguments: Value) -> Value {
        let reply = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        assert!(reply.get("result").is_some(), "{tool}: {reply}");
        reply["result"].clone()
    }

    /// The answer to the request of that id. Others that come first are kept.
    pub fn answer(&mut self, id: impl Into<Value>) -> Value {
        let id = id.into();
        self.wait_for(|message| message.get("id") == Some(&id) && message.get("method").is_none())
    }

    /// The answer to the request of that id, or why there is none.
    pub fn answer_within(&mut self, id: impl Into<Value>, patience: Duration) -> Result<Value, String> {
        let id = id.into();
        let wanted = |message: &Value| message.get("id") == Some(&id) && message.get("method").is_none();
        if let Some(at) = self.kept.iter().position(wanted) {
            return Ok(self.kept.remove(at).unwrap());
        }
        let deadline = Instant::now() + patience;
        loop {
            let message = self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .map_err(|error| format!("no answer to {id}: {error}"))?;
            if wanted(&message) {
                return Ok(message);
            }
            self.kept.push_back(message);
        }
    }

    /// Whether an answer to that id has come and was not asked for.
    pub fn has_kept(&self, id: impl Into<Value>) -> bool {
        let id = id.into();
        self.kept.iter().any(|message| message.get("id") == Some(&id))
    }

    pub fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let message = self.next();
            if wanted(&message) {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    /// The next message, whatever it is.
    pub fn next(&mut self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("a message from the server")
    }

    /// The next message that nobody has waited for, or why there is none.
    pub fn next_within(&mut self, patience: Duration) -> Result<Value, String> {
        match self.kept.pop_front() {
            Some(kept) => Ok(kept),
            None => self.lines.recv_timeout(patience).map_err(|error| error.to_string()),
        }
    }

    /// Closes the input and gives everything that still comes, kept messages first.
    pub fn close(&mut self) -> Vec<Value> {
        self.workers = descendants(self.child.id());
        self.input = None;
        let mut rest: Vec<Value> = self.kept.drain(..).collect();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(message) => rest.push(message),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("the server did not end after its input did"),
            }
        }
    }
}

impl Drop for Stdio_ {
    fn drop(&mut self) {
        if self.input.is_some() {
            self.workers = descendants(self.child.id());
        }
        self.input = None;
        end(&mut self.child, &self.workers);
    }
}

/// A message of a page's worth of values from the server's stdout. A line that is not JSON fails the test:
/// nothing but MCP may be there.
fn read_lines(output: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let line = line.expect("stdout is text");
            let message = serde_json::from_str(&line).unwrap_or_else(|_| json!({"not MCP on stdout": line}));
            assert!(message.get("not MCP on stdout").is_none(), "{message}");
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits for the server and checks that nothing it started is left.
fn end(child: &mut Child, workers: &[u32]) {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the server did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for pid in workers {
        wait_gone(*pid);
    }
}

/// All processes below `pid`, whichever of its threads started them.
pub fn descendants(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children: Vec<u32> = threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect();
    children.iter().flat_map(|child| std::iter::once(*child).chain(descendants(*child))).collect()
}

/// Waits until a process is gone. A zombie that its server has not reaped counts as there; one whose server has ended
/// does not: it is dead, and how often the first process of the machine reaps, every two seconds in some, is not ours.
pub fn wait_gone(pid: u32) {
    let deadline = Instant::now() + PATIENCE;
    while is_there(pid) {
        assert!(Instant::now() < deadline, "process {pid} is still there: {}", describe(pid));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether there is a process, or a zombie that somebody but the first process of the machine has to reap.
pub fn is_there(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // Behind the name, which may hold anything.
    !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z 1 "))
}

fn describe(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ")
}

/// Waits until that holds; `what` says it for people.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a process a signal, such as `-TERM`.
pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// Waits for a file that a tool writes and gives its text.
pub fn wait_file(path: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = fs::read_to_string(path)
            && !text.is_empty()
        {
            return text;
        }
        assert!(Instant::now() < deadline, "{} was not written", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A list of tools as a server in Python alone has it: without the links to their skills' pages, which are resources of
/// ours alone.
pub fn without_page_links(mut tools: Value) -> Value {
    for tool in tools.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let Some(meta) = tool.get_mut("_meta").and_then(Value::as_object_mut) else { continue };
        assert!(meta.shift_remove("omni/skill").is_none_or(|link| link.is_string()), "a link is a URI");
        if meta.is_empty() {
            tool.shift_remove("_meta");
        }
    }
    tools
}

/// The text of a result's first block.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {result}"))
}

/// The `kind` of a failed result.
pub fn kind(result: &Value) -> &str {
    result["_meta"]["omni/failure"]["kind"].as_str().unwrap_or_else(|| panic!("no failure in {result}"))
}

/// `_meta` of a modern request, with further members.
pub fn modern(more: &Value) -> Value {
    let mut meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        meta[key] = value.clone();
    }
    meta
}

/// A server on HTTP.
pub struct Http {
    pub child: Child,
    pub port: u16,
    /// Where it says that it listens.
    pub address: SocketAddr,
    /// Everything the server said on stderr until it was ready.
    pub announced: String,
}

/// A reply with its body read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Http {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = folder.omni(&["mcp", "--transport", "http", "--port", "0"]);
        command.args(arguments);
        Http::of(command)
    }

    /// The server that `command` starts.
    pub fn of(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut announced = String::new();
        let mut address: Option<SocketAddr> = None;
        // What it says ends with an empty line after parts of settings files, the last of which is JSON.
        while address.is_none() || !announced.ends_with("\n\n") || !announced.contains("\"mcpServers\"") {
            let mut line = String::new();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the server ended: {announced}");
            announced.push_str(&line);
            if let Some((_, rest)) = line.split_once(" at http://") {
                address = Some(rest.split('/').next().unwrap().parse().unwrap());
            }
        }
        let address = address.unwrap();
        // The rest is passed on, so that a full pipe cannot stop the server.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
        Http { child, port: address.port(), address, announced }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request as it is and reads the reply to its end. The connection closes after it.
    pub fn raw(&self, head: &str, body: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        read_reply(stream)
    }

    pub fn head(&self, method: &str, headers: &[(&str, &str)], length: usize) -> String {
        let mut head = format!("{method} /mcp HTTP/1.1\r\nConnection: close\r\n");
        let has = |name: &str| headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
        if !has("host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        if !has("content-type") {
            head.push_str("Content-Type: application/json\r\n");
        }
        if !has("accept") {
            head.push_str("Accept: application/json, text/event-stream\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + &format!("Content-Length: {length}\r\n\r\n")
    }

    pub fn post(&self, headers: &[(&str, &str)], body: &str) -> Reply {
        self.raw(&self.head("POST", headers, body.len()), body)
    }

    /// Sends a request and reads the head of its reply; the rest is read event by event.
    pub fn open(&self, head: &str, body: &str) -> Events {
        let mut stream = self.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut input = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(input.read_line(&mut head).unwrap(), 0, "no reply but {head:?}");
        }
        let (status, headers) = read_head(&head);
        Events { status, headers, input }
    }

    /// A modern request whose reply is a stream.
    pub fn open_modern(&self, method: &str, mut params: Value) -> Events {
        params["_meta"] = modern(&Value::Null);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)];
        self.open(&self.head("POST", &headers, body.len()), &body)
    }

    /// Tells the server to stop.
    pub fn stop(&self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
    }

    /// A modern request with the headers that mirror it.
    pub fn modern(&self, method: &str, mut params: Value, more: &[(&str, &str)]) -> Reply {
        let extra = params.get("_meta").cloned().unwrap_or_default();
        params["_meta"] = modern(&extra);
        let name = ["name", "uri", "taskId"].into_iter().find_map(|member| params[member].as_str());
        let name = name.unwrap_or_default().to_owned();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut headers = vec![("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)];
        if !name.is_empty() {
            headers.push(("Mcp-Name", &name));
        }
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.post(&headers, &body)
    }

    /// Opens a legacy session and gives its id.
    pub fn session(&self, revision: &str) -> String {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
        let reply = self.post(&[], &body.to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["result"]["protocolVersion"], revision);
        reply.header("mcp-session-id").expect("a session id").to_owned()
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let workers = descendants(self.child.id());
        self.stop();
        end(&mut self.child, &workers);
    }
}

fn read_reply(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    // A reset after the reply was read is as good as an end.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("a reply is text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply but {text:?}"));
    let (status, headers) = read_head(head);
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Reply { status, headers, body }
}

fn read_head(head: &str) -> (u16, Vec<(String, String)>) {
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    (status, headers.collect())
}

/// A reply that is still being written.
pub struct Events {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    input: BufReader<TcpStream>,
}

impl Events {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The next message; `None` when the stream ends.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.input.read_line(&mut line).expect("the stream goes on or ends") == 0 {
                return None;
            }
            // A stream that can be resumed begins with an event that carries nothing.
            if let Some(json) = line.strip_prefix("data: ").filter(|json| !json.trim().is_empty()) {
                return Some(serde_json::from_str(json).unwrap());
            }
        }
    }
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        out.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").expect("a chunk ends");
    }
    out
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    /// The messages of an event stream.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), Some("text/event-stream"), "{self:?}");
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let data = data.filter(|json| !json.is_empty());
        data.map(|json| serde_json::from_str(json).unwrap()).collect()
    }
}
