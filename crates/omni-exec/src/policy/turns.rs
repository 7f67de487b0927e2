//! How many calls of one tool, and of one skill, run at once; the others wait in the order they came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use omni_call::RunSpec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls at most that wait for their turn behind one limit, as many as wait for a worker for one tool.
const WAITING_MAX: usize = 1024;

/// The limits in force, by tool and by skill.
#[derive(Default)]
pub(super) struct Turns {
    gates: Mutex<HashMap<Scope, Arc<Gate>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Tool(String),
    Skill(String),
}

struct Gate {
    limit: u32,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A call's right to run, given back when it is dropped.
pub(super) struct Turn(#[expect(dead_code, reason = "held for its drop")] [Option<OwnedSemaphorePermit>; 2]);

/// What a call finds that wants to run.
pub(super) enum Wait {
    Now(Turn),
    Later(Waiting),
    Full,
}

/// A place in line. Dropping it leaves the line.
pub(super) struct Waiting {
    gates: [Option<(Arc<Gate>, Counted)>; 2],
}

impl Turns {
    /// The turn of a call of this tool, or a place in line for it.
    pub(super) fn take(&self, spec: &RunSpec) -> Wait {
        let policy = &spec.policy;
        // Always the tool first, then the skill: in one order nobody waits for somebody who waits for him.
        let gates = [
            policy.concurrency.map(|limit| self.gate(Scope::Tool(spec.tool.clone()), limit)),
            policy.skill_concurrency.map(|limit| self.gate(Scope::Skill(spec.skill.clone()), limit)),
        ];
        let free = gates.each_ref().map(|gate| match gate {
            None => Ok(None),
            Some(gate) => Arc::clone(&gate.places).try_acquire_owned().map(Some),
        });
        if let [Ok(tool), Ok(skill)] = free {
            return Wait::Now(Turn([tool, skill]));
        }
        let mut waits = [None, None];
        for (wait, gate) in waits.iter_mut().zip(gates) {
            if let Some(gate) = gate {
                let Some(counted) = Counted::new(&gate) else { return Wait::Full };
                *wait = Some((gate, counted));
            }
        }
        Wait::Later(Waiting { gates: waits })
    }

    fn gate(&self, scope: Scope, limit: u32) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let places = Arc::new(Semaphore::new(usize::try_from(limit).unwrap_or(usize::MAX)));
            Arc::new(Gate { limit, places, waiting: AtomicUsize::new(0) })
        };
        let gate = gates.entry(scope).or_insert_with(fresh);
        // The skill was edited: who holds the old gate goes on by the old limit.
        if gate.limit != limit {
            *gate = fresh();
        }
        Arc::clone(gate)
    }
}

impl Waiting {
    /// Resolves when the call may run, first come first served.
    pub(super) async fn turn(self) -> Turn {
        let mut permits = [None, None];
        for (permit, gate) in permits.iter_mut().zip(self.gates) {
            if let Some((gate, _counted)) = gate {
                // Never closed, so never an error; without a permit the call would merely run.
                *permit = Arc::clone(&gate.places).acquire_owned().await.ok();
            }
        }
        Turn(permits)
    }
}

/// One of the calls that wait at a gate.
struct Counted(Arc<Gate>);

impl Counted {
    fn new(gate: &Arc<Gate>) -> Option<Self> {
        // Counted before it is looked at, so that the bound holds with several threads as well.
        let this = Counted(Arc::clone(gate));
        (gate.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(this)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use omni_call::PythonTarget;

    use super::*;

    fn spec(command: &str, tool: Option<u32>, skill: Option<u32>) -> RunSpec {
        let mut spec = RunSpec::new("s", command, PythonTarget::new("/s", "a.py", command));
        spec.policy.concurrency = tool;
        spec.policy.skill_concurrency = skill;
        spec
    }

    fn now(wait: Wait) -> Option<Turn> {
        match wait {
            Wait::Now(turn) => Some(turn),
            Wait::Later(_) | Wait::Full => None,
        }
    }

    #[test]
    fn a_skill_s_limit_counts_all_of_its_tools_and_a_tool_s_only_its_own() {
        let turns = Turns::default();
        let [one, two] = ["one", "two"].map(|command| spec(command, Some(1), Some(2)));
        let first = now(turns.take(&one)).expect("the first may run");
        assert!(now(turns.take(&one)).is_none(), "one at a time");
        let second = now(turns.take(&two)).expect("another tool may run");
        assert!(now(turns.take(&spec("three", None, Some(2)))).is_none(), "two of the skill at a time");
        drop((first, second));
        assert!(now(turns.take(&one)).is_some());
    }

    #[test]
    fn the_line_has_an_end() {
        let turns = Turns::default();
        let spec = spec("one", Some(1), None);
        let _running = now(turns.take(&spec));
        let mut line = Vec::new();
        for _ in 0..WAITING_MAX {
            line.push(turns.take(&spec));
        }
        assert!(line.iter().all(|wait| matches!(wait, Wait::Later(_))));
        assert!(matches!(turns.take(&spec), Wait::Full));
        line.pop();
        assert!(matches!(turns.take(&spec), Wait::Later(_)), "whoever leaves makes room");
    }

    #[tokio::test]
    async fn the_first_who_came_is_the_first_to_run() {
        let turns = Turns::default();
        let spec = spec("one", Some(1), None);
        let running = now(turns.take(&spec));
        let [mut first, mut second] = [turns.take(&spec), turns.take(&spec)].map(|wait| match wait {
            Wait::Later(waiting) => Box::pin(waiting.turn()),
            Wait::Now(_) | Wait::Full => unreachable!("the place is taken"),
        });
        assert!(futures_pending(&mut first).await && futures_pending(&mut second).await);
        drop(running);
        assert!(futures_pending(&mut second).await, "the second waits for the first");
        let turn = first.await;
        assert!(futures_pending(&mut second).await);
        drop(turn);
        second.await;
    }

    async fn futures_pending(future: &mut (impl Future<Output = Turn> + Unpin)) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
