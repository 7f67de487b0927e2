//! Which worker takes another's place: one that is worn, or all of them when the skills have changed.
//!
//! The rules (decisions 0018 and 0044), and why each:
//!
//! - Whether a worker is worn is judged when it comes back from a call, so that a machine at rest starts nothing.
//! - It goes on until its successor is ready: the start of Python and the imports are nobody's wait. Then it goes at once
//!   if it is idle, else at the end of its call; what was pipelined to it it does first.
//! - One successor at a time: replacing all that began together must not take more than one core.
//! - Where there may be no more workers than there are, or other pools have all places, the old one goes first: calls wait
//!   in the queue for the new one, which is better than a worker that leaks on.
//! - A renewal is the same for all workers of a generation. The first worker of the newest generation that is ready moves
//!   all on: whoever waits for it knows that every call from then on runs the new code, and calls under way end where
//!   they are. A worker of an older generation that becomes ready later goes as if it came back from a call.
//! - A worker that keeps a state goes before its successor comes, and only when its own skill changed: there must
//!   never be two of one state.

/// What the pool remembers of workers that are being replaced.
#[derive(Debug, Default)]
pub(super) struct RecycleState {
    /// The generation of the workers that are started now.
    pub(super) generation: u64,
    /// Workers of an earlier generation get no further call.
    pub(super) oldest: u64,
    /// A worker is being started in place of one that is worn. One at a time, so that replacing never takes more
    /// than one core.
    pub(super) successor_starting: bool,
    /// One is ready, or cannot come, and no worn one has gone for it yet.
    pub(super) retirement_due: bool,
}

impl RecycleState {
    /// Whether workers of the newest generation are wanted and none serves yet.
    pub(super) fn renewing(&self) -> bool {
        self.oldest < self.generation
    }
}
