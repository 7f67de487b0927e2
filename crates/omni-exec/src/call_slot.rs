//! What a call takes of a bound on how many run at once, and that it counts nowhere while it waits for its client
//! (decision 0074).
//!
//! Such a call needs no core, and a person may take minutes. Were it counted, a few open questions would keep every other
//! call of the server waiting. So each executor releases what the call has of its bound when the first question opens, and
//! takes it again when the last is closed. It does not wait for that: a call that has its answer goes on at once, above the
//! bound if need be, which then is what new calls wait for. How many calls wait for their clients is bounded where the
//! questions are put.
//!
//! A call that waits for another one, which its tool has called, keeps its place until that one, or one further below,
//! waits for a place in the same executor. Then it is released too, and calls from below are served before others: it is
//! lent rather than given up (decision 0076).

use omni_call::ExecutorKind;

/// What one call takes of an executor's bound.
pub(crate) trait CallSlot: Send {
    /// Whose bound it is.
    fn executor(&self) -> ExecutorKind;

    /// The call waits for its client: another may run in its place.
    fn release(&mut self);

    /// The call goes on, or is ended, which takes a process as well: it counts again, whether there is room or not.
    fn reacquire(&mut self);
}

/// Two bounds, the first of which may not count this call.
impl<A: CallSlot, B: CallSlot + ?Sized> CallSlot for (Option<&mut A>, &mut B) {
    fn executor(&self) -> ExecutorKind {
        self.1.executor()
    }

    fn release(&mut self) {
        if let Some(first) = &mut self.0 {
            first.release();
        }
        self.1.release();
    }

    fn reacquire(&mut self) {
        if let Some(first) = &mut self.0 {
            first.reacquire();
        }
        self.1.reacquire();
    }
}

/// Releases a call's slot while the call waits. Dropped meanwhile, as when the call is cancelled, it takes the slot again.
pub(crate) struct SlotWhileRunning<'a> {
    slot: &'a mut dyn CallSlot,
    released: bool,
}

impl<'a> SlotWhileRunning<'a> {
    /// The slot of a call that runs.
    pub(crate) fn new(slot: &'a mut dyn CallSlot) -> Self {
        SlotWhileRunning { slot, released: false }
    }

    /// Notes whether the call needs its slot: not while it waits for its client, and not while what it waits for wants it,
    /// which `lends` says of an executor.
    pub(crate) fn note(&mut self, lends: impl FnOnce(ExecutorKind) -> bool) {
        let waits = lends(self.slot.executor());
        if waits != self.released {
            self.released = waits;
            if waits {
                self.slot.release();
            } else {
                self.slot.reacquire();
            }
        }
    }
}

impl Drop for SlotWhileRunning<'_> {
    fn drop(&mut self) {
        self.note(|_| false);
    }
}
