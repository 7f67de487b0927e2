//! One attempt at a call, wherever it is made: what the frames of a worker mean, how the attempt ended, whether there is
//! another, and what its end means to the caller.
//!
//! Who brings the frames differs: a worker of its own, read by the call's own future (`worker/`); one that many calls
//! share, read by a task (`pool/multiplex/`); a thread of the embedded interpreter; a runner, over HTTP. What they mean
//! does not. An attempt is driven by the future of its call, so everything here works on what it is lent and owns nothing
//! that lives on.

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
