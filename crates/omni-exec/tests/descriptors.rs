//! That nothing of ours is open in what a tool starts, in whatever way it does so.

mod support;

use serde_json::json;
use support::{Lab, ProcessKind, text};

/// What whoever started the tests has left open in them, and so in all that is started from here.
fn inherited() -> Vec<String> {
    let links = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    links.filter_map(|link| Some(std::fs::read_link(link.path()).ok()?.display().to_string())).collect()
}

#[tokio::test]
async fn what_a_tool_starts_has_no_descriptor_of_ours() {
    let inherited = inherited();
    for process in ProcessKind::ALL {
        let lab = Lab::of(process, |_| {});
        for place in ["fork", "subprocess", "posix_spawn"] {
            let outcome = lab.call_in("hostile.py", "open_in").args(&json!({"place": place})).run().await;
            let mut open = text(&outcome);
            for link in &inherited {
                open = open.replace(&format!("'{link}'"), "");
            }
            assert!(open.trim_start().starts_with('['), "{process:?}, {place}: {open}");
            for ours in ["omni-status", "socket:", "pipe:"] {
                assert!(!open.contains(ours), "{process:?}, {place}: {open}");
            }
        }
        assert_eq!(lab.call_in("hostile.py", "own_descriptors").value().await, json!([]), "{process:?}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn what_a_tool_becomes_has_none_either() {
    for process in ProcessKind::ALL {
        let lab = Lab::of(process, |_| {});
        let path = lab.root().join("open");
        lab.call_in("hostile.py", "becomes").args(&json!({"path": path})).run().await;
        let open = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(open.contains("/proc/"), "{process:?}: it ran: {open}");
        assert!(!open.contains("omni-status") && !open.contains("socket:"), "{process:?}: {open}");
        lab.finish().await;
    }
}
