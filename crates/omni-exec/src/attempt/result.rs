//! How one attempt at a call ended. What that means for the caller is said by `outcome_kind.rs`.

use omni_call::{CallResult, Expired};
use omni_process::ExitStatus;

use crate::wire::{ErrorFrame, WireError};

/// How one attempt ended.
#[derive(Debug)]
pub(crate) enum AttemptResult {
    Result(CallResult),
    Error(ErrorFrame),
    /// A part of the result was larger than a result may be.
    TooLarge,
    /// The call was revoked, and the worker had not begun it.
    Skipped,
    /// The worker has other files of the skill than the call means, and has run nothing of it. No failure of the
    /// tool's, nor of the worker's.
    Stale,
    /// The process of the call has ended, and the kernel says how.
    Died(ExitStatus),
    /// Nothing more can be heard of the call: its worker broke the protocol, or shared its process with other calls and
    /// was ended because of one of them ([`WireError::SharedWorkerEnded`]).
    Broken(WireError),
    /// The call has run out of time. It may still run.
    Expired(Expired),
}
