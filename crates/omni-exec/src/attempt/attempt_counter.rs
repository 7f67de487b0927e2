//! Whether a call whose attempt failed is begun once more.

use omni_call::Call;

use super::conclude::AttemptSite;
use super::result::AttemptResult;
use crate::wire::WireError;

/// Counts the attempts at one call.
///
/// A process that dies before a line of the tool has run is our loss, not the caller's: it may have been dying of the
/// call before. So such a call is begun once more, elsewhere, and only once: a second death is no accident. The mark that
/// tells it is set by the worker just before the tool's first line and read only now (decision 0003), so the retry is safe
/// whatever the tool does. What happens after the mark is for the tool's policy to decide (`policy/retry.rs`).
#[derive(Debug)]
pub(crate) struct AttemptCounter {
    number: u32,
}

impl Default for AttemptCounter {
    fn default() -> Self {
        AttemptCounter { number: 1 }
    }
}

impl AttemptCounter {
    /// The attempt at hand, counted from 1.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Whether the call is to be begun again after an attempt at `site` that ended so. Never while everything ends.
    pub(crate) fn should_retry(
        &mut self,
        call: &Call,
        result: &AttemptResult,
        site: &impl AttemptSite,
        closing: bool,
    ) -> bool {
        if closing {
            return false;
        }
        match result {
            // It was taken back from a worker that stands still, so this was no attempt.
            AttemptResult::Skipped => true,
            AttemptResult::Died(_) | AttemptResult::Broken(WireError::SharedWorkerEnded(_)) => {
                let again = self.number == 1 && !site.has_started() && self.count_retry();
                if again {
                    tracing::debug!(call = %call.id, "a worker died before the call began; trying another");
                }
                again
            }
            AttemptResult::Result(_)
            | AttemptResult::Error(_)
            | AttemptResult::TooLarge
            // Whoever resolved the call does so anew: here it would only be stale once more.
            | AttemptResult::Stale
            | AttemptResult::Broken(_)
            | AttemptResult::Expired(_) => false,
        }
    }

    /// Counts another attempt, if there may be one, for a call of which it is known that nothing has run.
    pub(crate) fn count_retry(&mut self) -> bool {
        let first = self.number == 1;
        self.number += u32::from(first);
        first
    }
}
