//! Whether there is another attempt at a call after one that failed.

use omni_call::Call;

use super::conclude::AttemptSite;
use super::result::AttemptResult;
use crate::wire::WireError;

/// Counts the attempts at one call.
///
/// When a process dies before a line of the tool has run, the call is not to blame: the process may have been dying
/// because of the call before. So such a call gets a second attempt, in another process, and no third: a second death
/// is no accident. The worker notes on its status page that the call starts, just before the tool's first line
/// (decision 0003), so the second attempt is safe whatever the tool does. Once the call has started, the tool's policy
/// decides (`policy/retry.rs`).
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
    /// The number of the current attempt, counted from 1.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Whether there is to be another attempt after one at `site` with this `result`; if so, counts it. Never while the
    /// executor is `closing`.
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
            // The call was taken back from a worker that had not begun it, so this was no attempt.
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

    /// Counts another attempt at a call of which nothing has run. False when there has been a second one already.
    pub(crate) fn count_retry(&mut self) -> bool {
        let first = self.number == 1;
        self.number += u32::from(first);
        first
    }
}
