//! One attempt at a call, wherever it is made: what the frames of a worker mean, how the attempt ended, whether there is
//! another, and what its end means to the caller.
//!
//! Who brings the frames differs: a worker of its own, read by the call's own future (`worker/`); one that many calls
//! share, read by a task (`pool/multiplex/`); a thread of the embedded interpreter; a runner, over HTTP. What they mean
//! does not. An attempt is driven by the future of its call, so everything here works on what it is lent and owns nothing
//! that lives on.

mod attempts;
mod conclude;
mod hearing;
mod outcome_kind;
mod reader;
mod result;
mod running;

pub(crate) use attempts::Attempts;
pub(crate) use conclude::{AttemptSite, Concluding, conclude};
pub(crate) use hearing::{Hearing, alive};
pub(crate) use outcome_kind::error_outcome_kind;
pub(crate) use reader::{FinalMessage, Meaning, Reader};
pub(crate) use result::AttemptResult;
pub(crate) use running::{RunningCall, WorkerView};

#[cfg(test)]
mod tests;
