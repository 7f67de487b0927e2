//! The built binary with the interpreter inside: the protocol stays clean, and skills that cannot be here are told so.

mod support;

use serde_json::json;
use support::{Folder, kind, text};

const TOOLS: &str = r#"
import ctypes, os, subprocess, sys, time

@tool(executor="embedded")
def here() -> dict[str, int]:
    """Say which process this is."""
    return {"pid": os.getpid()}

@tool(executor="embedded")
def prints() -> str:
    """Write to standard output in every way there is."""
    print("from Python")
    os.write(1, b"by descriptor\n")
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "from a child"], check=True)
    return sys.stdin.read() + "printed"

@tool(executor="embedded", timeout=1)
def spins() -> str:
    """Never end."""
    while True:
        pass

@tool(executor="embedded", timeout=1)
def keeps_the_lock() -> str:
    """Never give the interpreter to others."""
    ctypes.PyDLL(None).sleep(3600)
    return ""

@tool(executor="embedded")
async def waits() -> str:
    """Wait."""
    import asyncio
    await asyncio.sleep(0.01)
    return "waited"
"#;

#[test]
fn tools_run_in_the_server_and_the_protocol_stays_clean() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    let here = client.result("t.here", json!({}));
    let there = client.result("t.here", json!({}));
    assert_eq!(here["structuredContent"], there["structuredContent"]);
    assert_eq!(here["structuredContent"]["pid"], client.child.id());
    assert_eq!(text(&client.result("t.waits", json!({}))), "waited");
    let printed = client.result("t.prints", json!({}));
    assert_eq!(text(&printed), "printed", "{printed}");
    let spun = client.result("t.spins", json!({}));
    assert_eq!(kind(&spun), "timeout_total");
    assert!(text(&spun).contains("in spins"), "{spun}");
    let kept = client.result("t.keeps_the_lock", json!({}));
    assert_eq!(kind(&kept), "timeout_total");
    assert!(text(&kept).contains("holds the interpreter lock"), "{kept}");
    // Now in a worker of the pool.
    let elsewhere = client.result("t.here", json!({}));
    assert_ne!(elsewhere["structuredContent"], here["structuredContent"]);
    assert_eq!(elsewhere["_meta"]["omni/executor"], "pool");
    client.close();
}

#[test]
fn what_a_library_prints_is_not_in_the_result_of_a_call_by_hand() {
    let folder = Folder::new(TOOLS);
    let output = folder.run(&["call", "t.prints"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "printed\n");
    let stderr = String::from_utf8_lossy(&output.stderr);
    for said in ["from Python", "by descriptor", "from C", "from a child"] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

#[test]
fn a_skill_with_packages_of_its_own_does_not_run_in_the_server() {
    let folder = Folder::new(TOOLS);
    folder.write(
        "skills/t/pyproject.toml",
        "[project]\nname = \"t\"\nversion = \"1\"\ndependencies = [\"tomli\"]\n",
    );
    let output = folder.run(&["call", "t.here"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("`t.here` asks for packages of its own in `pyproject.toml`"), "{stderr}");
    assert!(stderr.contains("`executor: pool` or `fork`"), "{stderr}");
}
