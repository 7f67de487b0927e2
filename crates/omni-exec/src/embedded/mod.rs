//! C: calls in an interpreter that is part of a process of ours.

mod worker;

pub use worker::embedded_worker;
pub(crate) use worker::worker_argv;
