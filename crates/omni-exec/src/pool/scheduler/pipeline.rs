//! The calls that a worker was sent behind the one it runs, and how they come back.
//!
//! A worker that is given several short calls in one write needs no process switch between them. But a call behind
//! one that hangs, crashes or is cancelled must not share its fate, and no call may run twice. What makes both true
//! (decisions 0008 and 0038):
//!
//! - Calls are numbered by the worker they go to, in the order in which they are written, and the worker runs them
//!   in that order. So "this one and all before it" is one number.
//! - The worker notes on its status page that it begins call *n*, and only then looks at the page for what is
//!   revoked. We note there that all up to *m* are revoked, and only then look at what has begun. Whichever store
//!   comes first, the other side sees it: a call that is not noted as begun [`REVOKED_FOR`] after the revocation
//!   never will be, and may go to another worker.
//! - What is noted as begun stays with its worker, whatever becomes of that. Its end is told by the worker's own
//!   frames: a result, the word `skipped` when it saw the revocation after all, or the end of the process.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::time::Instant;

use super::effect::CallHandle;
use crate::bounds::REVOKED_FOR;

/// Calls that a worker may be sent behind the one it runs.
pub(super) const PIPELINED_MAX: usize = 16;

/// A call that was pipelined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PipelinedCall {
    pub(super) number: u64,
    /// `None` when its caller has left.
    pub(super) call: Option<CallHandle>,
}

/// What one worker was sent.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// The number of the last call that was sent.
    last: u64,
    /// The number of the call at hand, or of the one that ended last.
    at_hand: u64,
    behind: VecDeque<PipelinedCall>,
    /// When what stands behind the call at hand was revoked, if it was.
    revoked: Option<Instant>,
    /// What it has begun of them was read since, so that nothing but begun calls stands behind.
    settled: bool,
    /// The call that was at hand at the last [look](Self::is_stalled).
    seen: u64,
}

impl Pipeline {
    /// Whether nothing stands behind the call at hand.
    pub(super) fn is_empty(&self) -> bool {
        self.behind.is_empty()
    }

    /// Whether the worker has had no call yet.
    pub(super) fn is_new(&self) -> bool {
        self.last == 0
    }

    /// Numbers a call that goes to a worker which has nothing to do. It is the one at hand.
    pub(super) fn begin(&mut self) -> u64 {
        self.last += 1;
        self.at_hand = self.last;
        (self.revoked, self.settled, self.seen) = (None, false, 0);
        self.at_hand
    }

    /// Numbers a call that goes behind the one at hand.
    pub(super) fn send_behind(&mut self, call: CallHandle) -> u64 {
        self.last += 1;
        self.behind.push_back(PipelinedCall { number: self.last, call: Some(call) });
        self.last
    }

    /// The one at hand has ended: makes the next one the call at hand.
    pub(super) fn advance(&mut self) -> Option<PipelinedCall> {
        let next = self.behind.pop_front()?;
        self.at_hand = next.number;
        Some(next)
    }

    /// The caller of a call behind has left. The worker runs it all the same, unless it is revoked.
    pub(super) fn orphan(&mut self, call: CallHandle) {
        if let Some(sent) = self.behind.iter_mut().find(|sent| sent.call == Some(call)) {
            sent.call = None;
        }
    }

    /// Revokes what stands behind the call at hand. Returns up to which number, if anything does.
    pub(super) fn revoke(&mut self, now: Instant) -> Option<u64> {
        let last = self.behind.back()?.number;
        self.revoked.get_or_insert(now);
        Some(last)
    }

    /// Whether it is to be read now what the worker has begun: the revocation is old enough for its notes to be
    /// believed.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let old_enough = self.revoked.is_some_and(|revoked| now >= revoked + REVOKED_FOR);
        old_enough && !self.settled && !self.is_empty()
    }

    /// Whether the same call has been at hand since the last look, and others wait behind it that could go
    /// elsewhere.
    pub(super) fn is_stalled(&mut self) -> bool {
        if self.is_empty() || self.revoked.is_some() {
            return false;
        }
        let stalled = self.seen == self.at_hand;
        self.seen = self.at_hand;
        stalled
    }

    /// Takes out the calls that the worker has not begun. They must have been revoked for long enough, or the
    /// worker must be dead.
    pub(super) fn take_unstarted(&mut self, begun: u64) -> Drain<'_, PipelinedCall> {
        self.settled = true;
        let kept = self.behind.iter().take_while(|sent| sent.number <= begun).count();
        self.behind.drain(kept..)
    }
}
