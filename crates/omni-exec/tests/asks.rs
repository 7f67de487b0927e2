//! Tools that ask their client something while they run, by every way to run tools that can.

mod support;

use std::sync::Arc;
use std::time::Duration;

use omni_call::{AskMethod, AskRefusal, Outcome, OutcomeKind, Phase, Policy};
use serde_json::{Value, json};
use support::{Lab, ProcessKind, Request, Running, text, wait_until};
use tokio::task::JoinSet;

/// Every way to run tools that has a Python of ours, each with its name.
fn labs() -> Vec<(&'static str, Lab)> {
    vec![
        ("pool", Lab::pool()),
        ("spawn", Lab::spawn()),
        ("fork", Lab::of(ProcessKind::FORK, |_| {})),
        ("fork, ahead", Lab::of(ProcessKind::FORK_AHEAD, |_| {})),
        ("fork, reused", Lab::of(ProcessKind::FORK_REUSED, |_| {})),
        ("embedded", Lab::embedded()),
    ]
}

/// A call of a tool in the fixture skill `asks`.
fn tool(lab: &Lab, function: &str) -> Request {
    tool_of(lab, function, true)
}

fn tool_of(lab: &Lab, function: &str, context: bool) -> Request {
    let call = lab.call_in("asks.py", function).args(&json!({"notes": ""})).answered();
    if context { call.context() } else { call }
}

fn said(outcome: &Outcome) -> Value {
    let text = text(outcome);
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Answers so many questions each with its own parameters, the last first.
async fn echo(call: &mut Running, count: usize) {
    let mut questions = Vec::new();
    for _ in 0..count {
        questions.push(call.question().await);
    }
    for question in questions.into_iter().rev() {
        let params = question.params();
        question.answer(&params);
    }
}

#[track_caller]
fn lost(way: &str, outcome: &Outcome, reason: &str) {
    let OutcomeKind::Lost { message } = &outcome.kind else { panic!("{way}: {outcome:?}") };
    assert!(message.contains(reason), "{way}: {message}");
    assert_eq!(outcome.phase, Phase::Started, "{way}");
}

#[tokio::test]
async fn a_question_reaches_the_client_and_its_answer_the_tool() {
    for (way, lab) in labs() {
        for function in ["asks_once", "async_asks_once"] {
            let mut call = tool(&lab, function).start();
            let question = call.question().await;
            assert_eq!(question.ask.method, AskMethod::Elicit, "{way}");
            assert_eq!(question.params(), json!({"message": "size?"}), "{way}");
            question.answer(&json!({"action": "accept", "content": {"size": 4}}));
            let (outcome, _) = call.end().await;
            assert_eq!(
                said(&outcome),
                json!({"action": "accept", "content": {"size": 4}}),
                "{way} {function}"
            );
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_tool_may_ask_twice_at_once_and_from_threads() {
    for (way, lab) in labs() {
        let mut call = tool(&lab, "asks_twice").start();
        call.question().await.answer(&json!({"first": 1}));
        let second = call.question().await;
        assert_eq!(second.ask.method, AskMethod::ListRoots, "{way}");
        second.answer(&json!({"roots": []}));
        assert_eq!(said(&call.end().await.0), json!([{"first": 1}, {"roots": []}]), "{way}");

        for function in ["asks_in_parallel", "async_asks_in_parallel"] {
            let mut call = tool(&lab, function).start();
            echo(&mut call, 3).await;
            let (outcome, _) = call.end().await;
            assert_eq!(said(&outcome), json!([{"at": 0}, {"at": 1}, {"at": 2}]), "{way} {function}");
        }

        let mut call = tool(&lab, "async_asks_from_a_thread").start();
        call.question().await.answer(&json!({"roots": [1]}));
        assert_eq!(said(&call.end().await.0), json!({"roots": [1]}), "{way}");

        let mut call = tool(&lab, "asks_for_much").start();
        let question = call.question().await;
        assert_eq!(question.ask.params.len(), (512 << 10) + r#"{"text":""}"#.len(), "{way}");
        // Larger than any socket takes at once.
        question.answer(&json!({"text": "y".repeat(3 << 20)}));
        assert_eq!(said(&call.end().await.0), json!(3 << 20), "{way}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_refusal_reaches_the_tool_with_its_reason() {
    for (way, lab) in labs() {
        for why in AskRefusal::ALL {
            for function in ["asks_once", "async_asks_once"] {
                let mut call = tool(&lab, function).start();
                call.question().await.refuse(why);
                let expected = json!(format!("refused: {}", why.name()));
                assert_eq!(said(&call.end().await.0), expected, "{way} {function}");
            }
        }
        let mut call = tool(&lab, "asks_once").start();
        drop(call.question().await);
        assert_eq!(said(&call.end().await.0), json!("refused: gone"), "{way}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_and_costs_nothing_else() {
    for (way, lab) in labs() {
        for (function, context, expected) in [
            ("asks_an_unknown_method", true, "refused: unsupported"),
            ("cannot_ask", false, "refused: unsupported"),
        ] {
            let mut call = tool_of(&lab, function, context).start();
            assert!(!call.asks());
            assert_eq!(said(&call.end().await.0), json!(expected), "{way} {function}");
        }
        let outcome = tool(&lab, "asks_hugely").run().await;
        let OutcomeKind::ToolError { kind, message, .. } = &outcome.kind else {
            panic!("{way}: {outcome:?}")
        };
        assert_eq!(kind, "ValueError", "{way}");
        assert!(message.contains("more than the 1048576 allowed"), "{way}: {message}");
        let mut call = tool(&lab, "ignores_the_refusal").start();
        for _ in 0..50 {
            call.question().await.refuse(AskRefusal::Unsupported);
        }
        assert_eq!(said(&call.end().await.0), json!("50 refusals"), "{way}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_taken_back() {
    for (way, lab) in labs() {
        // By the tool.
        let mut call = tool(&lab, "async_takes_back").start();
        call.question().await.taken_back().await;
        call.question().await.answer(&json!({"second": true}));
        assert_eq!(said(&call.end().await.0), json!({"second": true}), "{way}");
        // By its end.
        let mut call = tool(&lab, "ends_without_reading").start();
        let question = call.question().await;
        assert_eq!(said(&call.end().await.0), json!("left a question"), "{way}");
        question.taken_back().await;
        assert_eq!(said(&tool_of(&lab, "repeats", false).run().await), json!(""), "{way}: the next call");
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_call_is_cancelled_while_it_asks() {
    for (way, lab) in labs() {
        let notes = tempfile::tempdir().unwrap();
        for function in ["cleans_up", "async_cleans_up"] {
            let arguments = json!({"notes": notes.path()});
            let mut call = tool(&lab, function).args(&arguments).start();
            let question = call.question().await;
            call.cancel().await;
            question.taken_back().await;
            let cleaned = notes.path().join("cancelled");
            wait_until(&format!("{way} {function} to clean up"), || cleaned.exists()).await;
            std::fs::remove_file(cleaned).unwrap();
            assert_eq!(said(&tool_of(&lab, "repeats", false).run().await), json!(""), "{way}: the next call");
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_shutdown_ends_calls_that_ask() {
    for (way, lab) in labs() {
        let mut calls = Vec::new();
        for function in ["asks_once", "async_asks_once"] {
            let mut call = tool(&lab, function).start();
            calls.push((call.question().await, call));
        }
        lab.executor.shut_down().await;
        for (question, call) in calls {
            let (outcome, _) = call.end().await;
            assert!(matches!(outcome.kind, OutcomeKind::Shutdown), "{way}: {outcome:?}");
            question.taken_back().await;
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn both_clocks_stand_still_while_a_question_is_open() {
    let mut ways = JoinSet::new();
    for (way, lab) in labs() {
        ways.spawn(async move {
            // The first call imports the file, which takes its time.
            tool_of(&lab, "repeats", false).run().await;
            // Long enough for a process to start on a busy machine.
            let limit = Duration::from_secs(4);
            for function in ["asks_once", "async_asks_once"] {
                for call in [tool(&lab, function).idle_timeout(limit), tool(&lab, function).timeout(limit)] {
                    let mut call = call.start();
                    let question = call.question().await;
                    tokio::time::sleep(limit + limit / 4).await;
                    question.answer(&json!({"late": true}));
                    assert_eq!(said(&call.end().await.0), json!({"late": true}), "{way} {function}");
                }
            }
            lab.finish().await;
        });
    }
    while let Some(way) = ways.join_next().await {
        way.unwrap();
    }
}

#[tokio::test]
async fn calls_behind_one_that_asks_are_answered_before_its_question_is() {
    for (way, lab) in labs() {
        for (function, behind) in [("asks_once", "repeats"), ("async_asks_once", "async_repeats")] {
            // The tool is known by now, and short: from here on it is sent ahead where anything is.
            for _ in 0..3 {
                assert_eq!(said(&tool_of(&lab, behind, false).run().await), json!(""), "{way}");
            }
            let mut asking = tool(&lab, function).start();
            let spec = Arc::new(tool_of(&lab, behind, false).spec);
            let calls: Vec<Running> =
                (0..16).map(|_| tool_of(&lab, behind, false).with(&spec).start()).collect();
            let question = asking.question().await;
            for call in calls {
                assert_eq!(said(&call.end().await.0), json!(""), "{way}");
            }
            question.answer(&json!({"at": "last"}));
            assert_eq!(said(&asking.end().await.0), json!({"at": "last"}), "{way}");
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn many_calls_that_ask_at_once_in_one_line_are_all_answered() {
    // One worker: what asks stands in the line alone, and is sent with nothing behind it.
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    let asks = Arc::new(tool(&lab, "asks_once").spec);
    let echo = Arc::new(tool_of(&lab, "repeats", false).spec);
    let mut asking = Vec::new();
    let mut others = Vec::new();
    for _ in 0..8 {
        others.extend((0..4).map(|_| tool_of(&lab, "repeats", false).with(&echo).start()));
        asking.push(tool(&lab, "asks_once").with(&asks).start());
    }
    for (at, mut call) in asking.into_iter().enumerate() {
        call.question().await.answer(&json!({ "at": at }));
        assert_eq!(said(&call.end().await.0), json!({ "at": at }));
    }
    for call in others {
        assert_eq!(said(&call.end().await.0), json!(""));
    }
    wait_until("the workers to go that were one too many", || lab.processes().len() <= 1).await;
    lab.finish().await;
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_not() {
    for (way, lab) in labs() {
        for function in ["asks_once", "async_asks_once", "ignores_the_refusal"] {
            let call = lab.call_in("asks.py", function).args(&json!({"notes": ""})).context();
            let expected =
                if function.starts_with("ignores") { "50 refusals" } else { "refused: unsupported" };
            assert_eq!(said(&call.run().await), json!(expected), "{way} {function}");
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn async_calls_that_share_a_worker_ask_side_by_side() {
    let lab = Lab::pool();
    let spec = Arc::new(tool(&lab, "async_asks_once").spec);
    let mut calls: Vec<Running> =
        (0..32).map(|_| tool(&lab, "async_asks_once").with(&spec).start()).collect();
    let mut questions = Vec::new();
    for call in &mut calls {
        questions.push(call.question().await);
    }
    assert_eq!(said(&tool_of(&lab, "async_repeats", false).run().await), json!(""));
    for (at, question) in questions.into_iter().enumerate().rev() {
        question.answer(&json!({ "at": at }));
    }
    for (at, call) in calls.into_iter().enumerate() {
        assert_eq!(said(&call.end().await.0), json!({ "at": at }));
    }
    assert_eq!(lab.processes().len(), 1, "they all share one worker");
    lab.finish().await;
}

#[tokio::test]
async fn a_worker_that_breaks_the_rules_of_asking_is_ended_and_its_call_lost() {
    for (way, lab) in labs().into_iter().filter(|(way, _)| *way != "embedded") {
        for (function, context, reason) in [
            ("forges_for_another_call", true, "answered a call that it had not begun"),
            ("repeats_a_number", true, "asked question 1 of its call where 2 was next"),
            ("floods_with_questions", true, "more than 16 questions"),
            ("asks_more_than_a_question_may_be", true, "a question of 2097160 bytes"),
            ("asks_without_a_context", false, "a call that cannot ask"),
        ] {
            let outcome = tool_of(&lab, function, context).run().await;
            lost(&format!("{way} {function}"), &outcome, reason);
        }
        let outcome = tool(&lab, "asks_and_closes_its_channel").run().await;
        lost(way, &outcome, "control channel");
        assert_eq!(said(&tool(&lab, "forges_for_an_ended_call").run().await), json!("unheard"), "{way}");
        assert_eq!(said(&tool_of(&lab, "repeats", false).run().await), json!(""), "{way}: the next call");
        lab.finish().await;
    }
}

#[tokio::test]
async fn who_asks_without_reading_the_refusals_fills_nothing() {
    let lab = Lab::pool();
    let mut call = tool(&lab, "floods_with_questions").start();
    // It goes on for as long as its socket takes what it does not read.
    while let Some(question) = call.next_question().await {
        question.refuse(AskRefusal::Unsupported);
    }
    lost("pool", &call.end().await.0, "without reading their answers");
    lab.finish().await;
}

#[tokio::test]
async fn a_call_that_has_asked_is_not_made_again_and_its_result_answers_no_other() {
    let lab = Lab::governed();
    let cached = Policy { cache_ttl_ms: Some(60_000), ..Policy::default() };
    for size in [1, 2] {
        let mut call = tool(&lab, "asks_once").policy(cached.clone()).start();
        call.question().await.answer(&json!({ "size": size }));
        let (outcome, _) = call.end().await;
        assert_eq!(said(&outcome), json!({ "size": size }), "another client's answer was given");
    }
    let retried = Policy { retry_on: vec!["AskRefused".to_owned()], ..Policy::default() };
    let mut call = tool(&lab, "does_not_expect_a_refusal").policy(retried.clone()).start();
    call.question().await.refuse(AskRefusal::Gone);
    let (outcome, _) = call.end().await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::ToolError { kind, .. } if kind == "AskRefused"),
        "{outcome:?}"
    );
    assert_eq!(outcome.attempt, 1);
    let repeatable = Policy { repeatable: true, ..retried };
    // The time in which its client thought is not the next attempt's either.
    let total = Duration::from_secs(5);
    let mut call = tool(&lab, "does_not_expect_a_refusal").policy(repeatable).timeout(total).start();
    let question = call.question().await;
    tokio::time::sleep(total).await;
    question.refuse(AskRefusal::Gone);
    call.question().await.answer(&json!({"again": true}));
    let (outcome, _) = call.end().await;
    assert_eq!((said(&outcome), outcome.attempt), (json!({"again": true}), 2));
    lab.finish().await;
}
