//! What `omni doctor` and the start of a server say about mistaken skills, from the built binary.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::Write as _;
use std::process::Stdio;

use support::Folder;

const TOOL: &str =
    "from omni import tool\n\n\n@tool\ndef go(a: int) -> int:\n    \"\"\"Go.\"\"\"\n    return a\n";

/// What the server says on stderr when its client asks for the tools and leaves.
fn said_at_start(folder: &Folder) -> String {
    let mut child = folder
        .omni(&["mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
        "\n"
    );
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("a.go"));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_server_on_stdio_says_in_one_line_that_something_is_wrong() {
    let folder = Folder::empty();
    folder.write("skills/a/SKILL.md", "---\nname: a\ndescription: Use when: asked\n---\n");
    folder.write("skills/a/scripts/a.py", TOOL);
    let said = said_at_start(&folder);
    assert_eq!(said.matches("1 problem with these skills").count(), 1, "{said}");
    assert!(said.contains("omni doctor"), "{said}");
    folder.write("skills/a/SKILL.md", "---\nname: a\ndescription: Used when asked\n---\n");
    let said = said_at_start(&folder);
    assert!(!said.contains("problem"), "{said}");
}
