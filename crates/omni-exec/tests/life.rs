//! How long workers live: when they are replaced, that nobody notices, and what a reload does.

mod support;

use std::collections::HashSet;
use std::os::unix::fs::symlink;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use omni_call::{Affinity, CallResult, OutcomeKind, Policy, SkillChange};
use omni_exec::{Pool, RecycleLimits};
use serde_json::{Value, json};
use support::{Lab, Request, Running, served_by_another, text, wait_gone, wait_until};

fn calls(limit: u64) -> RecycleLimits {
    RecycleLimits { calls: Some(limit), ..RecycleLimits::UNLIMITED }
}

fn sleeper(lab: &Lab, tool: &str) -> Request {
    lab.call(tool).args(&json!({"seconds": 60})).context()
}

async fn pid(lab: &Lab) -> i64 {
    lab.call("pid").value().await.as_i64().unwrap_or_default()
}

#[tokio::test]
async fn a_worker_serves_no_more_calls_than_it_may_and_no_call_is_lost() {
    let lab = Lab::pool_with(|config| config.recycle_limits = calls(20));
    let mut served = HashSet::new();
    // Each has more calls than it may while its successor is on its way, and then none any more.
    for _ in 0..3 {
        let next = served_by_another(|| lab.call("pid"), &served).await;
        served.insert(next);
    }
    lab.finish().await;
}

#[tokio::test]
async fn the_old_worker_goes_on_until_the_new_one_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let python = folder.path().join("python");
    symlink(support::python(), &python).expect("a link");
    let lab = Lab::pool_with(|config| {
        config.recycle_limits = calls(10);
        config.interpreter.path.clone_from(&python);
    });
    let first = pid(&lab).await;
    std::fs::remove_file(&python).expect("the link");
    // A spare may have been started before.
    let mut old = HashSet::from([first]);
    for _ in 0..50 {
        old.insert(pid(&lab).await);
    }
    assert!(old.len() <= 2, "no other can be started: {old:?}");
    symlink(support::python(), &python).expect("a link");
    served_by_another(|| lab.call("pid"), &old).await;
    lab.finish().await;
}

#[tokio::test]
async fn where_there_may_be_one_only_the_old_one_goes_first_and_calls_wait() {
    let lab = Lab::pool_with(|config| {
        config.recycle_limits = calls(5);
        config.workers_max = 1;
    });
    let mut pids = HashSet::new();
    for _ in 0..30 {
        let outcome = lab.call("pid").run().await;
        pids.insert(text(&outcome));
        assert_eq!(outcome.attempt, 1);
        assert!(lab.processes().len() <= 1, "more than one at once");
    }
    assert!((6..=8).contains(&pids.len()), "each serves four or five calls: {pids:?}");
    lab.finish().await;
}

#[tokio::test]
async fn callers_who_never_pause_lose_nothing_while_workers_are_replaced() {
    let lab = Arc::new(Lab::pool_with(|config| {
        config.recycle_limits = calls(50);
        config.workers_max = 6;
    }));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move {
                let mut pids = HashSet::new();
                for _ in 0..60 {
                    pids.insert(text(&lab.call("pid").run().await));
                }
                pids
            })
        })
        .collect();
    let mut pids = HashSet::new();
    for caller in callers {
        pids.extend(caller.await.expect("no call failed"));
    }
    // Under such a load starts take long, and the old ones go on until then.
    assert!(pids.len() > 3, "{} workers for 960 calls", pids.len());
    Arc::into_inner(lab).expect("all callers are done").finish().await;
}

#[tokio::test]
async fn age_and_memory_wear_a_worker_out_too() {
    let aged = RecycleLimits { age: Some(Duration::from_millis(50)), ..RecycleLimits::UNLIMITED };
    let lab = Lab::pool_with(|config| config.recycle_limits = aged);
    let first = HashSet::from([pid(&lab).await]);
    served_by_another(|| lab.call("pid"), &first).await;
    lab.finish().await;
    let small = RecycleLimits { memory_bytes: Some(150 << 20), ..RecycleLimits::UNLIMITED };
    let lab = Lab::pool_with(|config| config.recycle_limits = small);
    let first = pid(&lab).await;
    assert_eq!(lab.call("keeps_memory").args(&json!({"mebibytes": 200})).value().await, json!(first));
    served_by_another(|| lab.call("pid"), &HashSet::from([first])).await;
    lab.finish().await;
}

#[tokio::test]
async fn a_worker_that_goes_runs_what_skills_registered_for_its_end() {
    let lab = Lab::pool_with(|config| {
        config.recycle_limits = calls(1);
        config.workers_max = 1;
    });
    let path = lab.root().join("farewell");
    lab.call("says_farewell").args(&json!({"path": path})).value().await;
    wait_until("its last word", || path.exists()).await;
    lab.finish().await;
}

#[tokio::test]
async fn the_worker_of_async_tools_is_replaced_while_its_calls_go_on() {
    let lab = Lab::pool_with(|config| config.recycle_limits = calls(20));
    let mut waiting = sleeper(&lab, "async_sleeps").start();
    let old = waiting.pid().await;
    let count = || async { lab.call("async_counts").value().await["pid"].as_i64() };
    // Each call has one more of them end there, until another worker takes over.
    while count().await == Some(i64::from(old)) {}
    assert!(support::lives(old), "it has a call");
    waiting.cancel().await;
    wait_gone(old).await;
    lab.finish().await;
}

#[tokio::test]
async fn a_reload_replaces_all_workers_and_fails_none_of_fifty_calls_under_way() {
    let (lab, pool) = Lab::pool_to_renew(|_| {});
    lab.edit(1);
    let version = |tool: &'static str| {
        let request = lab.call_in("edited.py", tool);
        async move { request.value().await }
    };
    assert_eq!((version("version").await, version("async_version").await), (json!(1), json!(1)));
    let mut under_way: Vec<Running> = Vec::new();
    for turn in 0..50 {
        let tool = if turn % 2 == 0 { "sleeps" } else { "async_sleeps" };
        under_way.push(lab.call(tool).args(&json!({"seconds": 2})).context().start());
    }
    for call in &mut under_way {
        call.pid().await;
    }
    lab.edit(2);
    pool.renew(&lab.changed()).await;
    for _ in 0..20 {
        assert_eq!((version("version").await, version("async_version").await), (json!(2), json!(2)));
    }
    for call in under_way {
        assert_eq!(text(&call.end().await.0), "slept");
    }
    lab.finish().await;
}

#[tokio::test]
async fn reloads_under_load_lose_no_call_and_none_that_begins_later_runs_an_older_version() {
    let (lab, pool) = Lab::pool_to_renew(|config| config.workers_max = 4);
    let lab = Arc::new(lab);
    lab.edit(0);
    let done = Arc::new(AtomicBool::new(false));
    let reloaded = Arc::new(AtomicU32::new(0));
    let callers: Vec<_> = (0..6)
        .map(|n| {
            let (lab, done, reloaded) = (Arc::clone(&lab), Arc::clone(&done), Arc::clone(&reloaded));
            let tool = if n % 2 == 0 { "version" } else { "async_version" };
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let oldest = reloaded.load(Ordering::Relaxed);
                    let outcome = lab.call_in("edited.py", tool).run().await;
                    assert!(matches!(outcome.kind, OutcomeKind::Finished(_)), "{outcome:?}");
                    let version: u32 = text(&outcome).parse().unwrap_or_default();
                    assert!(version >= oldest, "version {version} after {oldest}");
                }
            })
        })
        .collect();
    for version in 1..=8 {
        lab.edit(version);
        pool.renew(&lab.changed()).await;
        reloaded.store(version, Ordering::Relaxed);
        assert_eq!(lab.call_in("edited.py", "version").value().await, json!(version));
        assert_eq!(lab.call_in("edited.py", "async_version").value().await, json!(version));
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no call failed");
    }
    drop(pool);
    Arc::into_inner(lab).expect("all callers are done").finish().await;
}

#[tokio::test]
async fn a_reload_waits_for_nobody_where_there_may_be_one_worker_only() {
    let (lab, pool) = Lab::pool_to_renew(|config| config.workers_max = 1);
    let mut under_way = sleeper(&lab, "sleeps").start();
    let old = under_way.pid().await;
    pool.renew(&lab.changed()).await;
    let next = lab.call("pid").start();
    under_way.cancel().await;
    assert_ne!(text(&next.end().await.0), old.to_string());
    lab.finish().await;
}

#[tokio::test]
async fn where_no_worker_can_be_started_for_the_new_code_its_calls_say_so_until_one_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let python = folder.path().join("python");
    symlink(support::python(), &python).expect("a link");
    let (lab, pool) = Lab::pool_to_renew(|config| {
        config.interpreter.path.clone_from(&python);
        // Another one, that has imported nothing of it, would serve on.
        (config.workers_min, config.workers_max) = (0, 1);
    });
    let old = pid(&lab).await;
    std::fs::remove_file(&python).expect("the link");
    let changed = lab.changed();
    let renewing = tokio::spawn({
        let pool: Arc<Pool> = Arc::clone(&pool);
        async move { pool.renew(&changed).await }
    });
    // It takes effect as soon as the renewal is polled.
    tokio::task::yield_now().await;
    // Nobody can run the new code, and nobody runs the old one.
    for _ in 0..3 {
        let outcome = lab.call("pid").run().await;
        assert!(matches!(outcome.kind, OutcomeKind::WorkerStart { .. }), "{outcome:?}");
    }
    symlink(support::python(), &python).expect("a link");
    renewing.await.expect("it ends");
    // Another start is tried only after a pause.
    let new = loop {
        let outcome = lab.call("pid").run().await;
        match outcome.kind {
            OutcomeKind::WorkerStart { .. } => tokio::task::yield_now().await,
            _ => break text(&outcome),
        }
    };
    assert_ne!(new, old.to_string());
    drop(pool);
    lab.finish().await;
}

#[tokio::test]
async fn a_skill_with_state_keeps_its_worker_until_the_skill_itself_changes() {
    let (lab, pool) = Lab::pool_to_renew(|config| config.recycle_limits = calls(3));
    let single = Policy { affinity: Some(Affinity::Single), ..Policy::default() };
    let count = || async { lab.call("counts").policy(single.clone()).run().await };
    let number = |text: String| serde_json::from_str::<Value>(&text).unwrap_or_default()["n"].as_u64();
    for expected in 1..=10 {
        assert_eq!(number(text(&count().await)), Some(expected));
    }
    pool.renew(&[SkillChange { skill: "another".into(), folder: "/another".into(), before: None }]).await;
    assert_eq!(number(text(&count().await)), Some(11));
    pool.renew(&lab.changed()).await;
    let outcome = count().await;
    assert_eq!(number(text(&outcome)), Some(1));
    let OutcomeKind::Finished(CallResult::Tool(result)) = outcome.kind else { panic!("{outcome:?}") };
    assert!(result.meta.is_some_and(|meta| meta.windows(4).any(|word| word == b"lost")), "it is told");
    drop(pool);
    lab.finish().await;
}

#[tokio::test]
async fn an_async_tool_that_crashes_alone_three_times_gets_a_pause_and_its_neighbours_do_not() {
    let lab = Lab::governed();
    for _ in 0..3 {
        let outcome = lab.call("async_exits").args(&json!({"code": 5})).run().await;
        assert_eq!(outcome.kind, OutcomeKind::Exited { code: 5, message: None });
    }
    let refused = lab.call("async_exits").args(&json!({"code": 5})).run().await;
    assert!(matches!(refused.kind, OutcomeKind::Quarantined { .. }), "{refused:?}");
    assert_eq!(lab.call("async_echo").args(&json!({"text": "x"})).value().await, json!("x"));
    lab.finish().await;
}

#[tokio::test]
async fn nobody_is_blamed_for_a_crash_that_two_async_calls_were_under_way_at() {
    let lab = Lab::governed();
    for _ in 0..4 {
        let mut bystander = sleeper(&lab, "async_sleeps").start();
        bystander.pid().await;
        let outcome = lab.call("async_exits").args(&json!({"code": 5})).run().await;
        assert!(matches!(outcome.kind, OutcomeKind::Lost { .. }), "{outcome:?}");
        bystander.end().await;
    }
    lab.finish().await;
}

/// Writes a skill file whose import leaves a line in `imports` for each process that does it.
fn slow_to_import(lab: &Lab, then: &str) -> Request {
    let text = format!(
        "import os, sys\nfrom omni import tool\n\nopen({:?}, 'a').write(f'{{os.getpid()}}\\n')\n{then}\n\n\
         @tool\ndef pid() -> int:\n    return os.getpid()\n",
        lab.root().join("imports")
    );
    std::fs::write(lab.root().join("skills/lab/scripts/heavy.py"), text).expect("a file in the lab's folder");
    lab.call_in("heavy.py", "pid").python(|python| python.preload = true)
}

fn imports(lab: &Lab) -> Vec<String> {
    let lines = std::fs::read_to_string(lab.root().join("imports")).unwrap_or_default();
    lines.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_skill_that_asks_for_it_is_imported_before_a_worker_takes_calls() {
    let (lab, pool) = Lab::pool_to_renew(|config| config.recycle_limits = calls(5));
    let tool = Arc::new(slow_to_import(&lab, "").spec);
    pool.preload(&tool);
    pool.warm_up();
    wait_until("the import", || imports(&lab).len() == 1).await;
    let first = text(&lab.call("pid").with(&tool).run().await);
    assert_eq!(imports(&lab), std::slice::from_ref(&first));
    // Its successor has imported it as well before it is asked anything.
    let old = HashSet::from([first.parse().expect("a number")]);
    served_by_another(|| lab.call("pid"), &old).await;
    let before = imports(&lab);
    let second = text(&lab.call("pid").with(&tool).run().await);
    assert!(before.contains(&second), "{second} is none of {before:?}");
    drop(pool);
    lab.finish().await;
}

#[tokio::test]
async fn an_import_that_fails_or_kills_ahead_of_its_calls_stops_nobody_else() {
    for (then, dies) in [("raise ValueError", false), ("os._exit(3)", true)] {
        let (lab, pool) = Lab::pool_to_renew(|_| {});
        let tool = Arc::new(slow_to_import(&lab, then).spec);
        pool.preload(&tool);
        let outcome = lab.call("echo").args(&json!({"text": "x"})).run().await;
        assert_eq!((text(&outcome).as_str(), outcome.attempt), ("x", 1), "{then}");
        let asynchronous = lab.call("async_echo").args(&json!({"text": "y"})).run().await;
        assert_eq!(text(&asynchronous), "y", "{then}");
        let outcome = lab.call("pid").with(&tool).run().await;
        match outcome.kind {
            OutcomeKind::LoadError { .. } => assert!(!dies),
            OutcomeKind::Exited { code: 3, .. } => assert!(dies),
            other => panic!("{then}: {other:?}"),
        }
        drop(pool);
        lab.finish().await;
    }
}
