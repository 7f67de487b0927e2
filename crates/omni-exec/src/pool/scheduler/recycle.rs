//! How workers are replaced: one that is worn, or all of them when the skills have changed.
//!
//! The rules (decision 0044), and the reason for each:
//!
//! - Whether a worker is worn is decided when it comes back from a call, so that an idle server starts nothing.
//! - A worn worker goes on serving until its successor is ready, so that no call waits for the start of Python and the
//!   imports. Then an idle one is retired at once, and a busy one when its call, and those pipelined to it, have ended.
//! - One successor is started at a time: replacing workers that began together must not take more than one core.
//! - Where there are as many workers as may be, or other pools have all permits, the old worker goes first. Calls then
//!   wait in the queue for the new one, which is better than a worker that goes on leaking.
//! - A renewal replaces all workers of earlier generations. As soon as the first worker of the newest generation is
//!   ready, none of an earlier one gets another call, so every later call runs the new code; running calls end where
//!   they are. A worker of an earlier generation that becomes ready after that is retired at once.
//! - A worker that keeps a state is retired before its successor starts, and only when its own skill has changed, since
//!   there must never be two workers with one state.

use omni_call::{Code, SkillId};

use crate::pool::outdated::OutdatedCode;

/// What the pool remembers of workers that are being replaced.
#[derive(Debug, Default)]
pub(super) struct RecycleState {
    /// The generation of the workers that are started now.
    pub(super) generation: u64,
    /// Workers of an earlier generation get no further call.
    pub(super) oldest: u64,
    /// A successor of a worn worker is being started.
    pub(super) successor_starting: bool,
    /// A worn worker is to be retired at its next return: its successor is ready, or got no permit.
    pub(super) retirement_due: bool,
    /// Skills that have changed since the oldest generation: their calls wait for a worker of the newest.
    pub(super) changed: Vec<SkillId>,
    pub(super) outdated: OutdatedCode,
}

impl RecycleState {
    /// Whether workers of the newest generation are wanted and none serves yet.
    pub(super) fn renewing(&self) -> bool {
        self.oldest < self.generation
    }

    /// The next generation: this code is outdated from now on.
    pub(super) fn renew(&mut self, outdated: &[Code]) {
        self.generation += 1;
        for code in outdated {
            if !self.changed.contains(&code.skill) {
                self.changed.push(code.skill);
            }
            self.outdated.note(*code);
        }
    }

    /// Whether calls of a skill wait for a worker of the newest generation.
    pub(super) fn holds(&self, skill: SkillId) -> bool {
        self.changed.contains(&skill)
    }
}
