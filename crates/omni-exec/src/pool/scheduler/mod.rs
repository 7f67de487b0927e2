//! What the pool decides, as a value that is stepped with events and `now`, and says by effects what is to be done.
//!
//! One file answers one question: who waits (`line`), what was sent ahead (`pipeline`), who keeps a state (`states`),
//! whether the workers get on (`load`), who takes whose place (`recycle`). `state` holds them together; `calls`,
//! `workers` and `tick` are the events.

mod calls;
mod effect;
mod line;
mod load;
mod pipeline;
mod recycle;
mod slots;
mod state;
mod states;
mod tick;
mod workers;

pub(in crate::pool) use effect::{
    Admission, Bounds, CallFacts, CallId, Condition, Effect, Farewell, Refusal, WorkerId,
};
pub(in crate::pool) use state::Scheduler;
pub(in crate::pool) use states::StateKey;

#[cfg(test)]
mod tests;
