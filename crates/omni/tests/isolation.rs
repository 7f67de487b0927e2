//! What a tool can learn of the server, and do to it, with the product's own settings.

mod support;

use serde_json::{Value, json};
use support::{Folder, Stdio_, descendants, text};

const TOOLS: &str = r#"
import os

@tool
def reads(pid: int) -> str:
    """Say what can be read of a process."""
    read = []
    for name in ("environ", "mem", "maps"):
        try:
            with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
                file.read(1)
            read.append(name)
        except OSError as error:
            if name == "mem" and error.errno == 5:
                read.append(name)
    return ",".join(read)

@tool
def number() -> int:
    """The tool's own process id."""
    return os.getpid()

@tool
def dies() -> str:
    """End by a signal."""
    os.kill(os.getpid(), 11)
    return ""
"#;

fn call(client: &mut Stdio_, tool: &str, arguments: Value) -> Value {
    client.request("tools/call", json!({"name": tool, "arguments": arguments}))["result"].clone()
}

#[expect(clippy::print_stderr, reason = "says that a test has proved nothing")]
fn has_namespaces() -> bool {
    let found = omni_process::namespaces(env!("CARGO_BIN_EXE_omni").as_ref());
    if let Err(reason) = found {
        eprintln!("not tested here: no process-id namespaces ({reason})");
    }
    found.is_ok()
}

#[test]
fn a_tool_of_the_pool_lives_in_a_namespace_and_sees_nothing_of_the_server() {
    if !has_namespaces() {
        return;
    }
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&["--isolation", "auto"]);
    client.initialize("2025-06-18");
    let server = client.child.id();
    let own = call(&mut client, "t.number", json!({}));
    assert_eq!(text(&own), "2");
    let read = call(&mut client, "t.reads", json!({"pid": server}));
    assert_eq!(text(&read), "");
    let died = call(&mut client, "t.dies", json!({}));
    assert!(text(&died).contains("signal 11"), "{died}");
    let again = call(&mut client, "t.number", json!({}));
    assert_eq!(text(&again), "2");
}

#[test]
fn without_namespaces_everything_works_as_before_and_the_server_s_memory_is_still_its_own() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&["--isolation", "none"]);
    client.initialize("2025-06-18");
    let server = client.child.id();
    let number: u32 = text(&call(&mut client, "t.number", json!({}))).parse().unwrap();
    assert!(descendants(server).contains(&number), "{number}");
    // Root may read everything; for others the kernel says no.
    if !rustix::process::getuid().is_root() {
        assert_eq!(text(&call(&mut client, "t.reads", json!({"pid": server}))), "");
    }
}
