//! What the pool decides: a value that is told of events, with the time of each, and answers with effects to carry out.
//!
//! Each file answers one question: which calls wait (`queue`), which were sent to a worker behind another (`pipeline`),
//! which worker keeps which state (`skill_states`), whether there are enough workers (`load`), which worker replaces
//! which (`recycle`), which version of a skill's code runs where (`code`), which workers count (`waiting`). `state` holds it all; `calls`, `workers` and `tick` are the events.

mod calls;
mod code;
mod effect;
mod load;
mod pipeline;
mod queue;
mod recycle;
mod skill_states;
mod slots;
mod state;
mod tick;
mod waiting;
mod workers;

pub(in crate::pool) use effect::{
    AbandonedCallEnd, Admission, CallFacts, CallHandle, Effect, PoolBounds, RefusalReason, WorkerCondition,
    WorkerHandle,
};
pub(in crate::pool) use skill_states::StateKey;
pub(in crate::pool) use state::Scheduler;

#[cfg(test)]
mod tests;
