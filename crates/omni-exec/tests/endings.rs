//! How calls end, in a warm worker and in a process of their own alike: every way there is, with the
//! processes gone afterwards.

mod support;

use std::time::Duration;

use omni_call::{CallResult, OutcomeKind, Phase};
use serde_json::json;
use support::{Lab, ProcessKind, said, text, wait_gone, wait_until};

const SHORT: Duration = Duration::from_millis(300);

/// Makes one test for each executor out of a function that takes a lab.
macro_rules! everywhere {
    ($($name:ident: $test:expr;)*) => {
        mod pool {
            use super::*;
            $(#[tokio::test] async fn $name() { let test = $test; test(Lab::pool()).await; })*
        }
        mod spawn {
            use super::*;
            $(#[tokio::test] async fn $name() { let test = $test; test(Lab::spawn()).await; })*
        }
        mod fork {
            use super::*;
            $(#[tokio::test] async fn $name() { let test = $test; test(Lab::fork()).await; })*
        }
        mod fork_ahead {
            use super::*;
            $(#[tokio::test] async fn $name() { let test = $test; test(Lab::of(ProcessKind::FORK_AHEAD, |_| {})).await; })*
        }
        mod fork_reused {
            use super::*;
            $(#[tokio::test] async fn $name() { let test = $test; test(Lab::of(ProcessKind::FORK_REUSED, |_| {})).await; })*
        }
    };
}

everywhere! {
    a_result_comes_back_as_text: async |lab: Lab| {
        let outcome = lab.call("echo").args(&json!({"text": "grüezi"})).run().await;
        assert_eq!((text(&outcome).as_str(), outcome.phase, outcome.attempt), ("grüezi", Phase::Started, 1));
        assert_eq!(lab.call("table").value().await, json!({"rows": [1, 2], "city": "Zürich"}));
        lab.finish().await;
    };
    structured_content_comes_back_as_the_tool_made_it: async |lab: Lab| {
        let mut request = lab.call("table");
        request.spec.structured = true;
        let outcome = request.run().await;
        let OutcomeKind::Finished(CallResult::Tool(result)) = &outcome.kind else { panic!("{outcome:?}") };
        assert_eq!(result.structured.as_deref(), Some("{\"rows\":[1,2],\"city\":\"Zürich\"}".as_bytes()));
        lab.finish().await;
    };
    a_tool_knows_where_it_is_and_what_it_may: async |lab: Lab| {
        let root = lab.root().canonicalize().unwrap();
        let request = lab.call("where").context();
        assert_eq!(
            request.value().await,
            json!({"cwd": root, "root": root, "settings": {"colour": "blue"}, "session": "session-1"})
        );
        lab.finish().await;
    };
    an_exception_is_a_tool_error_with_its_place: async |lab: Lab| {
        let outcome = lab.call("raises").run().await;
        let OutcomeKind::ToolError { kind, message, location, intended, traceback, .. } = outcome.kind else {
            panic!("{outcome:?}")
        };
        assert_eq!((kind.as_str(), message.as_str(), intended), ("KeyError", "'missing'", false));
        assert!(location.unwrap().starts_with("scripts/tools.py:"));
        assert!(traceback.unwrap().contains("raise KeyError"));
        lab.finish().await;
    };
    an_intended_error_says_so: async |lab: Lab| {
        let outcome = lab.call("refuses").run().await;
        assert!(
            matches!(&outcome.kind, OutcomeKind::ToolError { message, intended: true, .. } if message == "no such note"),
            "{outcome:?}"
        );
        lab.finish().await;
    };
    nan_is_no_result: async |lab: Lab| {
        let outcome = lab.call("not_a_number").run().await;
        assert!(matches!(outcome.kind, OutcomeKind::BadResult { .. }), "{outcome:?}");
        lab.finish().await;
    };
    a_file_that_cannot_be_imported_is_a_load_error: async |lab: Lab| {
        let outcome = lab.call_in("broken.py", "whatever").run().await;
        assert!(
            matches!(&outcome.kind, OutcomeKind::LoadError { message, .. } if message.contains("no_such_module")),
            "{outcome:?}"
        );
        assert_eq!(outcome.phase, Phase::Starting);
        lab.finish().await;
    };
    a_result_above_the_limit_is_refused: async |lab: Lab| {
        let outcome = lab.call("large").args(&json!({"size": (8 << 20) + 1})).run().await;
        assert_eq!(outcome.kind, OutcomeKind::OutputLimit { limit_bytes: 8 << 20 });
        lab.finish().await;
    };
    eight_mebibytes_go_both_ways: async |lab: Lab| {
        let long = "z".repeat((8 << 20) - 64);
        let outcome = lab.call("echo").args(&json!({"text": long})).run().await;
        assert!(text(&outcome) == long);
        lab.finish().await;
    };
    leaving_python_is_told_with_its_code: async |lab: Lab| {
        for (function, code) in [("sys_exit", 3), ("os_exit", 4), ("os_exit", 0)] {
            let outcome = lab.call(function).args(&json!({"code": code})).run().await;
            assert_eq!(outcome.kind, OutcomeKind::Exited { code, message: None }, "{function}");
            assert_eq!((outcome.phase, outcome.attempt), (Phase::Started, 1));
        }
        lab.finish().await;
    };
    a_crash_is_told_with_its_signal: async |lab: Lab| {
        for (function, signal) in [("segfault", 11), ("abort", 6)] {
            let outcome = lab.call(function).run().await;
            assert_eq!(outcome.kind, OutcomeKind::Signalled { signal });
            assert_eq!(outcome.phase, Phase::Started);
            // `faulthandler` says where.
            assert!(outcome.stderr.unwrap().contains("tools.py"));
        }
        assert_eq!(lab.call("echo").args(&json!({"text": "up"})).value().await, json!("up"));
        lab.finish().await;
    };
    a_tool_that_hangs_is_stopped_at_its_time_limit: async |lab: Lab| {
        let limit = SHORT * 10;
        let functions = ["spins", "sleeps", "holds_the_gil", "ignores_everything", "stops_itself"];
        let calls = functions.map(|function| {
            let arguments = if function == "sleeps" { json!({"seconds": 1000}) } else { json!({}) };
            lab.call(function).args(&arguments).context().timeout(limit).start()
        });
        for (function, mut call) in functions.into_iter().zip(calls) {
            let pid = call.pid().await;
            let outcome = call.end().await.0;
            assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit }, "{function}");
            assert_eq!(outcome.phase, Phase::Started);
            // A stopped process can say nothing.
            if function != "stops_itself" {
                let stack = outcome.stack.unwrap_or_default();
                assert!(stack.contains("File \"scripts/tools.py\", line "), "{function}: {stack}");
                assert!(stack.ends_with(&format!(" in {function}")), "{function}: {stack}");
            }
            // The others obey, and their worker may live on.
            if !["sleeps", "spins"].contains(&function) {
                wait_gone(pid).await;
            }
        }
        lab.finish().await;
    };
    a_silent_tool_is_stopped_and_one_that_gives_signs_of_life_is_not: async |lab: Lab| {
        let outcome = lab.call("sleeps").args(&json!({"seconds": 1000})).context().idle_timeout(SHORT * 2).run().await;
        assert_eq!(outcome.kind, OutcomeKind::Idle { limit: SHORT * 2 });
        let beats = lab.call("beats").args(&json!({"times": 8, "pause": 0.3}));
        assert_eq!(beats.idle_timeout(SHORT * 5).value().await, json!("alive"));
        lab.finish().await;
    };
    a_call_taken_back_is_stopped: async |lab: Lab| {
        for function in ["ignores_everything", "holds_the_gil", "stops_itself"] {
            let mut running = lab.call(function).context().start();
            let pid = running.pid().await;
            running.cancel().await;
            wait_gone(pid).await;
        }
        lab.finish().await;
    };
    children_and_daemons_of_a_tool_end_with_it: async |lab: Lab| {
        let mut running = lab.call("starts_children").context().start();
        let said = running.first_log().await;
        running.cancel().await;
        // The tool obeys its cancellation and leaves its children: they go all the same, and its process with them.
        let children: Vec<i32> =
            said["children"].as_array().unwrap().iter().map(|pid| i32::try_from(pid.as_i64().unwrap()).unwrap()).collect();
        for pid in children {
            wait_until("a daemon to end", || !support::lives(pid)).await;
        }
        lab.finish().await;
    };
    a_thread_does_not_work_on_for_a_caller_who_has_gone: async |lab: Lab| {
        let mut running = lab.call("waits_for_its_thread").context().start();
        let pid = running.pid().await;
        running.cancel().await;
        wait_gone(pid).await;
        lab.finish().await;
    };
    what_a_tool_prints_is_reported_in_order_before_its_result: async |lab: Lab| {
        let (outcome, events) = lab.call("prints").start().end().await;
        assert_eq!(text(&outcome), "done");
        let mut lines = said(&events);
        lines.sort();
        assert_eq!(
            lines,
            ["info stdout: \"four\"", "info stdout: \"one\"", "info stdout: \"two\"", "warning stderr: \"three\""]
        );
        lab.finish().await;
    };
    a_flood_of_output_neither_stalls_nor_reports_without_end: async |lab: Lab| {
        let (outcome, events) = lab.call("floods").args(&json!({"megabytes": 64})).start().end().await;
        assert_eq!(text(&outcome), "done");
        assert!(events.len() <= 1000, "{} events", events.len());
        lab.finish().await;
    };
    a_tool_speaks_in_order: async |lab: Lab| {
        let (outcome, events) = lab.call("narrates").context().start().end().await;
        assert_eq!(text(&outcome), "done");
        assert_eq!(
            said(&events),
            ["info -: \"first\"", "progress 1 Some(2.0) Some(\"half\")", "updated x:1", "show x.y", "hide x.*", "warning -: {\"n\":2}"]
        );
        lab.finish().await;
    };
    a_tool_that_breaks_its_channel_loses_its_own_call_only: async |lab: Lab| {
        for function in ["sends_garbage", "promises_a_large_frame"] {
            let outcome = lab.call(function).run().await;
            assert!(matches!(outcome.kind, OutcomeKind::Lost { .. }), "{function}: {outcome:?}");
            assert_eq!(lab.call("echo").args(&json!({"text": "up"})).value().await, json!("up"));
        }
        let outcome = lab.call("closes_its_channel").run().await;
        let OutcomeKind::Lost { message } = &outcome.kind else { panic!("{outcome:?}") };
        // Where the descriptors are gone by which it would speak, nobody learns more than that.
        assert!(message.contains("when a tool closes descriptor") || message.contains("closed its"), "{message}");
        lab.finish().await;
    };
    a_tool_sees_only_the_variables_it_may: async |lab: Lab| {
        let environment = lab.call("environment").value().await;
        let names: Vec<&String> = environment.as_object().unwrap().keys().collect();
        let allowed = ["PATH", "HOME", "LANG", "TMPDIR", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "OMNI_WORKER", "OMNI_SKILLS", "OMNI_SKILL_FOLDERS"];
        for name in names {
            assert!(allowed.contains(&name.as_str()) || name.starts_with("LC_"), "`{name}` leaked");
        }
        lab.finish().await;
    };
    shutting_down_ends_what_runs: async |lab: Lab| {
        let mut running = lab.call("ignores_everything").context().start();
        let pid = running.pid().await;
        lab.executor.shut_down().await;
        assert!(!support::exists(pid));
        assert_eq!(running.end().await.0.kind, OutcomeKind::Shutdown);
        assert_eq!(lab.call("nothing").run().await.kind, OutcomeKind::Shutdown);
        lab.finish().await;
    };
    an_interpreter_that_is_missing_is_named: async |lab: Lab| {
        drop(lab);
        for lab in [Lab::pool_with(no_python), Lab::spawn_with(no_python)] {
            let outcome = lab.call("nothing").run().await;
            let OutcomeKind::WorkerStart { message, .. } = &outcome.kind else { panic!("{outcome:?}") };
            assert!(message.contains("/no/such/python"), "{message}");
            lab.finish().await;
        }
    };
    an_interpreter_that_fails_is_quoted: async |lab: Lab| {
        drop(lab);
        for lab in [Lab::pool_with(no_package), Lab::spawn_with(no_package)] {
            let outcome = lab.call("nothing").run().await;
            let OutcomeKind::WorkerStart { message, .. } = &outcome.kind else { panic!("{outcome:?}") };
            assert!(message.contains("No module named"), "{message}");
            assert!(outcome.stderr.is_some());
            lab.finish().await;
        }
    };
}

fn no_python(config: &mut omni_exec::ExecConfig) {
    config.interpreter.path = "/no/such/python".into();
}

fn no_package(config: &mut omni_exec::ExecConfig) {
    config.package_dir = config.process.root.clone();
}
