//! Calls that wait for their clients: their time stands still, they leave their places to others, and are ended like any
//! call, in every executor.

mod support;

use std::time::Duration;

use omni_call::{Event, OutcomeKind, Phase};
use serde_json::{Value, json};
use support::{Lab, ProcessKind, Question, Request, Running, said, text, wait_gone, wait_until};
use tokio::task::JoinSet;

/// Tools that wait for their client, and will not end when they are told to.
const STUBBORN: &str = r#"
import os, time
from omni import CallCancelled, Context, tool

@tool
def clings(ctx: Context) -> str:
    """Ask, and go on whatever happens."""
    ctx.log("info", {"pid": os.getpid()})
    while True:
        try:
            ctx._ask("roots/list", {})
        except BaseException:
            time.sleep(0.01)

@tool
async def async_clings(ctx: Context) -> str:
    """Do the same in a coroutine."""
    ctx.log("info", {"pid": os.getpid()})
    while True:
        try:
            await ctx._ask_async("roots/list", {})
        except BaseException:
            time.sleep(0.01)

@tool
def tells_the_time(ctx: Context) -> str:
    """Say how much time was left while the client was asked, afterwards, and later; and how long it was asked."""
    import json, threading
    stood_at = []

    def look() -> None:
        while not stood_at:
            first = ctx.remaining
            time.sleep(0.2)
            if ctx.remaining == first:
                stood_at.append(first)
        ctx.log("info", "stands still")

    looker = threading.Thread(target=look)
    looker.start()
    began = time.monotonic()
    ctx._ask("roots/list", {})
    asked = time.monotonic() - began
    looker.join()
    after = ctx.remaining
    time.sleep(0.05)
    return json.dumps([stood_at[0], after, ctx.remaining, asked])

@tool
def goes_on_for_ever(ctx: Context) -> str:
    """Ask, and take the answer for a beginning."""
    ctx._ask("roots/list", {})
    while True:
        time.sleep(0.01)

@tool
async def async_goes_on_for_ever(ctx: Context) -> str:
    """Do the same in a coroutine."""
    import asyncio
    await ctx._ask_async("roots/list", {})
    while True:
        await asyncio.sleep(0.01)

@tool
def talks_while_it_waits(ctx: Context) -> str:
    """Report from a thread while the client is asked."""
    import threading
    done = threading.Event()

    def talk() -> None:
        at = 1
        while not done.wait(0.3):
            ctx.progress(at)
            at += 1

    talker = threading.Thread(target=talk)
    talker.start()
    ctx._ask("roots/list", {})
    done.set()
    talker.join()
    return "done"
"#;

/// Every way to run tools that has a Python of ours, with room for one call at a time.
fn narrow_labs() -> Vec<(&'static str, Lab)> {
    let forks = |kind| Lab::of(kind, |config| config.forked_max = 1);
    vec![
        ("pool", Lab::pool_with(|config| config.workers_max = 1)),
        ("spawn", Lab::spawn_with(|config| config.spawned_max = 1)),
        ("fork", forks(ProcessKind::FORK)),
        ("fork, ahead", forks(ProcessKind::FORK_AHEAD)),
        ("fork, reused", forks(ProcessKind::FORK_REUSED)),
        ("embedded", Lab::embedded_with(|config| config.embedded_threads = 1)),
    ]
}

/// A call of a tool in the fixture skill `asks` that asks.
fn asks(lab: &Lab, function: &str) -> Request {
    lab.call_in("asks.py", function).args(&json!({"notes": ""})).answered().context()
}

/// One that does not.
fn plain(lab: &Lab, function: &str) -> Request {
    lab.call_in("asks.py", function).args(&json!({"notes": ""}))
}

/// A call of one of the tools above.
fn stubborn(lab: &Lab, function: &str) -> Request {
    std::fs::write(lab.root().join("skills/lab/scripts/stubborn.py"), STUBBORN)
        .expect("the lab has a folder for it");
    lab.call_in("stubborn.py", function).answered().context()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("the tool answers with JSON")
}

#[tokio::test]
async fn calls_that_wait_leave_their_places_to_others_and_go_on_at_once() {
    for (way, lab) in narrow_labs() {
        for (function, other) in [("asks_once", "repeats"), ("async_asks_once", "async_repeats")] {
            let mut waiting: Vec<(Running, Question)> = Vec::new();
            for _ in 0..4 {
                let mut call = asks(&lab, function).start();
                let question = call.question().await;
                waiting.push((call, question));
            }
            for _ in 0..3 {
                assert_eq!(text(&plain(&lab, other).run().await), "", "{way} {other}");
            }
            // All go on although there is room for one.
            for (at, (call, question)) in waiting.into_iter().enumerate().rev() {
                question.answer(&json!({ "at": at }));
                let (outcome, _) = call.end().await;
                assert_eq!(value(&text(&outcome)), json!({ "at": at }), "{way} {function}");
            }
            assert_eq!(text(&plain(&lab, other).run().await), "", "{way} {other}, afterwards");
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_pool_shrinks_to_its_bound_when_the_calls_that_waited_have_ended() {
    let lab = Lab::pool_with(|config| config.workers_max = 2);
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut call = asks(&lab, "asks_once").start();
        waiting.push((call.question().await, call));
    }
    assert!(lab.processes().len() >= 8, "each waits in a process of its own");
    for (question, call) in waiting {
        question.answer(&json!({}));
        call.end().await;
    }
    wait_until("the pool to shrink", || lab.processes().len() <= 2).await;
    assert_eq!(text(&plain(&lab, "repeats").run().await), "");
    lab.finish().await;
}

#[tokio::test]
async fn pools_that_share_a_bound_shrink_together() {
    let shared = omni_exec::SharedBounds::default();
    let lab = |shared: &omni_exec::SharedBounds| {
        let shared = shared.clone();
        Lab::pool_with(|config| (config.workers_max, config.shared) = (2, shared))
    };
    let (one, other) = (lab(&shared), lab(&shared));
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut call = asks(&one, "asks_once").start();
        waiting.push((call.question().await, call));
    }
    // The other pool may have both places meanwhile.
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut call = asks(&other, "asks_once").start();
        busy.push((call.question().await, call));
    }
    for (question, call) in waiting.into_iter().chain(busy) {
        question.answer(&json!({}));
        call.end().await;
    }
    let both = || one.processes().len() + other.processes().len();
    wait_until("the pools to shrink", || both() <= 2).await;
    assert_eq!(text(&plain(&one, "repeats").run().await), "");
    assert_eq!(text(&plain(&other, "repeats").run().await), "");
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn who_will_not_end_while_it_waits_is_killed_and_leaves_nothing() {
    for (way, lab) in narrow_labs().into_iter().filter(|(way, _)| *way != "embedded") {
        for function in ["clings", "async_clings"] {
            let mut call = stubborn(&lab, function).start();
            let pid = call.pid().await;
            let question = call.question().await;
            call.cancel().await;
            question.taken_back().await;
            // The process of a sync worker, or the one that async calls share.
            wait_gone(pid).await;
            assert_eq!(text(&plain(&lab, "repeats").run().await), "", "{way} {function}: the next call");
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_while_its_call_waits_ends_the_call_and_frees_its_place() {
    for (way, lab) in narrow_labs().into_iter().filter(|(way, _)| *way != "embedded") {
        let mut call = stubborn(&lab, "clings").start();
        let pid = call.pid().await;
        let question = call.question().await;
        support::kill(pid);
        let (outcome, _) = call.end().await;
        assert!(matches!(outcome.kind, OutcomeKind::Signalled { signal: 9 }), "{way}: {outcome:?}");
        assert_eq!(outcome.phase, Phase::Started, "{way}");
        question.taken_back().await;
        assert_eq!(text(&plain(&lab, "repeats").run().await), "", "{way}: the next call");
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_tool_is_heard_while_it_waits_and_its_time_stands_still() {
    for (way, lab) in narrow_labs() {
        let mut call = stubborn(&lab, "talks_while_it_waits").timeout(Duration::from_secs(3)).start();
        let question = call.question().await;
        // Longer than it may take altogether.
        tokio::time::sleep(Duration::from_secs(4)).await;
        question.answer(&json!({"roots": []}));
        let (outcome, events) = call.end().await;
        assert_eq!(text(&outcome), "done", "{way}");
        let reports = events.iter().filter(|event| matches!(event, Event::Progress { .. })).count();
        assert!(reports > 2, "{way}: {:?}", said(&events));
        lab.finish().await;
    }
}

#[tokio::test]
async fn what_is_left_of_a_tools_time_stands_still_too() {
    for (way, lab) in narrow_labs() {
        let mut call = stubborn(&lab, "tells_the_time").start();
        let question = call.question().await;
        assert_eq!(call.first_log().await, json!("stands still"), "{way}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        question.answer(&json!({"roots": []}));
        let outcome = call.end().await.0;
        let times: Vec<f64> = serde_json::from_str(&text(&outcome)).unwrap();
        let [stood_at, after, later, asked] = times[..] else { panic!("{times:?}") };
        assert!(stood_at >= after && after > later, "{way}: it goes on: {times:?}");
        assert!(stood_at - after < asked, "{way}: the time of the question does not count: {times:?}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn clocks_that_stood_still_go_on_with_what_they_had_left() {
    let mut ways = JoinSet::new();
    for (way, lab) in narrow_labs() {
        ways.spawn(async move {
            let total = Duration::from_secs(2);
            for function in ["goes_on_for_ever", "async_goes_on_for_ever"] {
                let calls = [
                    stubborn(&lab, function).timeout(total),
                    stubborn(&lab, function).idle_timeout(total / 2),
                ];
                for call in calls {
                    let mut call = call.start();
                    let question = call.question().await;
                    tokio::time::sleep(total).await;
                    question.answer(&json!({"roots": []}));
                    let (outcome, _) = call.end().await;
                    let ended = match &outcome.kind {
                        OutcomeKind::TimedOut { limit } => *limit == total,
                        OutcomeKind::Idle { limit } => *limit == total / 2,
                        _ => false,
                    };
                    assert!(ended, "{way} {function}: {outcome:?}");
                }
            }
            lab.finish().await;
        });
    }
    while let Some(way) = ways.join_next().await {
        way.unwrap();
    }
}
