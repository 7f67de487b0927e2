//! Which worker takes another's place: one that is worn, or all of them when the skills have changed (decision 0018).
//!
//! The new worker is ready before the old one stops taking calls. Only where there may be no more workers than
//! there are, the old one goes first, and calls wait in line for the new one.

/// What the pool remembers of workers that are being replaced.
#[derive(Debug, Default)]
pub(super) struct Recycling {
    /// The generation of the workers that are started now.
    pub(super) generation: u64,
    /// Workers of an earlier generation get no further call.
    pub(super) oldest: u64,
    /// A worker is being started in place of one that is worn. One at a time, so that replacing never takes more
    /// than one core.
    pub(super) coming: bool,
    /// One is ready, or cannot come, and no worn one has gone for it yet.
    pub(super) due: bool,
}

impl Recycling {
    /// Whether workers of the newest generation are wanted and none serves yet.
    pub(super) fn renewing(&self) -> bool {
        self.oldest < self.generation
    }
}
