//! What is done around a call besides running it, as layers: each is an executor around an executor, and does one
//! thing. Which there are, and in which order a call meets them, is in [`server_policy`].

mod ask_recorder;
mod cache;
mod choice;
mod clock;
mod concurrency;
mod function_key;
mod placement;
mod quarantine;
mod refusal;
mod retry;
mod size;
mod targets;

use omni_call::Executor;

pub use cache::ResultCache;
pub use choice::{ChoiceRules, ExecutorChoice, ExecutorProvider, ExecutorSet, ExecutorSets, SetNeeds};
pub use concurrency::ConcurrencyLimits;
pub use placement::Placement;
pub use quarantine::Quarantine;
pub use refusal::StartRefusal;
pub use retry::Retry;
pub use size::SizeLimit;

/// The bounds of a server's policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyBounds {
    /// A frame to a worker or a runner at most.
    pub frame_bytes_max: usize,
    /// All kept results together at most, with what they answer.
    pub cached_bytes_max: usize,
}

impl Default for PolicyBounds {
    /// 16 MiB and 64 KiB for a frame, 16 MiB for results.
    fn default() -> Self {
        PolicyBounds { frame_bytes_max: (16 << 20) + (64 << 10), cached_bytes_max: 16 << 20 }
    }
}

/// The policy of a server around `executor`, which runs the calls: usually an [`ExecutorChoice`]. A call meets the
/// layers in the order in which they stand here, its outcome the other way round. A call that a layer has nothing to do
/// with costs a branch there.
///
/// Dropping a call's future leaves whatever queue it waits in and cancels whichever attempt runs.
pub fn server_policy<E: Executor>(executor: E, bounds: PolicyBounds) -> impl Executor {
    // First, since it is cheap: a call that is too large for any executor must not wait in a queue.
    SizeLimit::new(
        // Before the limits, since a cached result needs no permit; and before the quarantine, since a cached result is
        // good whatever the tool does now.
        ResultCache::new(
            // Around all attempts: a call keeps its permit over the pause before the next attempt.
            ConcurrencyLimits::new(
                // Around the quarantine: each attempt counts there, and a quarantine ends the attempts.
                Retry::new(process_policy(executor)),
            ),
            bounds.cached_bytes_max,
        ),
        bounds.frame_bytes_max,
    )
}

/// The policy of a runner around `executor`: only what concerns the runner's own processes. Caching, concurrency limits
/// and attempts are done by the server that calls the runner, which knows all calls of a tool.
pub fn runner_policy<E: Executor>(executor: E, bounds: PolicyBounds) -> impl Executor {
    SizeLimit::new(process_policy(executor), bounds.frame_bytes_max)
}

fn process_policy<E: Executor>(executor: E) -> Quarantine<Placement<E>> {
    // Around the choice of an executor, so that the deaths that a tool causes add up, whichever executor runs it.
    Quarantine::new(
        // Before that choice, which depends on it: a call with an affinity key gets a worker that serves no other
        // skill.
        Placement::new(executor),
    )
}
