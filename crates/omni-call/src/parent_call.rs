//! The calls above a call: a running tool may call another, and waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{CallId, ExecutorKind, RunSpec};

/// A call that has made another one, and waits for that.
#[derive(Debug)]
pub struct ParentCall {
    pub id: CallId,
    pub spec: Arc<RunSpec>,
    /// What the call that it waits for, and those below that, say to it.
    pub child: Arc<ChildStatus>,
    /// The call that has made this one; `None` for a client's.
    pub parent: Option<Arc<ParentCall>>,
}

impl ParentCall {
    /// Calls at most that are made one by the other, the client's own not counted.
    pub const DEPTH_MAX: usize = 8;

    /// This call and those above it, up to the client's own.
    pub fn chain(&self) -> impl Iterator<Item = &ParentCall> {
        std::iter::successors(Some(self), |call| call.parent.as_deref())
    }

    /// The tools from the client's own call down to this one: `a.x → b.y`.
    pub fn names(&self) -> String {
        let mut names: Vec<&str> = self.chain().map(|call| call.spec.tool.as_str()).collect();
        names.reverse();
        names.join(" → ")
    }

    /// Has every call of the chain that runs in such an executor lend its place: a call below waits for one there, and
    /// they wait for that call.
    pub fn ask_for_slots(&self, executor: ExecutorKind) {
        self.chain().for_each(|call| call.child.ask_for(executor));
    }
}

/// What a call that waits for another is told of that one: whether it needs a place in an executor, which the waiting call
/// may have, and whether it waits for the client.
#[derive(Debug, Default)]
pub struct ChildStatus {
    wanted: AtomicU32,
    questions: AtomicU32,
}

impl ChildStatus {
    /// From now on a place in that executor is wanted.
    pub fn ask_for(&self, executor: ExecutorKind) {
        self.wanted.fetch_or(bit(executor), Ordering::Relaxed);
    }

    /// The same for every executor: nobody here knows where the call goes.
    pub fn ask_for_any(&self) {
        self.wanted.store(u32::MAX, Ordering::Relaxed);
    }

    /// Whether a place in that executor is wanted.
    pub fn wants(&self, executor: ExecutorKind) -> bool {
        self.wanted.load(Ordering::Relaxed) & bit(executor) != 0
    }

    /// Counts a question to the client, until what is returned is dropped.
    pub fn question(self: &Arc<Self>) -> ChildQuestion {
        self.questions.fetch_add(1, Ordering::Relaxed);
        ChildQuestion(Arc::clone(self))
    }

    /// Whether a question to the client is open.
    pub fn waits_for_client(&self) -> bool {
        self.questions.load(Ordering::Relaxed) > 0
    }
}

/// A question to the client that a call below has open.
#[derive(Debug)]
pub struct ChildQuestion(Arc<ChildStatus>);

impl Drop for ChildQuestion {
    fn drop(&mut self) {
        self.0.questions.fetch_sub(1, Ordering::Relaxed);
    }
}

fn bit(executor: ExecutorKind) -> u32 {
    1 << executor as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PythonTarget;

    fn call(name: &str, parent: Option<Arc<ParentCall>>) -> Arc<ParentCall> {
        let spec = Arc::new(RunSpec::new("s", name, PythonTarget::new("/s", "a.py", name)));
        Arc::new(ParentCall { id: CallId(1), spec, child: Arc::default(), parent })
    }

    #[test]
    fn a_call_knows_all_above_it() {
        let first = call("one", None);
        let third = call("three", Some(call("two", Some(Arc::clone(&first)))));
        assert_eq!((first.chain().count(), third.chain().count()), (1, 3));
        assert_eq!(third.names(), "s.one → s.two → s.three");
    }

    #[test]
    fn a_place_is_asked_for_of_all_above_and_in_that_executor_only() {
        let first = call("one", None);
        let second = call("two", Some(Arc::clone(&first)));
        second.ask_for_slots(ExecutorKind::Fork);
        for call in [&first, &second] {
            let wanted: Vec<_> =
                ExecutorKind::ALL.into_iter().filter(|kind| call.child.wants(*kind)).collect();
            assert_eq!(wanted, [ExecutorKind::Fork]);
        }
        let question = second.child.question();
        assert!(second.child.waits_for_client() && !first.child.waits_for_client());
        drop(question);
        assert!(!second.child.waits_for_client());
        first.child.ask_for_any();
        assert!(ExecutorKind::ALL.into_iter().all(|kind| first.child.wants(kind)));
    }
}
