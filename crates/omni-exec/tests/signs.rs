//! What a tool prints or logs: a sign of life, and the words of the call that said it, whoever runs beside it.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use omni_call::{Event, OutcomeKind};
use serde_json::json;
use support::{Lab, ProcessKind, Request, said, text};

/// A third longer, at a quarter of a second each, than the idle limit.
const TIMES: u32 = 16;
const IDLE: Duration = Duration::from_secs(3);

fn utters(lab: &Lab, tool: &str, how: &str) -> Request {
    lab.call(tool).args(&json!({"how": how, "times": TIMES})).context().idle_timeout(IDLE)
}

#[tokio::test]
async fn whatever_a_tool_prints_or_logs_is_a_sign_of_life_in_every_way() {
    const WAYS: [&str; 9] = [
        "print",
        "no end of line",
        "progress bar",
        "bytes",
        "descriptor",
        "child",
        "logging",
        "ctx",
        "thread",
    ];
    let tests = ProcessKind::ALL.map(|process| {
        tokio::spawn(async move {
            let lab = Lab::of(process, |_| {});
            let silent = utters(&lab, "utters", "silence").start();
            // A few at a time: what each waits for its process counts too.
            for few in WAYS.chunks(3) {
                let calls: Vec<_> =
                    few.iter().map(|how| (how, utters(&lab, "utters", how).start())).collect();
                for (how, call) in calls {
                    let outcome = call.end().await.0;
                    assert_eq!(outcome.kind.name(), "finished", "{how} {process:?}: {outcome:?}");
                }
            }
            assert_eq!(silent.end().await.0.kind, OutcomeKind::Idle { limit: IDLE }, "{process:?}");
            lab.finish().await;
        })
    });
    for test in tests {
        test.await.expect("this way did it");
    }
}

#[tokio::test]
async fn among_async_tools_it_counts_for_the_call_whose_context_wrote_it() {
    let lab = Lab::pool();
    let silent = utters(&lab, "async_utters", "silence").start();
    let ways = ["print", "no end of line", "progress bar", "logging", "ctx", "to_thread", "task"];
    let calls = ways.map(|how| (how, utters(&lab, "async_utters", how).start()));
    // Nobody can say whose this is.
    let lost = ["run_in_executor", "descriptor"].map(|how| (how, utters(&lab, "async_utters", how).start()));
    for (how, call) in calls {
        let (outcome, events) = call.end().await;
        assert_eq!(text(&outcome), "done", "{how}");
        if ["print", "to_thread"].contains(&how) {
            let expected: Vec<_> = (0..TIMES).map(|n| format!("info stdout: \"{how} {n}\"")).collect();
            assert_eq!(said(&events), expected, "{how}");
        }
    }
    for (how, call) in lost {
        let (outcome, events) = call.end().await;
        assert_eq!(outcome.kind, OutcomeKind::Idle { limit: IDLE }, "{how}");
        assert_eq!(said(&events), [""; 0], "{how}");
    }
    assert_eq!(silent.end().await.0.kind, OutcomeKind::Idle { limit: IDLE });
    // When it is alone, it is its.
    for how in ["run_in_executor", "descriptor"] {
        let (outcome, events) = utters(&lab, "async_utters", how).start().end().await;
        assert_eq!(text(&outcome), "done", "{how}");
        assert_eq!(events.len(), TIMES as usize, "{how}");
    }
    lab.finish().await;
}

#[tokio::test]
async fn lines_that_async_calls_print_in_pieces_do_not_mix() {
    let lab = Lab::pool();
    let names: Vec<String> = (0..20).map(|n| format!("call{n}")).collect();
    let calls: Vec<_> = names
        .iter()
        .map(|name| (name, lab.call("async_pieces").args(&json!({ "name": name })).start()))
        .collect();
    for (name, call) in calls {
        let (outcome, events) = call.end().await;
        assert_eq!(text(&outcome), "done");
        let mut expected: Vec<_> = (0..5).map(|n| format!("info stdout: \"{name} {n}\"")).collect();
        expected.push(format!("info stdout: \"{name} no end\""));
        assert_eq!(said(&events), expected);
    }
    lab.finish().await;
}

#[tokio::test]
async fn calls_that_are_sent_ahead_keep_each_their_own_words() {
    let lab = Lab::of(ProcessKind::Pool, |config| config.workers_max = 1);
    let call = |n: u32| (n, lab.call("prints_its_name").args(&json!({"name": format!("n{n}")})).start());
    let calls: Vec<_> = (0..200).map(call).collect();
    for (n, call) in calls {
        let (outcome, events) = call.end().await;
        assert_eq!(text(&outcome), format!("n{n}"));
        let said: BTreeSet<_> = said(&events).into_iter().collect();
        let expected =
            [format!("info stdout: \"n{n}\""), format!("warning stderr: \"n{n} too\"")].into_iter().collect();
        assert_eq!(said, expected);
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_that_prints_for_ever_is_ended_by_its_total_limit_and_what_it_says_is_bounded() {
    for tool in ["floods", "async_floods"] {
        let lab = Lab::pool();
        let flood = lab.call(tool).args(&json!({"megabytes": 1_000_000}));
        let limit = Duration::from_secs(2);
        let (outcome, events) = flood.idle_timeout(limit / 2).timeout(limit).start().end().await;
        assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit }, "{tool}");
        let bytes: usize =
            events.iter().map(|event| if let Event::Log { data, .. } = event { data.len() } else { 0 }).sum();
        assert!(events.len() <= 1000 && bytes < 512 << 10, "{tool}: {} events, {bytes} bytes", events.len());
        lab.finish().await;
    }
}
