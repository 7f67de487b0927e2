//! The layer that says which worker a call must go to, because its skill keeps state in memory: the call's affinity
//! key.

use std::sync::Arc;

use omni_call::{Affinity, AffinityKey, BoxFuture, Call, CallPort, Executor, Outcome};

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
    let session = match call.spec.policy.affinity? {
        Affinity::None => return None,
        Affinity::Single => None,
        Affinity::Session if call.session.is_empty() => return None,
        Affinity::Session => Some(Arc::clone(&call.session)),
    };
    Some(AffinityKey { skill: call.spec.skill.clone(), session })
}

fn placed(mut call: Call) -> Call {
    if call.spec.policy.affinity.is_some() {
        call.affinity = key(&call).map(Arc::new);
    }
    call
}

impl<E: Executor> Executor for Placement<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        self.executor.run(placed(call), port)
    }

    fn run_unboxed<'a>(
        &'a self,
        call: Call,
        port: &'a mut dyn CallPort,
    ) -> impl Future<Output = Outcome> + Send + 'a {
        self.executor.run_unboxed(placed(call), port)
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use omni_call::{CallId, CallRequest, Deadline, PythonTarget, RunSpec};

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
}
