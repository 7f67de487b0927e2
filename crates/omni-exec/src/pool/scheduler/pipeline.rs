//! The calls that a worker was sent behind the one it runs, and how they are taken back.
//!
//! A worker that gets several short calls in one write needs no process switch between them. But a call must not suffer
//! when the one before it hangs, crashes or is cancelled, and no call may run twice. This is how (decisions 0008 and
//! 0038):
//!
//! - Each worker's calls are numbered in the order in which they are written to it, and it runs them in that order. So
//!   "this call and all before it" is a single number.
//! - The worker first notes on its status page that it begins call *n*, and then reads there what is revoked. We first
//!   note there that all calls up to *m* are revoked, and then read what has begun. Whichever store comes first, the
//!   other side sees it. So a call that is not noted as begun [`REVOKED_FOR`] after the revocation never will be, and
//!   may go to another worker.
//! - A call that is noted as begun stays with its worker, whatever happens to the worker. How it ended is said by the
//!   worker's frames (a result, or `skipped` when the worker saw the revocation after all), or by the end of the
//!   process.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::time::Instant;

use omni_call::SkillId;

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
    pub(super) skill: Option<SkillId>,
}

/// What one worker was sent.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// The number of the last call that was sent.
    last: u64,
    /// The number of the current call, or of the one that ended last.
    at_hand: u64,
    behind: VecDeque<PipelinedCall>,
    /// When the calls behind the current one were revoked, if they were.
    revoked: Option<Instant>,
    /// The highest number that was ever revoked.
    revoked_up_to: u64,
    /// After the revocation it was read which of them the worker has begun, and the others were taken out.
    settled: bool,
    /// The call that was the current one when [`is_stalled`](Self::is_stalled) was asked last.
    seen: u64,
}

impl Pipeline {
    /// Whether no call is behind the current one.
    pub(super) fn is_empty(&self) -> bool {
        self.behind.is_empty()
    }

    /// Whether the worker has had no call yet.
    pub(super) fn is_new(&self) -> bool {
        self.last == 0
    }

    /// Numbers a call that goes to an idle worker. It is the current one.
    pub(super) fn begin(&mut self) -> u64 {
        self.last += 1;
        self.at_hand = self.last;
        (self.revoked, self.settled, self.seen) = (None, false, 0);
        self.at_hand
    }

    /// Numbers a call that is sent behind the current one.
    pub(super) fn send_behind(&mut self, call: CallHandle, skill: Option<SkillId>) -> u64 {
        self.last += 1;
        self.behind.push_back(PipelinedCall { number: self.last, call: Some(call), skill });
        self.last
    }

    /// Whether a call of the skill stands behind the current one.
    pub(super) fn has_behind(&self, skill: SkillId) -> bool {
        self.behind.iter().any(|sent| sent.skill == Some(skill))
    }

    /// The current call has ended: makes the next one the current one.
    pub(super) fn advance(&mut self) -> Option<PipelinedCall> {
        let next = self.behind.pop_front()?;
        self.at_hand = next.number;
        Some(next)
    }

    /// The caller of a call that is behind has left. The worker runs the call all the same, unless it is revoked.
    pub(super) fn orphan(&mut self, call: CallHandle) {
        if let Some(sent) = self.behind.iter_mut().find(|sent| sent.call == Some(call)) {
            sent.call = None;
        }
    }

    /// Revokes the calls behind the current one. Returns the number of the last of them; `None` when there are none.
    pub(super) fn revoke(&mut self, now: Instant) -> Option<u64> {
        let last = self.behind.back()?.number;
        self.revoked.get_or_insert(now);
        // Never less than before: what was taken back then may run elsewhere, and the worker has yet to skip it.
        self.revoked_up_to = self.revoked_up_to.max(last);
        Some(self.revoked_up_to)
    }

    /// Revokes the call at hand, which the worker skips unless it has begun it. Returns up to which number.
    pub(super) fn revoke_at_hand(&mut self) -> u64 {
        self.revoked_up_to = self.revoked_up_to.max(self.at_hand);
        self.revoked_up_to
    }

    /// Whether it is time to read which calls the worker has begun: so long after the revocation its status page says
    /// so for certain.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let old_enough = self.revoked.is_some_and(|revoked| now >= revoked + REVOKED_FOR);
        old_enough && !self.settled && !self.is_empty()
    }

    /// Whether the current call is the same as at the last tick, and calls are behind it that could run elsewhere.
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
