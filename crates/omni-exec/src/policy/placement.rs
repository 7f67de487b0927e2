//! Which calls must meet in one worker: the key by which a pool places a call of a skill that keeps state in memory.

use std::sync::Arc;

use omni_call::{Affinity, AffinityKey, BoxFuture, Call, CallPort, Executor, Outcome};

/// Gives each call the key of the worker that has its skill's state, where its skill declares an affinity. The executor
/// within honours the key, or has no state to keep.
pub struct Placement<E> {
    executor: E,
}

impl<E> Placement<E> {
    /// Around `executor`.
    pub fn new(executor: E) -> Self {
        Placement { executor }
    }
}

/// `None` for a call that any worker may serve. A caller without a session has nothing by which its next call could be
/// known.
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
