//! Waiting for something else than the end of a call while the call's own time runs.

use std::future::Future;
use std::time::{Duration, Instant};

use omni_call::{Deadline, Ending, Expiry};
use tokio::time::timeout_at;

/// Waits for `future` until one of the clocks of a call strikes. The error is how the call ends then; the future has been
/// dropped. `deadline` is looked at once: who moves its clocks meanwhile asks again.
///
/// Needs a tokio runtime with its timer when a clock runs.
///
/// # Errors
///
/// The ending of a call whose time was up: [`Ending::TimedOut`] or [`Ending::Idle`].
pub async fn within<T>(deadline: &Deadline, future: impl Future<Output = T>) -> Result<T, Ending> {
    within_and(deadline, Duration::ZERO, future).await
}

/// As [`within`], and so much longer: for a peer that keeps the same limit and may still say something.
pub(crate) async fn within_and<T>(
    deadline: &Deadline,
    grace: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Ending> {
    let Some((at, expiry)) = deadline.next_expiry() else { return Ok(future.await) };
    let waited = timeout_at((at + grace).into(), future).await;
    // Meanwhile the other clock may have struck too, which is then the one to be named.
    waited.map_err(|_| expired(deadline.expired(Instant::now()).unwrap_or(expiry)))
}

/// How a call ends whose time ran out.
pub(crate) fn expired(expiry: Expiry) -> Ending {
    match expiry {
        Expiry::Total { limit } => Ending::TimedOut { limit },
        Expiry::Idle { limit } => Ending::Idle { limit },
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// By the clock that stands still.
    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_is_told_which_clock_has_struck() {
        let table = [
            (Some(2 * SECOND), None, Ending::TimedOut { limit: 2 * SECOND }),
            (None, Some(3 * SECOND), Ending::Idle { limit: 3 * SECOND }),
            (Some(5 * SECOND), Some(3 * SECOND), Ending::Idle { limit: 3 * SECOND }),
            (Some(3 * SECOND), Some(3 * SECOND), Ending::TimedOut { limit: 3 * SECOND }),
        ];
        for (total, idle, ending) in table {
            let deadline = Deadline::new(now(), total, idle);
            assert_eq!(within(&deadline, pending::<()>()).await, Err(ending.clone()));
            assert_eq!(within_and(&deadline, SECOND, pending::<()>()).await, Err(ending));
            assert_eq!(within(&deadline, ready(7)).await, Ok(7), "what is ready is taken, whatever the time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_clock_is_named_when_it_has_struck_as_well() {
        let long_ago = Instant::now().checked_sub(9 * SECOND).expect("this machine has run for some seconds");
        let deadline = Deadline::new(long_ago, Some(3 * SECOND), Some(2 * SECOND));
        let ending = within(&deadline, pending::<()>()).await;
        assert_eq!(ending, Err(Ending::TimedOut { limit: 3 * SECOND }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_grace_is_added_to_what_the_clock_leaves() {
        let deadline = Deadline::new(now(), Some(2 * SECOND), None);
        let three = tokio::time::sleep(3 * SECOND);
        assert_eq!(within_and(&deadline, 2 * SECOND, three).await, Ok(()));
        let deadline = Deadline::new(now(), Some(2 * SECOND), None);
        let three = tokio::time::sleep(3 * SECOND);
        let ending = within_and(&deadline, SECOND / 2, three).await;
        assert_eq!(ending, Err(Ending::TimedOut { limit: 2 * SECOND }));
    }

    #[tokio::test]
    async fn without_limits_nothing_is_timed() {
        let deadline = Deadline::new(Instant::now(), None, None);
        assert_eq!(within(&deadline, ready(1)).await, Ok(1));
    }
}
