//! Calls that are sent to a worker behind the one it runs: whatever happens to that one, each of them runs
//! once, and nobody waits for it.

mod support;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use omni_call::{CallResult, Outcome, OutcomeKind};
use serde_json::json;
use support::{Lab, Request, Running, text};

/// What the calls of a test left behind.
struct Notebook {
    path: PathBuf,
}

impl Notebook {
    fn new(lab: &Lab) -> Self {
        Notebook { path: lab.root().join("notes.txt") }
    }

    fn call(&self, lab: &Lab, line: &str, then: &str, seconds: f64) -> Request {
        let mut request = lab.call("notes");
        if then == "exit" {
            // One tool that crashed so often would be refused.
            request.spec.tool = format!("lab.notes{line}");
        }
        request.args(&json!({"path": self.path, "line": line, "then": then, "seconds": seconds}))
    }

    fn quick(&self, lab: &Lab, line: &str) -> Running {
        self.call(lab, line, "return", 0.0).start()
    }

    /// How often each line stands there.
    fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for line in std::fs::read_to_string(&self.path).unwrap_or_default().lines() {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        counts
    }

    async fn wait_for(&self, line: &str) {
        support::wait_until("a line", || self.counts().contains_key(line)).await;
    }
}

async fn outcome(run: Running) -> Outcome {
    run.end().await.0
}

/// Has one worker that has just shown that its calls are short.
async fn warm(lab: &Lab) {
    for _ in 0..3 {
        lab.call("pid").run().await;
    }
}

#[tokio::test]
async fn those_behind_a_slow_call_do_not_wait_for_it_and_run_once() {
    let lab = Lab::pool_with(|config| config.workers_max = 2);
    warm(&lab).await;
    let notes = Notebook::new(&lab);
    let mut quick: Vec<(String, Running)> = Vec::new();
    let mut slow = None;
    for n in 0..60 {
        if n == 20 {
            slow = Some(notes.call(&lab, "slow", "return", 3600.0).start());
        }
        quick.push((format!("quick {n}"), notes.quick(&lab, &format!("quick {n}"))));
    }
    for (line, run) in quick {
        assert_eq!(text(&outcome(run).await), line);
        assert_eq!(notes.counts()[&line], 1, "{line}");
    }
    notes.wait_for("slow").await;
    slow.unwrap().cancel().await;
    lab.finish().await;
}

#[tokio::test]
async fn a_crash_costs_none_of_those_behind_it() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    warm(&lab).await;
    let notes = Notebook::new(&lab);
    let runs: Vec<Running> = (0..60)
        .map(|n| match n % 10 {
            5 => notes.call(&lab, &n.to_string(), "exit", 0.0).start(),
            _ => notes.quick(&lab, &n.to_string()),
        })
        .collect();
    for (n, run) in runs.into_iter().enumerate() {
        let outcome = outcome(run).await;
        match n % 10 {
            5 => assert_eq!(outcome.kind, OutcomeKind::Exited { code: 9, message: None }, "{n}"),
            _ => assert_eq!(text(&outcome), n.to_string()),
        }
    }
    let counts = notes.counts();
    assert!((0..60).all(|n| counts[&n.to_string()] == 1), "{counts:?}");
    lab.finish().await;
}

#[tokio::test]
async fn a_call_taken_back_or_out_of_time_takes_none_of_those_behind_it_along() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    warm(&lab).await;
    let notes = Notebook::new(&lab);
    let mut before: Vec<Running> = (0..10).map(|n| notes.quick(&lab, &format!("before {n}"))).collect();
    let taken_back = notes.call(&lab, "taken back", "return", 3600.0).start();
    let between: Vec<Running> = (0..10).map(|n| notes.quick(&lab, &format!("between {n}"))).collect();
    let late = notes.call(&lab, "late", "return", 3600.0).timeout(Duration::from_millis(800)).start();
    let after: Vec<Running> = (0..10).map(|n| notes.quick(&lab, &format!("after {n}"))).collect();
    notes.wait_for("taken back").await;
    taken_back.cancel().await;
    before.extend(between);
    before.extend(after);
    for run in before {
        assert!(matches!(outcome(run).await.kind, OutcomeKind::Finished(_)));
    }
    assert!(matches!(outcome(late).await.kind, OutcomeKind::TimedOut { .. }));
    assert!(notes.counts().values().all(|count| *count == 1), "{:?}", notes.counts());
    lab.finish().await;
}

async fn has_run_once(notes: &Notebook, line: &str, run: Running) {
    match outcome(run).await.kind {
        OutcomeKind::Finished(CallResult::Tool(result)) => {
            assert!(String::from_utf8_lossy(&result.content).contains(&format!("\"{line}\"")))
        }
        OutcomeKind::Exited { code, .. } => assert_eq!(code, 9),
        other => panic!("{line}: {other:?}"),
    }
    assert_eq!(notes.counts()[line], 1, "{line}");
}

#[tokio::test]
async fn in_any_mixture_each_call_runs_once_and_gets_its_own_answer() {
    let lab = Lab::pool_with(|config| config.workers_max = 3);
    warm(&lab).await;
    let notes = Notebook::new(&lab);
    // A fixed sequence that looks like none.
    let mut seed = 12345_u64;
    let mut next = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut kept = VecDeque::new();
    for n in 0..600 {
        let line = n.to_string();
        let run = match next(20) {
            0 => notes.call(&lab, &line, "exit", 0.0).start(),
            1 => notes.call(&lab, &line, "return", 0.02).start(),
            2 | 3 => {
                notes.call(&lab, &line, "return", 0.005).start().cancel().await;
                continue;
            }
            _ => notes.quick(&lab, &line),
        };
        kept.push_back((line, run));
        if next(30) == 0
            && let Some((line, run)) = kept.pop_front()
        {
            // So that others come while the line is short.
            has_run_once(&notes, &line, run).await;
        }
    }
    for (line, run) in kept {
        has_run_once(&notes, &line, run).await;
    }
    assert!(notes.counts().values().all(|count| *count == 1), "{:?}", notes.counts());
    lab.finish().await;
}

#[tokio::test]
async fn at_shutdown_every_call_gets_an_outcome_wherever_it_waits() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    warm(&lab).await;
    let notes = Notebook::new(&lab);
    let mut runs: Vec<Running> = (0..5).map(|n| notes.quick(&lab, &n.to_string())).collect();
    runs.push(notes.call(&lab, "slow", "return", 3600.0).start());
    runs.extend((5..20).map(|n| notes.quick(&lab, &n.to_string())));
    notes.wait_for("slow").await;
    lab.finish().await;
    for run in runs {
        let kind = outcome(run).await.kind;
        assert!(matches!(kind, OutcomeKind::Finished(_) | OutcomeKind::Shutdown), "{kind:?}");
    }
}
