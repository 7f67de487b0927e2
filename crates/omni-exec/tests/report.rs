//! Signs of life and progress from whom a tool has work done: threads, child processes, forks; and from programs.

mod support;

use std::time::Duration;

use omni_call::OutcomeKind;
use serde_json::json;
use support::{Lab, ProcessKind, Request, said, text};

/// Half as long again, at three quarters of a second each, as the idle limit below, in which a machine that is busy
/// with all ways at once still starts a Python.
const TIMES: u32 = 12;
const IDLE: Duration = Duration::from_secs(6);

/// Runs a test in all ways at the same time: most of it is waiting.
async fn in_every_way<F: Future<Output = ()> + Send + 'static>(test: impl Fn(ProcessKind, Lab) -> F) {
    let lab = |process| Lab::of(process, |_| {});
    let tests = ProcessKind::ALL.map(|process| tokio::spawn(test(process, lab(process))));
    for test in tests {
        test.await.expect("this way did it");
    }
}

fn helper(lab: &Lab, tool: &str, how: &str) -> Request {
    lab.call(tool).args(&json!({"how": how, "times": TIMES})).context().idle_timeout(IDLE)
}

fn program(lab: &Lab, script: &str) -> Request {
    lab.call("program").program(&["bash", "-c", script]).idle_timeout(IDLE)
}

#[tokio::test]
async fn a_silent_tool_lives_on_the_word_of_its_threads_and_children_in_every_way() {
    in_every_way(|process, lab| async move {
        let calls = ["thread", "child", "fork"].map(|how| (how, helper(&lab, "helper_speaks", how).start()));
        for (how, call) in calls {
            let (outcome, events) = call.end().await;
            assert_eq!(text(&outcome), "done", "{how} {process:?}");
            let last = said(&events).pop();
            assert_eq!(last, Some(format!("progress {TIMES} Some({TIMES}.0) Some({how:?})")), "{process:?}");
        }
        lab.finish().await;
    })
    .await;
}

#[tokio::test]
async fn an_async_tool_lives_on_their_word_too() {
    let lab = Lab::pool();
    let calls = ["thread", "child"].map(|how| helper(&lab, "async_helper_speaks", how).start());
    for call in calls {
        assert_eq!(text(&call.end().await.0), "done");
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_whose_child_is_silent_is_ended_in_every_way() {
    in_every_way(|process, lab| async move {
        let outcome = helper(&lab, "helper_speaks", "silence").run().await;
        assert_eq!(outcome.kind, OutcomeKind::Idle { limit: IDLE }, "{process:?}");
        // Its child is gone too.
        lab.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_program_reports_from_a_shell_and_a_silent_one_is_ended() {
    let lab = Lab::spawn();
    let script = "for n in 1 2 3 4 5; do sleep 0.5; python3 -m omni.report $n 5 \"file $n\"; done; echo done";
    let (outcome, events) = program(&lab, script).start().end().await;
    assert_eq!(text(&outcome), "done");
    let events = said(&events);
    assert!(events.len() > 2, "{events:?}");
    assert_eq!(events.last().map(String::as_str), Some("progress 5 Some(5.0) Some(\"file 5\")"));
    let beats = "for n in 1 2 3 4 5; do sleep 0.5; python3 -m omni.report; done; echo done";
    assert_eq!(text(&program(&lab, beats).run().await), "done");
    let outcome = program(&lab, "sleep 60").run().await;
    assert_eq!(outcome.kind, OutcomeKind::Idle { limit: IDLE });
    lab.finish().await;
}

#[tokio::test]
async fn a_program_that_reports_without_end_sends_its_client_no_more_than_it_can_show() {
    let lab = Lab::spawn();
    let script = "python3 -c 'import omni\nfor n in range(3000): omni.progress(n, 2999)'; \
                  python3 -c 'import omni; print(omni.remaining() is not None)'";
    let (outcome, events) = program(&lab, script).start().end().await;
    assert_eq!(text(&outcome), "True");
    let events = said(&events);
    assert!(events.len() < 100, "{} events", events.len());
    assert_eq!(events.last().map(String::as_str), Some("progress 2999 Some(2999.0) None"));
    lab.finish().await;
}
