//! Limits on what a process may take from the machine, each tripped, and processes that stand still.

mod support;

use omni_call::OutcomeKind;
use omni_exec::ExecConfig;
use serde_json::json;
use support::{Lab, wait_gone};

fn limited(config: &mut ExecConfig) {
    config.process.limits.memory_bytes = Some(200 << 20);
    config.process.limits.open_files = Some(128);
    config.process.limits.file_bytes = Some(1 << 20);
}

fn labs() -> [Lab; 3] {
    [Lab::pool_with(limited), Lab::spawn_with(limited), Lab::fork_with(limited)]
}

#[tokio::test]
async fn a_tool_that_wants_more_memory_than_it_may_have_is_told_so() {
    for lab in labs() {
        let outcome = lab.call("takes_memory").args(&json!({"mebibytes": 10_000})).run().await;
        assert!(
            matches!(outcome.kind, OutcomeKind::OutOfMemory { limit_bytes: Some(bytes), .. } if bytes == 200 << 20),
            "{outcome:?}"
        );
        let small = lab.call("takes_memory").args(&json!({"mebibytes": 20}));
        assert_eq!(small.value().await, json!(20 << 20));
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_tool_cannot_open_more_files_or_write_larger_ones_than_it_may() {
    for lab in labs() {
        let outcome = lab.call("opens_files").args(&json!({"count": 500})).run().await;
        assert!(
            matches!(&outcome.kind, OutcomeKind::ToolError { kind, .. } if kind == "OSError"),
            "{outcome:?}"
        );
        let path = lab.root().join("large");
        let outcome = lab.call("writes").args(&json!({"path": path, "mebibytes": 3})).run().await;
        assert!(
            matches!(&outcome.kind, OutcomeKind::ToolError { kind, .. } if kind == "OSError"),
            "{outcome:?}"
        );
        assert!(std::fs::metadata(&path).map_or(0, |file| file.len()) <= 1 << 20);
        lab.finish().await;
    }
}

#[tokio::test]
async fn programs_of_any_kind_have_the_same_limits() {
    let lab = Lab::spawn_with(limited);
    let request = lab.call("program").program(&["bash", "-c", "ulimit -n; ulimit -d; ulimit -f; ulimit -c"]);
    // `ulimit` counts memory and file sizes in KiB.
    assert_eq!(support::text(&request.run().await), "128\n204800\n1024\n0");
    lab.finish().await;
}

#[tokio::test]
async fn a_process_that_stands_still_counts_as_dead_long_before_its_deadline() {
    for lab in [Lab::pool(), Lab::fork()] {
        let request = lab.call("stops_itself").context();
        let mut running = request.start();
        let pid = running.pid().await;
        let (outcome, _) = running.end().await;
        assert!(
            matches!(&outcome.kind, OutcomeKind::Lost { message } if message.contains("SIGSTOP")),
            "{outcome:?}"
        );
        wait_gone(pid).await;
        assert_eq!(lab.call("echo").args(&json!({"text": "x"})).value().await, json!("x"));
        lab.finish().await;
    }
}
