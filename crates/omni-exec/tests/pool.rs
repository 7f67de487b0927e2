//! What only a pool can get right or wrong: which worker serves whom, the line, the number of workers, and
//! async calls that share one.

mod support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use omni_call::{OutcomeKind, Phase};
use omni_exec::{ExecConfig, SharedBounds};
use serde_json::json;
use support::{Lab, Request, Running, said, text, wait_gone, wait_until};

fn sleeper(lab: &Lab, seconds: f64) -> Request {
    lab.call("sleeps").args(&json!({"seconds": seconds})).context()
}

#[tokio::test]
async fn one_worker_serves_call_after_call() {
    let lab = Lab::pool();
    let mut pids = HashSet::new();
    for _ in 0..20 {
        pids.insert(lab.call("pid").value().await.as_i64());
    }
    assert_eq!(pids.len(), 1);
    lab.finish().await;
}

#[tokio::test]
async fn an_error_costs_no_worker() {
    let lab = Lab::pool();
    let before = lab.call("pid").value().await;
    lab.call("raises").run().await;
    lab.call("sys_exit").args(&json!({"code": 3})).run().await;
    lab.call_in("broken.py", "whatever").run().await;
    assert_eq!(lab.call("pid").value().await, before);
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_that_obeys_its_cancellation_keeps_its_worker() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    let mut running = lab.call("obeys").context().start();
    let pid = running.pid().await;
    running.cancel().await;
    assert_eq!(lab.call("pid").value().await, json!(pid));
    lab.finish().await;
}

#[tokio::test]
async fn a_place_stays_taken_until_the_process_is_gone() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    let mut running = lab.call("ignores_everything").context().start();
    let pid = running.pid().await;
    running.cancel().await;
    let next = lab.call("pid").value().await;
    assert!(!support::lives(pid), "a second worker was started beside the one being killed");
    assert_ne!(next, json!(pid));
    lab.finish().await;
}

#[tokio::test]
async fn many_sleeping_calls_sleep_at_the_same_time() {
    let lab = Lab::pool();
    let runs: Vec<Running> = (0..20).map(|_| sleeper(&lab, 60.0).start()).collect();
    let mut pids = HashSet::new();
    for mut run in runs {
        // Waits until this one runs; all others go on sleeping meanwhile.
        pids.insert(run.pid().await);
        std::mem::forget(run);
    }
    assert_eq!(pids.len(), 20);
    lab.finish().await;
}

#[tokio::test]
async fn a_spare_is_started_while_the_last_worker_is_held() {
    let lab = Lab::pool();
    let mut running = sleeper(&lab, 60.0).start();
    let pid = running.pid().await;
    wait_until("a spare", || lab.processes().len() == 2).await;
    let next = lab.call("pid").value().await;
    assert_ne!(next, json!(pid));
    running.cancel().await;
    lab.finish().await;
}

#[tokio::test]
async fn workers_above_the_minimum_are_retired() {
    let lab = Lab::pool_with(|config| config.idle_worker_ttl = Duration::from_millis(200));
    let mut runs: Vec<Running> = (0..4).map(|_| sleeper(&lab, 0.5).start()).collect();
    let mut pids = HashSet::new();
    for run in &mut runs {
        pids.insert(run.pid().await);
    }
    assert!(pids.len() > 1);
    wait_until("the others to be retired", || lab.processes().len() == 1).await;
    lab.finish().await;
}

#[tokio::test]
async fn a_worker_that_dies_while_idle_is_replaced_before_the_next_call() {
    let lab = Lab::pool();
    // The worker that served last serves next, whether there is a spare by now or not.
    let first = lab.call("pid").value().await.as_i64().and_then(|pid| i32::try_from(pid).ok());
    let first = first.expect("a number");
    assert_eq!(lab.call("dies_later").value().await, json!("done"));
    wait_gone(first).await;
    wait_until("another worker", || lab.processes().iter().any(|pid| *pid != first)).await;
    let outcome = lab.call("pid").run().await;
    assert_eq!(outcome.attempt, 1);
    lab.finish().await;
}

#[tokio::test]
async fn a_death_before_the_tool_began_is_tried_again_in_silence() {
    let lab = Lab::pool();
    let outcome = lab.call_in("dying.py", "second_time").run().await;
    assert_eq!((text(&outcome).as_str(), outcome.attempt), ("imported", 2));
    lab.finish().await;
}

#[tokio::test]
async fn a_pool_whose_first_call_finds_all_places_taken_gets_the_next_that_is_free() {
    let shared = SharedBounds::default();
    let one = |config: &mut ExecConfig| {
        config.workers_max = 1;
        config.shared = shared.clone();
    };
    let (first, second) = (Lab::pool_with(one), Lab::pool_with(one));
    let mut busy = sleeper(&first, 60.0).start();
    busy.pid().await;
    let waiting = second.call("nothing").start();
    tokio::task::yield_now().await;
    assert_eq!(second.processes(), [0_i32; 0]);
    busy.cancel().await;
    assert!(matches!(waiting.end().await.0.kind, OutcomeKind::Finished(_)));
    first.finish().await;
    second.finish().await;
}

#[tokio::test]
async fn a_call_taken_back_in_line_never_starts() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    let mut first = sleeper(&lab, 60.0).start();
    first.pid().await;
    let second = lab.call("os_exit").args(&json!({"code": 1})).start();
    tokio::task::yield_now().await;
    second.cancel().await;
    let third = lab.call("nothing").start();
    first.cancel().await;
    assert!(matches!(third.end().await.0.kind, OutcomeKind::Finished(_)));
    lab.finish().await;
}

#[tokio::test]
async fn the_line_is_bounded_for_a_tool_and_altogether() {
    let lab = Lab::pool_with(|config| {
        config.workers_max = 1;
        config.queue_per_tool_max = 2;
        config.queue_max = 3;
    });
    let mut first = sleeper(&lab, 60.0).start();
    first.pid().await;
    // Places are counted by run specification, which the catalogue makes once for a tool.
    let shared = std::sync::Arc::new(lab.call("nothing").spec);
    let mut waiting: Vec<Running> = (0..2).map(|_| lab.call("nothing").with(&shared).start()).collect();
    tokio::task::yield_now().await;
    let refused = lab.call("nothing").with(&shared).run().await;
    assert!(matches!(refused.kind, OutcomeKind::Busy { .. }), "{refused:?}");
    assert_eq!(refused.phase, Phase::Queued);
    waiting.push(lab.call("pid").start());
    tokio::task::yield_now().await;
    let refused = lab.call("echo").args(&json!({"text": ""})).run().await;
    assert!(matches!(refused.kind, OutcomeKind::Busy { .. }), "{refused:?}");
    first.cancel().await;
    for run in waiting {
        assert!(matches!(run.end().await.0.kind, OutcomeKind::Finished(_)));
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_call_whose_time_runs_out_in_line_ends_there() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    let mut first = sleeper(&lab, 60.0).start();
    first.pid().await;
    let outcome = lab.call("nothing").timeout(Duration::from_millis(100)).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{outcome:?}");
    assert_eq!(outcome.phase, Phase::Queued);
    first.cancel().await;
    lab.finish().await;
}

#[tokio::test]
async fn a_late_word_of_a_former_call_does_not_reach_the_next_one() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    assert_eq!(lab.call("leaves_a_thread").value().await, json!("done"));
    let (outcome, events) = lab.call("narrates").start().end().await;
    let outcome = outcome.kind;
    assert!(matches!(outcome, OutcomeKind::ToolError { .. }), "it has no context: {outcome:?}");
    assert!(said(&events).iter().all(|line| !line.contains("half")));
    lab.finish().await;
}

#[tokio::test]
async fn failing_starts_are_not_repeated_at_once() {
    let lab = Lab::pool_with(|config| config.package_dir = config.process.root.clone());
    let began = Instant::now();
    let mut refused = 0;
    for _ in 0..50 {
        let outcome = lab.call("nothing").run().await;
        assert!(matches!(outcome.kind, OutcomeKind::WorkerStart { .. }), "{outcome:?}");
        refused += usize::from(outcome.elapsed < Duration::from_millis(2));
    }
    // Fifty starts, one after the other, each with a Python in it, would not leave any call that quick.
    assert!(refused >= 25, "{refused} of 50 refused at once in {:?}", began.elapsed());
    lab.finish().await;
}

#[tokio::test]
async fn nothing_is_started_before_the_first_call() {
    let lab = Lab::pool();
    assert_eq!(lab.processes(), [0_i32; 0]);
    lab.finish().await;
}

#[tokio::test]
async fn dropping_the_pool_kills_its_workers() {
    let lab = Lab::pool();
    lab.call("pid").run().await;
    let pids = lab.processes();
    let _folder = lab.without_executor();
    for pid in pids {
        wait_gone(pid).await;
    }
}

#[tokio::test]
async fn async_calls_share_a_worker_and_wait_together() {
    let lab = Lab::pool();
    let runs: Vec<Running> =
        (0..50).map(|_| lab.call("async_sleeps").args(&json!({"seconds": 0.2})).context().start()).collect();
    for run in runs {
        assert_eq!(text(&run.end().await.0), "slept");
    }
    assert_eq!(lab.processes().len(), 1);
    assert_eq!(lab.call("async_echo").args(&json!({"text": "a"})).value().await, json!("a"));
    lab.finish().await;
}

#[tokio::test]
async fn an_async_call_taken_back_leaves_its_neighbours_alone() {
    let lab = Lab::pool();
    let sleeper =
        |seconds: f64| lab.call("async_sleeps").args(&json!({"seconds": seconds})).context().start();
    let mut first = sleeper(60.0);
    let pid = first.pid().await;
    let second = sleeper(1.0);
    first.cancel().await;
    assert_eq!(text(&second.end().await.0), "slept");
    assert_eq!(lab.processes(), [pid]);
    lab.finish().await;
}

#[tokio::test]
async fn an_async_call_past_its_time_says_where_it_waits() {
    let lab = Lab::pool();
    lab.call("async_echo").args(&json!({"text": "the worker is ready"})).run().await;
    let request = lab.call("async_sleeps").args(&json!({"seconds": 60})).context();
    let outcome = request.timeout(Duration::from_secs(1)).run().await;
    assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit: Duration::from_secs(1) });
    let stack = outcome.stack.unwrap_or_default();
    assert!(stack.ends_with(" in async_sleeps"), "{stack}");
    lab.finish().await;
}

#[tokio::test]
async fn a_blocked_event_loop_is_killed_at_its_deadline_and_bystanders_may_try_again() {
    let lab = Lab::pool();
    for function in ["async_blocks", "async_ignores"] {
        let mut bystander = lab.call("async_sleeps").args(&json!({"seconds": 60})).context().start();
        let pid = bystander.pid().await;
        let outcome = lab.call(function).context().timeout(Duration::from_secs(1)).run().await;
        assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit: Duration::from_secs(1) }, "{function}");
        let stack = outcome.stack.unwrap_or_default();
        assert!(stack.contains(&format!(" in {function}")), "{function}: {stack}");
        wait_gone(pid).await;
        let lost = bystander.end().await.0;
        assert!(matches!(lost.kind, OutcomeKind::Lost { .. }), "{lost:?}");
        assert_eq!(lab.call("async_echo").args(&json!({"text": "up"})).value().await, json!("up"));
    }
    lab.finish().await;
}

#[tokio::test]
async fn an_async_tool_that_ends_python_is_told_so_when_it_was_alone() {
    let lab = Lab::pool();
    let outcome = lab.call("async_exits").args(&json!({"code": 5})).run().await;
    assert_eq!(outcome.kind, OutcomeKind::Exited { code: 5, message: None });
    let mut bystander = lab.call("async_sleeps").args(&json!({"seconds": 60})).context().start();
    bystander.pid().await;
    let outcome = lab.call("async_exits").args(&json!({"code": 5})).run().await;
    for lost in [outcome, bystander.end().await.0] {
        assert!(matches!(lost.kind, OutcomeKind::Lost { .. }), "{lost:?}");
    }
    lab.finish().await;
}
