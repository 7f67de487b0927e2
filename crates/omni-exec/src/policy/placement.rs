//! The layer that says which worker a call must go to, because its skill keeps state in memory: the call's affinity
//! key.

use std::future::ready;
use std::sync::Arc;

use omni_call::{Affinity, AffinityKey, BoxFuture, Call, CallPort, Executor, Outcome, OutcomeKind, RunSpec};

use crate::outcome::unstarted;

/// Gives each call of a skill that declares an affinity the key of the worker that has the skill's state. An executor
/// that keeps no state ignores the key.
pub struct Placement<E> {
    executor: E,
}

impl<E> Placement<E> {
    /// Around `executor`.
    pub fn new(executor: E) -> Self {
        Placement { executor }
    }
}

/// The key of a call; `None` when any worker may serve it. That holds also for a skill with state for each session when
/// the caller has no session, since its next call could not be recognised.
fn key(call: &Call) -> Option<AffinityKey> {
    key_of(&call.spec, &call.session)
}

fn key_of(spec: &RunSpec, session: &Arc<str>) -> Option<AffinityKey> {
    let session = match spec.policy.affinity? {
        Affinity::None => return None,
        Affinity::Single => None,
        Affinity::Session if session.is_empty() => return None,
        Affinity::Session => Some(Arc::clone(session)),
    };
    Some(AffinityKey { skill: spec.skill.clone(), session })
}

/// Why a call with that key would wait for ever: a call above it has the one worker with the state.
fn waits_for_itself(call: &Call) -> Option<Outcome> {
    let (key, parent) = (call.affinity.as_deref()?, call.parent.as_ref()?);
    let above = parent.chain().find(|above| key_of(&above.spec, &call.session).as_ref() == Some(key))?;
    let message = format!(
        "`{}` keeps its state in one worker, in which `{}` waits for it; call the function instead of the tool",
        call.spec.tool, above.spec.tool
    );
    Some(unstarted(call, OutcomeKind::tool_error("RuntimeError", message, None)))
}

fn placed(mut call: Call) -> Call {
    if call.spec.policy.affinity.is_some() {
        call.affinity = key(&call).map(Arc::new);
    }
    call
}

impl<E: Executor> Executor for Placement<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let call = placed(call);
        match waits_for_itself(&call) {
            Some(outcome) => Box::pin(ready(outcome)),
            None => self.executor.run(call, port),
        }
    }

    fn run_unboxed<'a>(
        &'a self,
        call: Call,
        port: &'a mut dyn CallPort,
    ) -> impl Future<Output = Outcome> + Send + 'a {
        let call = placed(call);
        async move {
            match waits_for_itself(&call) {
                Some(outcome) => outcome,
                None => self.executor.run_unboxed(call, port).await,
            }
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use omni_call::{CallId, CallRequest, Deadline, ParentCall, PythonTarget, RunSpec};

    use super::*;

    fn key_of(affinity: Option<Affinity>, session: &str) -> Option<AffinityKey> {
        let mut spec = RunSpec::new("s", "c", PythonTarget::new("/s", "a.py", "c"));
        spec.policy.affinity = affinity;
        let deadline = Deadline::new(Instant::now(), None, None);
        let call = Call::new(CallId(1), Arc::new(spec), CallRequest::tool("{}"), deadline);
        key(&Call { session: session.into(), ..call })
    }

    #[test]
    fn state_of_a_skill_has_one_key_and_state_of_a_session_one_for_each() {
        assert_eq!(key_of(None, "a"), None);
        assert_eq!(key_of(Some(Affinity::None), "a"), None);
        let single = key_of(Some(Affinity::Single), "a");
        assert_eq!(single, Some(AffinityKey { skill: "s".into(), session: None }));
        assert_eq!(single, key_of(Some(Affinity::Single), ""));
        let session = key_of(Some(Affinity::Session), "a");
        assert_eq!(session, Some(AffinityKey { skill: "s".into(), session: Some("a".into()) }));
        assert_ne!(session, key_of(Some(Affinity::Session), "b"));
        assert_eq!(key_of(Some(Affinity::Session), ""), None, "nothing tells the next call of it");
    }

    #[test]
    fn a_call_of_a_skill_whose_one_worker_waits_for_it_is_told_so() {
        let spec = |affinity| {
            let mut spec = RunSpec::new("s", "c", PythonTarget::new("/s", "a.py", "c"));
            spec.policy.affinity = affinity;
            Arc::new(spec)
        };
        let below = |own, above| {
            let parent = ParentCall { id: CallId(1), spec: spec(above), child: Arc::default(), parent: None };
            let deadline = Deadline::new(Instant::now(), None, None);
            let call = Call::new(CallId(2), spec(own), CallRequest::tool("{}"), deadline);
            waits_for_itself(&placed(Call { parent: Some(Arc::new(parent)), session: "a".into(), ..call }))
        };
        let (single, session) = (Some(Affinity::Single), Some(Affinity::Session));
        assert!(below(single, single).is_some() && below(session, session).is_some());
        assert!(below(single, None).is_none() && below(None, single).is_none());
        assert!(below(single, session).is_none(), "they have two workers");
    }
}
