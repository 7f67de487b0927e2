//! What the pool decides, as a value that is stepped with events and `now`, and says by effects what is to be done.
//!
//! One file answers one question: who waits (`queue`), what was pipelined (`pipeline`), who keeps a state (`states`),
//! whether the workers get on (`load`), who takes whose place (`recycle`). `state` holds them together; `calls`,
//! `workers` and `tick` are the events.

mod calls;
mod effect;
mod load;
mod pipeline;
mod queue;
mod recycle;
mod skill_states;
mod slots;
mod state;
mod tick;
mod workers;

pub(in crate::pool) use effect::{
    AbandonedCallEnd, Admission, CallFacts, CallHandle, Effect, PoolBounds, RefusalReason, WorkerCondition,
    WorkerHandle,
};
pub(in crate::pool) use skill_states::StateKey;
pub(in crate::pool) use state::Scheduler;

#[cfg(test)]
mod tests;
