//! One attempt at a call, wherever it is made: what the frames of a worker mean, how the attempt ended, whether there
//! is another one, and what the outcome is.
//!
//! Frames come from a worker with one call, read by the call's own future (`worker/`); from a worker that many calls
//! share, read by a task (`pool/multiplex/`); from a thread of the embedded interpreter; or from a runner, over HTTP.
//! They mean the same wherever they come from. The future of the call drives the attempt, so everything here borrows
//! what it works on, and nothing here outlives the attempt.

mod attempt_counter;
mod call_context;
mod conclude;
mod frame_reader;
mod outcome_kind;
mod result;
mod running;

pub(crate) use attempt_counter::AttemptCounter;
pub(crate) use call_context::{CallContext, alive};
pub(crate) use conclude::{AttemptFacts, AttemptSite, conclude};
pub(crate) use frame_reader::{FinalMessage, FrameMeaning, FrameReader};
pub(crate) use outcome_kind::error_outcome_kind;
pub(crate) use result::AttemptResult;
pub(crate) use running::{RunningCall, WorkerView};

#[cfg(test)]
mod tests;
