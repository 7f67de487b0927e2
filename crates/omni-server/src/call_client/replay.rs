//! A call that is run again from its beginning, since the process or the server that had it is gone: with the answers
//! that its client has given so far, which are in the state that it brings back.
//!
//! Only a tool that may be repeated is run again, and only as long as it asks what it asked before.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::OutcomeKind;
use omni_protocol::{ErrorCode, RpcError};
use omni_store::Reply;

use super::answer_log::AnswerLog;
use super::answers_ahead::{AnswersAhead, given, response_to};
use super::parked::{ParkedCalls, used};
use super::request_state::{StateContents, StateId};

/// A call to run again. Its state is not used up before [`claim`](Self::claim).
pub(crate) struct Replay {
    parked: Arc<ParkedCalls>,
    id: StateId,
    expiry_ms: u64,
    ahead: AnswersAhead,
}

impl Replay {
    /// `responses` are the client's answers to what the state says that it was asked.
    pub(super) fn new(
        parked: Arc<ParkedCalls>,
        contents: StateContents,
        responses: &[(String, Bytes)],
    ) -> Self {
        let StateContents { id, expiry_ms, questions, answers, .. } = contents;
        let mut ahead = AnswersAhead { is_rerun: true, ..AnswersAhead::default() };
        match answers {
            None => ahead.ending = Some(OutcomeKind::Lost { message: TOO_LARGE.to_owned() }),
            Some(mut answers) => {
                for (key, question) in questions {
                    match response_to(&key, responses) {
                        Some(result) => answers.push(given(question, result)),
                        None => ahead.told.push((key, question)),
                    }
                }
                ahead.log = AnswerLog::of_earlier_run(answers);
            }
        }
        Replay { parked, id, expiry_ms, ahead }
    }

    /// Uses the state up, and gives what has come before the call asks anything. The call may begin when the [`StateClaim`]
    /// says so.
    ///
    /// # Errors
    /// The state has been used meanwhile.
    pub(crate) fn claim(self) -> Result<(AnswersAhead, StateClaim), RpcError> {
        let noted = self.parked.use_up(self.id, self.expiry_ms)?;
        Ok((self.ahead, StateClaim(noted)))
    }
}

/// Whether a state is this process's to use, and no other's that has the same key. The default is that no state was used.
#[derive(Default)]
pub(crate) struct StateClaim(Option<Reply<bool>>);

impl StateClaim {
    /// Waits until it is known.
    ///
    /// # Errors
    /// Another process has used the state, or it cannot be noted that it is used.
    pub(crate) async fn granted(self) -> Result<(), RpcError> {
        let Some(noted) = self.0 else { return Ok(()) };
        match noted.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(used()),
            Err(error) => {
                let why = format!("it cannot be noted that `params.requestState` is used: {error}");
                tracing::warn!("{why}");
                Err(RpcError::new(ErrorCode::Internal, why))
            }
        }
    }
}

/// Why a call that may be repeated is not run again with its answers.
const TOO_LARGE: &str = "it waited for its client's answer and was ended, and what it had been answered before is too much \
     to run it again with; call it again";
