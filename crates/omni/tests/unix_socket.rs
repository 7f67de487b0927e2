//! `omni mcp --unix`: who may call there, what is served there, and what becomes of the socket's file.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Folder, signal, text};

const TOOLS: &str = r#"
@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b
"#;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server at a Unix socket, ended when this is dropped.
struct Server {
    child: Child,
    path: PathBuf,
    /// What it said at the start.
    said: String,
}

impl Server {
    fn start(folder: &Folder, arguments: &[&str], path: PathBuf) -> Server {
        Server::of(folder.omni(&["mcp"]).args(arguments), path)
    }

    fn of(command: &mut Command, path: PathBuf) -> Server {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("errors = ") {
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "the server ended: {said}");
        }
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
        Server { child, path, said }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request whose connection closes after it; gives the head of the reply and its body.
    fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> (String, String) {
        let mut stream = self.connect();
        stream.write_all(request(line, headers, body).as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}: {reply:?}"));
        (head.to_owned(), body.to_owned())
    }

    fn stop(mut self) -> bool {
        signal(self.child.id(), "-TERM");
        self.child.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(line: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    let usual = [
        ("Host", "localhost"),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    let given = |name: &str| headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
    for (name, value) in headers.iter().chain(usual.iter().filter(|(name, _)| !given(name))) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}Content-Length: {}\r\n\r\n{body}", body.len())
}

const MODERN: [(&str, &str); 3] =
    [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "t.add")];

fn modern_call() -> String {
    let params = json!({"name": "t.add", "arguments": {"a": 1}, "_meta": support::modern(&json!({}))});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

fn at(folder: &Folder) -> PathBuf {
    folder.path("omni.sock")
}

fn refused(folder: &Folder, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = folder.run(&[&["mcp"], arguments].concat());
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{arguments:?}: {said}");
    said
}

#[test]
fn both_eras_are_served_at_a_socket_for_this_user_alone_which_goes_with_the_server() {
    let folder = Folder::new(TOOLS);
    let path = at(&folder);
    let server = Server::start(&folder, &["--unix", "omni.sock"], path.clone());
    let place = format!(" at unix:{}\n", path.display());
    assert!(server.said.contains(&place) && server.said.contains("curl --unix-socket"), "{}", server.said);
    assert!(server.said.contains("errors = message"), "nobody else can call: {}", server.said);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // rmcp sends the absolute form over a Unix socket.
    for target in ["/mcp", "/mcp/", "http://localhost/mcp"] {
        let (head, body) = server.ask(&format!("POST {target}"), &MODERN, &modern_call());
        assert!(head.starts_with("HTTP/1.1 200"), "{target}: {head}\n{body}");
        assert_eq!(text(&serde_json::from_str::<Value>(&body).unwrap()["result"]), "2");
    }

    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"}});
    let opening = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).to_string();
    let (head, _) = server.ask("POST /mcp", &[], &opening);
    let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session");
    let session = [("Mcp-Session-Id", session)];
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "t.add", "arguments": {"a": 4}}});
    let (_, body) = server.ask("POST /mcp", &session, &call.to_string());
    assert_eq!(text(&serde_json::from_str::<Value>(&body).unwrap()["result"]), "5");
    assert!(server.ask("DELETE /mcp", &session, "").0.starts_with("HTTP/1.1 200"));

    assert!(server.stop());
    assert!(!path.exists(), "it went with its server");
}

#[test]
fn host_and_origin_are_checked_as_over_tcp_since_a_proxy_may_pass_on_what_browsers_send() {
    let folder = Folder::new(TOOLS);
    let server =
        Server::start(&folder, &["--unix", "omni.sock", "--allow-host", "mcp.example.com"], at(&folder));
    for (line, header, status) in [
        ("POST /mcp", ("Host", "mcp.example.com"), 200),
        ("POST /mcp", ("Host", "127.0.0.1:80"), 200),
        ("POST /mcp", ("Origin", "http://localhost:6274"), 200),
        ("POST /mcp", ("Host", "evil.example"), 403),
        ("POST /mcp", ("Host", "10.0.0.1"), 403),
        ("POST /mcp", ("Origin", "http://evil.example"), 403),
        ("POST /mcp", ("Host", ""), 400),
        ("POST http://evil.example/mcp", ("Host", "localhost"), 403),
        ("GET /mcp", ("Host", "evil.example"), 403),
        ("DELETE /mcp", ("Origin", "http://evil.example"), 403),
        ("GET /health", ("Host", "evil.example"), 403),
    ] {
        let headers: Vec<_> = MODERN.into_iter().chain([header]).collect();
        let (head, body) = server.ask(line, &headers, &modern_call());
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{line} {header:?}: {head}\n{body}");
    }
}

#[test]
fn a_second_server_is_told_who_listens_and_a_file_left_behind_is_replaced() {
    let folder = Folder::new(TOOLS);
    let path = at(&folder);
    let server = Server::start(&folder, &["--unix", "omni.sock"], path.clone());
    for command in ["mcp", "runner"] {
        let done = folder.run(&[command, "--unix", "omni.sock"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let process = format!("(process {}) listens on", server.child.id());
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(
            said.contains(&process) && said.contains("omni") && said.contains("--unix"),
            "{command}: {said}"
        );
    }
    // A process that is killed leaves its file behind.
    let mut server = server;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(path.exists());
    let next = Server::start(&folder, &["--unix", "omni.sock"], path.clone());
    assert!(next.ask("POST /mcp", &MODERN, &modern_call()).0.starts_with("HTTP/1.1 200"));
    // What has taken the place of its file is somebody else's, and stays.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    assert!(next.stop());
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    let said = refused(&folder, &["--unix", "omni.sock"]);
    assert!(said.contains("no socket"), "{said}");
}

#[test]
fn where_no_socket_can_be_is_said_in_one_sentence() {
    let folder = Folder::new(TOOLS);
    fs::create_dir(folder.path("shared")).unwrap();
    fs::set_permissions(folder.path("shared"), Permissions::from_mode(0o777)).unwrap();
    let long = "x".repeat(120);
    folder.write("both.toml", "[http]\nunix = 'a.sock'\nport = 1\n");
    let cases: [(&[&str], &str); 9] = [
        (&["--unix", "@omni"], "abstract namespace"),
        (&["--unix", &long], "107 at most"),
        (&["--unix", "no/such/omni.sock"], "is not there; make it first"),
        (&["--unix", "shared/omni.sock"], "others can write in"),
        (&["--unix", "."], "no path of a file"),
        (&["--unix", "a.sock", "--port", "1"], "`--unix a.sock` and `--port 1` are two places to listen"),
        (&["--unix", "a.sock", "--host", "::1"], "`--unix a.sock` and `--host ::1` are two places to listen"),
        (&["--unix", "a.sock", "--transport", "stdio"], "`--transport stdio` is not"),
        (&["--config", "both.toml"], "`http.unix` and `http.port`"),
    ];
    for (arguments, why) in cases {
        let said = refused(&folder, arguments);
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert!(!said.contains("backtrace"), "{said}");
    }
}

#[test]
fn a_settings_file_names_the_socket_and_a_port_on_the_command_line_counts_before_it() {
    let folder = Folder::new(TOOLS);
    fs::create_dir(folder.path("run")).unwrap();
    folder.write("own.toml", "transport = 'http'\n[http]\nunix = 'run/omni.sock'\n");
    let path = folder.path("run/omni.sock");
    let server = Server::start(&folder, &["--config", "own.toml"], path.clone());
    assert!(server.ask("POST /mcp", &MODERN, &modern_call()).0.starts_with("HTTP/1.1 200"));
    assert!(server.stop());
    let tcp = folder.http(&["--config", "own.toml"]);
    assert!(tcp.announced.contains(" at http://127.0.0.1:"), "{}", tcp.announced);
    assert!(!path.exists());
}

#[test]
fn a_token_is_wanted_at_a_socket_too() {
    let folder = Folder::new(TOOLS);
    folder.write("token", "0123456789abcdef0123\n");
    fs::set_permissions(folder.path("token"), Permissions::from_mode(0o600)).unwrap();
    let server = Server::start(&folder, &["--unix", "omni.sock", "--http-token", "token"], at(&folder));
    let (head, _) = server.ask("POST /mcp", &MODERN, &modern_call());
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    let token = ("Authorization", "Bearer 0123456789abcdef0123");
    let headers: Vec<_> = MODERN.into_iter().chain([token]).collect();
    assert!(server.ask("POST /mcp", &headers, &modern_call()).0.starts_with("HTTP/1.1 200"));
}

/// Sends standard input to a Unix socket and prints what comes back.
const CALLER: &str = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
    s.sendall(sys.stdin.buffer.read())\nwhile True:\n    b = s.recv(65536)\n    if not b: break\n    \
    sys.stdout.buffer.write(b)\n";

/// What another user gets for a request.
fn reply_to(uid: u32, path: &Path, request: &str) -> String {
    let mut child = Command::new("setpriv")
        .args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups"])
        .args(["/usr/bin/env", "-i", "python3", "-c", CALLER])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    let Output { stdout, stderr, .. } = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr)
}

#[test]
fn another_user_cannot_connect_unless_it_is_named_and_then_its_connection_is_asked_whose_it_is() {
    // `env -i python3` must be one that other users can run.
    let system_python = Path::new("/usr/bin/python3").exists();
    if !rustix::process::geteuid().is_root() || !system_python {
        eprintln!("SKIPPED: only root can act as another user, and with a Python of the system");
        return;
    }
    // Below the temporary folder, which others may enter; the test's own they may not.
    let open = std::env::temp_dir().join(format!("omni-unix-{}", std::process::id()));
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    let path = open.join("omni.sock");
    let shown = path.to_str().unwrap();
    let folder = Folder::new(TOOLS);
    let sent = request("POST /mcp", &MODERN, &modern_call());
    let server = Server::start(&folder, &["--unix", shown], path.clone());
    let reply = reply_to(65534, &path, &sent);
    assert!(reply.contains("PermissionError"), "{reply}");
    assert!(server.stop());
    let server = Server::start(&folder, &["--unix", shown, "--allow-user", "65534"], path.clone());
    assert!(server.said.contains("errors = masked"), "others may call: {}", server.said);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    let reply = reply_to(65534, &path, &sent);
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    let reply = reply_to(4321, &path, &sent);
    for named in ["HTTP/1.1 403", "connection: close", "user 4321", "http.allow_users"] {
        assert!(reply.contains(named), "{named}: {reply}");
    }
    assert!(server.stop());
    fs::remove_dir(&open).unwrap();
}
