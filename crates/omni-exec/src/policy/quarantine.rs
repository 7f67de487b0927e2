//! The layer that refuses a tool for a while when its calls have ended one process after another, whichever executor
//! ran them. Other tools are not affected.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{BoxFuture, Call, CallPort, Executor, Outcome, OutcomeKind, Phase, RunSpec};

use super::clock::now;
use super::function_key::FunctionKey;
use crate::outcome::unstarted;

/// After so many deaths within [`WINDOW`] the tool is refused for [`PAUSE`].
const DEATHS: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(30);

/// Refuses the calls of a tool for half a minute when three of its calls within a minute were the end of their process.
///
/// It judges by the outcome alone: [`Outcome::died`] of a call whose own code had begun. So a time limit never counts,
/// which bounds by itself what a slow tool costs; nor does the death of a process that several calls shared.
///
/// After the pause one death more is one too many, for as long as those before are younger than a minute.
pub struct Quarantine<E> {
    executor: E,
    /// Whether there are records: nothing is locked as long as no process has died.
    any: AtomicBool,
    records: Mutex<DeathRecords>,
}

impl<E> Quarantine<E> {
    /// Around `executor`, with no death known.
    pub fn new(executor: E) -> Self {
        Quarantine { executor, any: AtomicBool::new(false), records: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, DeathRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the call's tool is still refused.
    fn refuses(&self, call: &Call) -> Option<Duration> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let (mut records, now) = (self.lock(), now());
        records.forget(now);
        // Stored under the lock, or a death that is noted at the same moment could be missed.
        self.any.store(!records.by_function.is_empty(), Ordering::Relaxed);
        records.refuses(&FunctionKey::of(&call.spec), now)
    }

    fn judge(&self, spec: &RunSpec, outcome: &Outcome) {
        if !outcome.died || outcome.phase != Phase::Started {
            return;
        }
        let one_too_many = {
            let mut records = self.lock();
            self.any.store(true, Ordering::Relaxed);
            records.note(FunctionKey::of(spec), now())
        };
        if one_too_many {
            tracing::warn!(
                tool = spec.tool,
                kind = outcome.kind.name(),
                seconds = PAUSE.as_secs(),
                "its calls killed one process after another; it gets a pause"
            );
        }
    }
}

impl<E: Executor> Executor for Quarantine<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        if let Some(retry_after) = self.refuses(&call) {
            let refused = unstarted(&call, OutcomeKind::Quarantined { retry_after });
            return Box::pin(std::future::ready(refused));
        }
        Box::pin(async move {
            let spec = Arc::clone(&call.spec);
            // Unboxed within the box of this layer. For most calls it is the only layer that waits for their outcome,
            // so this is the only box.
            let outcome = self.executor.run_unboxed(call, port).await;
            self.judge(&spec, &outcome);
            outcome
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}

/// What is remembered of tools whose calls were the end of their process.
#[derive(Default)]
struct DeathRecords {
    by_function: HashMap<FunctionKey, DeathRecord>,
}

#[derive(Default)]
struct DeathRecord {
    deaths: Vec<Instant>,
    until: Option<Instant>,
}

impl DeathRecords {
    /// Forgets what is over.
    fn forget(&mut self, now: Instant) {
        self.by_function.retain(|_, record| record.matters(now));
    }

    /// Notes that a call of this tool was the end of its process. True when that was one too many.
    fn note(&mut self, function: FunctionKey, now: Instant) -> bool {
        self.forget(now);
        let record = self.by_function.entry(function).or_default();
        record.deaths.retain(|at| now.duration_since(*at) < WINDOW);
        record.deaths.push(now);
        if record.deaths.len() < DEATHS {
            return false;
        }
        // After the pause one death more is again one too many, for as long as these are not forgotten.
        record.deaths.remove(0);
        record.until = Some(now + PAUSE);
        true
    }

    fn refuses(&self, function: &FunctionKey, now: Instant) -> Option<Duration> {
        let until = self.by_function.get(function)?.until?;
        (now < until).then(|| until.duration_since(now))
    }
}

impl DeathRecord {
    fn matters(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
            || self.deaths.iter().any(|at| now.duration_since(*at) < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use omni_call::{FunctionKind, PythonTarget};

    use super::*;

    fn tool(name: &str) -> FunctionKey {
        function(name, FunctionKind::Tool)
    }

    fn function(name: &str, kind: FunctionKind) -> FunctionKey {
        let target = PythonTarget { kind, ..PythonTarget::new("/a", "scripts/a.py", "f") };
        let mut spec = RunSpec::new("a", "f", target);
        name.clone_into(&mut spec.tool);
        FunctionKey::of(&spec)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_third_death_within_a_minute_brings_a_pause_for_that_tool_alone() {
        let (mut records, start) = (DeathRecords::default(), Instant::now());
        assert!(!records.note(tool("a.b"), start));
        assert!(!records.note(tool("a.b"), start + 20 * SECOND));
        assert!(!records.note(tool("a.c"), start + 20 * SECOND));
        assert_eq!(records.refuses(&tool("a.b"), start + 20 * SECOND), None);
        assert!(records.note(tool("a.b"), start + 40 * SECOND));
        assert_eq!(records.refuses(&tool("a.b"), start + 50 * SECOND), Some(20 * SECOND));
        assert_eq!(records.refuses(&tool("a.c"), start + 50 * SECOND), None);
        assert_eq!(records.refuses(&tool("a.b"), start + 70 * SECOND), None);
    }

    #[test]
    fn a_prompt_and_a_tool_of_one_name_have_a_fate_each() {
        let (mut records, start) = (DeathRecords::default(), Instant::now());
        for _ in 0..3 {
            records.note(function("a.b", FunctionKind::Prompt), start);
        }
        assert_eq!(records.refuses(&tool("a.b"), start), None);
        assert!(records.refuses(&function("a.b", FunctionKind::Prompt), start).is_some());
        assert_eq!(records.refuses(&function("a.b", FunctionKind::Completion), start), None);
    }

    #[test]
    fn after_the_pause_one_more_death_is_enough() {
        let (mut records, start) = (DeathRecords::default(), Instant::now());
        for _ in 0..3 {
            records.note(tool("a.b"), start);
        }
        assert!(records.note(tool("a.b"), start + 31 * SECOND));
        assert!(records.refuses(&tool("a.b"), start + 32 * SECOND).is_some());
    }

    #[test]
    fn deaths_further_apart_than_a_minute_are_forgotten() {
        let (mut records, start) = (DeathRecords::default(), Instant::now());
        for turn in 0..10 {
            assert!(!records.note(tool("a.b"), start + turn * 31 * SECOND));
        }
        records.note(tool("a.c"), start + 1000 * SECOND);
        assert_eq!(records.by_function.len(), 1, "what is over is not kept");
    }
}
