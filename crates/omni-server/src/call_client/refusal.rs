//! Why a question gets no answer, and when it is given up.

use std::time::Duration;

use omni_call::{Answer, AskRefusal};
use omni_protocol::NotAskable;

/// A question that nobody has answered for so long is given up, and so is a parked call that nobody has come back to. A
/// person may have to look something up; whoever has left must not keep a worker for the rest of the call's time.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(15 * 60);

pub(super) fn refused(why: AskRefusal, message: &str) -> Answer {
    Answer::Refused { why, message: message.to_owned() }
}

pub(super) fn not_askable(why: NotAskable) -> Answer {
    let refusal = match why {
        NotAskable::Undeclared(_) | NotAskable::Unknown(..) => AskRefusal::Unsupported,
        NotAskable::Malformed(_) => AskRefusal::Failed,
    };
    refused(refusal, &why.to_string())
}
