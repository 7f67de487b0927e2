//! Why a question gets no answer, in words.

use std::time::Duration;

use omni_call::{Answer, AskRefusal};
use omni_protocol::NotAskable;

/// A time as a person says it.
pub(super) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

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
