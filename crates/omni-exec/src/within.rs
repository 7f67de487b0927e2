//! Waiting while a call's own time runs: the one place where a deadline is a timer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use omni_call::{Call, Deadline, Expired, OutcomeKind};
use tokio::time::{sleep_until, timeout_at};

use crate::bounds::TIMER_GRAIN;

/// Waits for `future` until one of the clocks of a call strikes. The error is how the call ends then; the future has been
/// dropped. `deadline` is looked at once: who moves its clocks meanwhile asks again.
///
/// Needs a tokio runtime with its timer when a clock runs.
///
/// # Errors
///
/// How a call ended whose time was up: [`OutcomeKind::TimedOut`] or [`OutcomeKind::Idle`].
pub async fn within<T>(deadline: &Deadline, future: impl Future<Output = T>) -> Result<T, OutcomeKind> {
    within_and(deadline, Duration::ZERO, future).await
}

/// As [`within`], and so much longer: for a peer that keeps the same limit and may still say something.
pub(crate) async fn within_and<T>(
    deadline: &Deadline,
    grace: Duration,
    future: impl Future<Output = T>,
) -> Result<T, OutcomeKind> {
    let Some((at, expiry)) = deadline.next_expiry() else { return Ok(future.await) };
    let waited = timeout_at((at + grace).into(), future).await;
    // Meanwhile the other clock may have struck too, which is then the one to be named.
    waited.map_err(|_| expired(deadline.expired(Instant::now()).unwrap_or(expiry)))
}

/// Polls until there is something or the call's time is up; the error is which clock has struck. What is polled may
/// move, stop and start the idle clock, which [`within`] would not see.
pub(crate) async fn poll_within<T>(
    call: &mut Call,
    mut poll: impl FnMut(&mut Context<'_>, &mut Call) -> Poll<T>,
) -> Result<T, Expired> {
    let far = || tokio::time::Instant::now() + Duration::from_secs(86_400 * 365);
    let mut alarm = pin!(sleep_until(call.deadline.next().map_or_else(far, Into::into)));
    poll_fn(|cx| {
        if let Poll::Ready(end) = poll(cx, call) {
            return Poll::Ready(Ok(end));
        }
        // A clock that stood still when the timer was set goes on.
        if let Some(next) = call.deadline.next().map(tokio::time::Instant::from)
            && next < alarm.deadline()
        {
            alarm.as_mut().reset(next);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if let Some(expiry) = call.deadline.expired(now) {
                return Poll::Ready(Err(expiry));
            }
            // A heartbeat has moved the deadline since the timer was set.
            let next = call.deadline.next().map_or_else(far, Into::into);
            alarm.as_mut().reset(next.max(tokio::time::Instant::from(now) + TIMER_GRAIN));
        }
        Poll::Pending
    })
    .await
}

/// How a call ends whose time ran out.
pub(crate) fn expired(expiry: Expired) -> OutcomeKind {
    match expiry {
        Expired::Total { limit } => OutcomeKind::TimedOut { limit },
        Expired::Idle { limit } => OutcomeKind::Idle { limit },
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
            (Some(2 * SECOND), None, OutcomeKind::TimedOut { limit: 2 * SECOND }),
            (None, Some(3 * SECOND), OutcomeKind::Idle { limit: 3 * SECOND }),
            (Some(5 * SECOND), Some(3 * SECOND), OutcomeKind::Idle { limit: 3 * SECOND }),
            (Some(3 * SECOND), Some(3 * SECOND), OutcomeKind::TimedOut { limit: 3 * SECOND }),
        ];
        for (total, idle, kind) in table {
            let deadline = Deadline::new(now(), total, idle);
            assert_eq!(within(&deadline, pending::<()>()).await, Err(kind.clone()));
            assert_eq!(within_and(&deadline, SECOND, pending::<()>()).await, Err(kind));
            assert_eq!(within(&deadline, ready(7)).await, Ok(7), "what is ready is taken, whatever the time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_clock_is_named_when_it_has_struck_as_well() {
        let long_ago = Instant::now().checked_sub(9 * SECOND).expect("this machine has run for some seconds");
        let deadline = Deadline::new(long_ago, Some(3 * SECOND), Some(2 * SECOND));
        let kind = within(&deadline, pending::<()>()).await;
        assert_eq!(kind, Err(OutcomeKind::TimedOut { limit: 3 * SECOND }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_grace_is_added_to_what_the_clock_leaves() {
        let deadline = Deadline::new(now(), Some(2 * SECOND), None);
        let three = tokio::time::sleep(3 * SECOND);
        assert_eq!(within_and(&deadline, 2 * SECOND, three).await, Ok(()));
        let deadline = Deadline::new(now(), Some(2 * SECOND), None);
        let three = tokio::time::sleep(3 * SECOND);
        let kind = within_and(&deadline, SECOND / 2, three).await;
        assert_eq!(kind, Err(OutcomeKind::TimedOut { limit: 2 * SECOND }));
    }

    #[tokio::test]
    async fn without_limits_nothing_is_timed() {
        let deadline = Deadline::new(Instant::now(), None, None);
        assert_eq!(within(&deadline, ready(1)).await, Ok(1));
    }
}
