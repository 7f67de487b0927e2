//! The permit of a call that runs, which it has not while it waits for its client (decision 0074).

use std::sync::{Mutex, PoisonError};

use omni_call::{Answer, BoxFuture, OpenQuestions};

use super::account::{Permit, Quantity};

/// The permit of a call that an executor has. While the call's client is asked something, another call may run in its
/// place; then it is taken again, whether there is room or not. How many calls wait is bounded where questions are put.
pub(crate) struct CallPermit(OpenQuestions);

impl CallPermit {
    /// Of a call that begins to run.
    pub(crate) fn new(permit: Permit) -> Self {
        let account = permit.account.clone();
        let held = Mutex::new(Some(permit));
        CallPermit(OpenQuestions::new(move |waits| {
            let permit = (!waits).then(|| account.charge(Quantity::Calls, 1));
            let before = std::mem::replace(&mut *held.lock().unwrap_or_else(PoisonError::into_inner), permit);
            drop(before);
        }))
    }

    /// An answer that the call waits for.
    pub(crate) fn awaiting(&self, answer: BoxFuture<'static, Answer>) -> BoxFuture<'static, Answer> {
        self.0.counted(answer)
    }
}
