//! The scheduler, step by step.

mod affinity;
mod carried;
mod growth;
mod pipelining;
mod processes;
mod property;
mod recycling;
mod steps;
mod waiting;
mod world;
