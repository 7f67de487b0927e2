//! How one attempt at a call ended, before anybody says what that means to its caller.

use omni_call::{Expired, ToolResult};
use omni_process::ExitStatus;

use crate::wire::{ErrorFrame, WireError};

/// How one attempt ended.
#[derive(Debug)]
pub(crate) enum AttemptResult {
    Result(ToolResult),
    Error(ErrorFrame),
    /// A part of the result was larger than a result may be.
    TooLarge,
    /// The call was revoked, and the worker had not begun it.
    Skipped,
    /// The worker has other files of the skill than the call means, and has run nothing of it. No failure of the tool's, nor
    /// of the worker's.
    Stale,
    /// The process of the call has ended: the kernel's word.
    Died(ExitStatus),
    /// Nothing more can be heard of the call: its worker broke the protocol, or others were the end of a worker that it
    /// shared ([`WireError::SharedWorkerEnded`]).
    Broken(WireError),
    /// A clock of the call has struck. The call may still run.
    Expired(Expired),
}
